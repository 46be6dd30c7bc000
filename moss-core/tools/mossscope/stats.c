/*
 * stats: numbers about a store, in four parts that Go's tool has, too:
 *
 *     diag            what the store is, and what each collection holds
 *     footer          what the commit points count
 *     fragmentation   what a compaction would give back
 *     hist            sizes of keys and values as histograms
 */
#include <inttypes.h>

#include "args.h"
#include "points.h"
#include "stats.h"

static const struct option options[] = {
    OPT_FLAG("all", all, "with \"footer\": of all commit points"),
    OPT_TEXT("child", child, "PATH", "of this child collection and below"),
    OPT_NUMBER("at", at, "of the commit point N before the newest one"),
    OPT_FLAG("keep-files", keep_files,
             "go on into the data files that compactions have kept"),
    OPT_FLAG("no-mmap", no_mmap, "read segments into memory, do not map them"),
    { 0 },
};

static const char more[] =
    "Without one of the words, all of it.  \"frag\" is short for\n"
    "\"fragmentation\".  All but \"footer\" read the whole store.  Sizes of\n"
    "values are those of what is stored: merge operands count on their own.";

enum { DIAG = 1, FOOTER = 2, FRAGMENTATION = 4, HIST = 8, ALL = 15 };

/* What is asked for, and what is added up over the collections. */
struct stats {
    const struct args *a;
    unsigned parts;
    const struct commit *c;
    struct json_out w;
    struct sizes keys, values;
    uint64_t visible, stored, visible_bytes, stored_bytes;
};

/* ------------------------------------------------------------------ */
/* The store                                                          */
/* ------------------------------------------------------------------ */

static void
put_store_text(const struct moss_store_identity *id,
               const struct moss_store_stats *st, const struct commit *c)
{
    bool is_ours = c->has_nonce;

    (void)printf("data file      %s\n", st->data_file);
    (void)printf("bytes          %" PRIu64 "\n", st->file_bytes);
    (void)printf("store id       ");
    if (is_ours)
        text_put(stdout, moss_slice(id->store_id, 16), true, 0);
    else
        (void)printf("- (written by Go moss alone)");
    (void)printf("\ndatabase       %s\n",
                 id->home_path[0] != '\0' ? id->home_path : "-");
    (void)printf("merge operator %s\n",
                 id->merge_name[0] != '\0' ? id->merge_name : "-");
    (void)printf("transaction    n %" PRIu64 ", id %016" PRIx64 "\n", c->tag.n,
                 c->tag.id);
    (void)printf("collections    %zu\n", c->footer->n_colls);
    (void)printf("segments       %" PRIu64 "\n", c->footer->n_locs);
}

static void
put_store_json(struct json_out *w, const struct moss_store_identity *id,
               const struct moss_store_stats *st, const struct commit *c)
{
    char hex[33];

    json_open(w, "store", '{');
    for (size_t i = 0; i < 16; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", id->store_id[i]);
    json_text(w, "data_file", st->data_file);
    json_uint(w, "bytes", st->file_bytes);
    json_text(w, "id", hex);
    json_text(w, "database", id->home_path);
    json_text(w, "merge", id->merge_name);
    json_uint(w, "n", c->tag.n);
    json_id(w, "tag_id", c->tag.id);
    json_uint(w, "collections", c->footer->n_colls);
    json_uint(w, "segments", c->footer->n_locs);
    json_close(w, '}');
}

/* ------------------------------------------------------------------ */
/* Collections                                                        */
/* ------------------------------------------------------------------ */

static double
average(const struct sizes *s)
{
    return s->n == 0 ? 0 : (double)s->sum / (double)s->n;
}

static void
put_coll_text(const struct path *path, const struct footer_coll *coll,
              const struct scan *scan)
{
    struct segment_totals t = point_totals(coll);

    path_put(stdout, path);
    (void)printf("%s: %" PRIu64 " keys, %zu segments with %" PRIu64
                 " sets, %" PRIu64 " deletes, %" PRIu64 " merges\n",
                 path->n == 0 ? "/" : "", scan->visible, coll->n_locs, t.n_set,
                 t.n_del, t.n_merge);
    (void)printf("    keys   %" PRIu64 " bytes, from %" PRIu64 " to %" PRIu64
                 ", %.1f on average\n",
                 scan->keys.sum, scan->keys.min, scan->keys.max,
                 average(&scan->keys));
    (void)printf("    values %" PRIu64 " bytes, from %" PRIu64 " to %" PRIu64
                 ", %.1f on average\n",
                 scan->values.sum, scan->values.min, scan->values.max,
                 average(&scan->values));
}

static void
put_segments_text(const struct footer_coll *coll, const struct scan *scan)
{
    for (size_t i = 0; i < coll->n_locs; i++) {
        const struct segment_loc *loc = &coll->locs[i];
        uint64_t n = loc_entries(loc);

        (void)printf("    segment at %" PRIu64 ": %" PRIu64 " of %" PRIu64
                     " entries visible, %" PRIu64 " of %" PRIu64 " bytes\n",
                     loc->kvs_off, scan->segments[i].visible, n,
                     scan->segments[i].visible_bytes,
                     loc->kvs_bytes + loc->buf_bytes);
    }
}

static void
put_coll_json(struct stats *s, const struct path *path,
              const struct footer_coll *coll, const struct scan *scan)
{
    struct json_out *w = &s->w;
    struct segment_totals t = point_totals(coll);

    json_open(w, NULL, '{');
    json_path(w, "c", path);
    json_uint(w, "entries", scan->visible);
    json_uint(w, "sets", t.n_set);
    json_uint(w, "deletes", t.n_del);
    json_uint(w, "merges", t.n_merge);
    sizes_put_json(w, "keys", &scan->keys, (s->parts & HIST) != 0);
    sizes_put_json(w, "values", &scan->values, (s->parts & HIST) != 0);
    json_open(w, "segments", '[');
    for (size_t i = 0; i < coll->n_locs; i++) {
        const struct segment_loc *loc = &coll->locs[i];

        json_open(w, NULL, '{');
        json_uint(w, "offset", loc->kvs_off);
        json_uint(w, "entries", loc_entries(loc));
        json_uint(w, "visible", scan->segments[i].visible);
        json_uint(w, "bytes", loc->kvs_bytes + loc->buf_bytes);
        json_uint(w, "visible_bytes", scan->segments[i].visible_bytes);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

static void
add_up(struct stats *s, const struct footer_coll *coll, const struct scan *scan)
{
    s->visible += scan->visible;
    sizes_join(&s->keys, &scan->keys);
    sizes_join(&s->values, &scan->values);
    for (size_t i = 0; i < coll->n_locs; i++) {
        s->stored += loc_entries(&coll->locs[i]);
        s->stored_bytes += coll->locs[i].kvs_bytes + coll->locs[i].buf_bytes;
        s->visible_bytes += scan->segments[i].visible_bytes;
    }
}

/* Does path begin with the one that --child names? */
static bool
is_below(const struct path *path, const struct path *under)
{
    if (path->n < under->n)
        return false;
    for (size_t i = 0; i < under->n; i++) {
        if (slice_compare(path->names[i], under->names[i]) != 0)
            return false;
    }
    return true;
}

static enum scope_exit
put_colls(struct stats *s, const struct path *under)
{
    const struct footer *f = s->c->footer;
    enum scope_exit result = SCOPE_OK;

    if (s->a->json)
        json_open(&s->w, "contents", '[');
    for (size_t i = 0; i < f->n_colls && result != SCOPE_FAILED; i++) {
        struct scan scan;
        struct path path;
        enum scope_exit x;

        point_path(f, f->colls[i], &path);
        if (!is_below(&path, under))
            continue;
        x = scan_stack(s->c->stacks[f->colls[i]->index], &scan);
        result = x > result ? x : result;
        add_up(s, f->colls[i], &scan);
        if (s->a->json) {
            put_coll_json(s, &path, f->colls[i], &scan);
        } else {
            if ((s->parts & (DIAG | FRAGMENTATION)) != 0)
                put_coll_text(&path, f->colls[i], &scan);
            if ((s->parts & FRAGMENTATION) != 0)
                put_segments_text(f->colls[i], &scan);
        }
        scan_release(&scan);
    }
    if (s->a->json)
        json_close(&s->w, ']');
    return result;
}

/* ------------------------------------------------------------------ */
/* All together                                                       */
/* ------------------------------------------------------------------ */

static void
put_fragmentation(struct stats *s, uint64_t file_bytes)
{
    uint64_t live = s->c->live_bytes;
    uint64_t dead = file_bytes > live ? file_bytes - live : 0;

    if (s->a->json) {
        json_open(&s->w, "fragmentation", '{');
        json_uint(&s->w, "file_bytes", file_bytes);
        json_uint(&s->w, "live_bytes", live);
        json_uint(&s->w, "dead_bytes", dead);
        json_uint(&s->w, "entries", s->stored);
        json_uint(&s->w, "visible", s->visible);
        json_uint(&s->w, "stored_bytes", s->stored_bytes);
        json_uint(&s->w, "visible_bytes", s->visible_bytes);
        json_close(&s->w, '}');
        return;
    }
    (void)printf(
        "file           %" PRIu64 " bytes, of which %" PRIu64
        " (%.1f%%) belong to this commit point and %" PRIu64
        " to older ones or to nobody\n",
        file_bytes, live,
        file_bytes == 0 ? 0 : 100.0 * (double)live / (double)file_bytes, dead);
    (void)printf("segments       %" PRIu64 " bytes, of which %" PRIu64
                 " (%.1f%%) can be seen\n",
                 s->stored_bytes, s->visible_bytes,
                 s->stored_bytes == 0 ? 0
                                      : 100.0 * (double)s->visible_bytes /
                                            (double)s->stored_bytes);
}

static enum scope_exit
put_parts(struct stats *s, struct view *v, const struct path *under)
{
    struct moss_store_identity id;
    struct moss_store_stats st;
    enum scope_exit x = SCOPE_OK;

    moss_store_identity(v->store, &id);
    moss_store_stats(v->store, &st);
    if (s->a->json)
        json_open(&s->w, NULL, '{');
    if (s->a->json)
        put_store_json(&s->w, &id, &st, s->c);
    else if ((s->parts & DIAG) != 0)
        put_store_text(&id, &st, s->c);
    x = put_colls(s, under);
    if ((s->parts & FRAGMENTATION) != 0)
        put_fragmentation(s, st.file_bytes);
    if ((s->parts & HIST) != 0 && s->a->json) {
        sizes_put_json(&s->w, "keys", &s->keys, true);
        sizes_put_json(&s->w, "values", &s->values, true);
    } else if ((s->parts & HIST) != 0) {
        sizes_put_text(&s->keys, "sizes of keys");
        sizes_put_text(&s->values, "sizes of values");
    }
    if (s->a->json)
        json_close(&s->w, '}');
    return x;
}

static enum scope_exit
run_parts(const struct args *a, struct view *v, unsigned parts)
{
    struct stats s = { .a = a, .parts = parts };
    struct moss_snapshot *snap = NULL;
    struct commit *c = NULL;
    struct path under;
    struct buf names;
    enum scope_exit x = view_commit_at(v, a->at, &c);

    buf_init(&names);
    if (x == SCOPE_OK)
        x = view_child(a, c, &snap, &under, &names);
    if (x == SCOPE_OK) {
        s.c = c;
        json_out_init(&s.w, stdout);
        progress_init(a, "stats", "keys");
        x = put_parts(&s, v, &under);
        progress_end();
    }
    moss_snapshot_unref(snap);
    commit_unref(c);
    buf_release(&names);
    return x;
}

/* False: there is no such part. */
static bool
find_part(const char *word, unsigned *parts)
{
    static const struct {
        const char *name;
        unsigned part;
    } names[] = { { "diag", DIAG },
                  { "footer", FOOTER },
                  { "fragmentation", FRAGMENTATION },
                  { "frag", FRAGMENTATION },
                  { "hist", HIST } };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, word) == 0) {
            *parts = names[i].part;
            return true;
        }
    }
    return false;
}

static enum scope_exit
run(const struct args *a)
{
    unsigned parts = ALL;
    struct view v;
    enum scope_exit x;

    if (a->n_words == 2 && !find_part(a->words[0], &parts))
        return scope_complain("stats does not know \"%s\"", a->words[0]);
    x = view_open(a, &v);
    if (x == SCOPE_OK)
        x = parts == FOOTER ? points_list(a, &v, a->all ? UINT64_MAX : 1, false)
                            : run_parts(a, &v, parts);
    view_close(&v);
    return x;
}

const struct command stats_command = {
    .name = "stats",
    .usage = "[diag | footer | fragmentation | hist] [OPTIONS] DIR",
    .what = "print numbers about a store",
    .more = more,
    .options = options,
    .max_words = 2,
    .run = run,
};
