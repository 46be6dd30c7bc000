/*
 * salvage: what can be read of a damaged store, into a new one.
 *
 * The newest good footer says which segments there are.  Their entries are put
 * into the new store from the oldest segment to the newest, so that what can
 * be read comes out as it was, and what cannot does not stand in the way.  An
 * entry that is lost may bring an older value of its key to light again, or a
 * deleted key; the key ranges of all losses are told.
 *
 * Without any good footer, segments are looked for in the files.  Nobody
 * knows what collection such a segment was of, or which of two is newer; each
 * becomes a child collection of its own.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "args.h"
#include "base/base.h"
#include "base/mem.h"
#include "damage.h"
#include "find.h"
#include "points.h"
#include "report.h"
#include "sink.h"
#include "store/datafile.h"
#include "store/identity.h"
#include "store/mapped.h"

#define BATCH 10000

static const struct option options[] = {
    OPT_NUMBER("at", at, "from the N-th good footer before the last one"),
    OPT_FLAG("segments", segments,
             "also segments behind the last good footer, and guesses"),
    OPT_TEXT("merge", merge, "NAME", "the merge operator of operands"),
    OPT_FLAG("no-mmap", no_mmap, "read segments into memory, do not map them"),
    { 0 },
};

static const char more[] =
    "DIR is the damaged store, or one of its data files; it is only read.\n"
    "NEWDIR must not have a store yet.  Entries in damaged blocks are left\n"
    "out, and the ranges of keys they lay in are told.  Without any good\n"
    "footer, or with --segments, segments that no footer names become\n"
    "collections of their own, called /salvaged/FILE@OFFSET.  The status is 0\n"
    "only if nothing was lost.";

struct salvage {
    const struct args *a;
    struct moss_os *os;
    struct report report;
    struct sink sink;
    uint64_t entries, lost, segments, collections, points;
};

/* A data file that was opened. */
struct source {
    char *path;       /* owned */
    const char *name; /* the end of path */
    struct file *file;
    uint64_t size;
    bool has_header, has_nonce;
    uint64_t nonce;
};

/* ------------------------------------------------------------------ */
/* Segments                                                           */
/* ------------------------------------------------------------------ */

struct segment_source {
    const struct source *src;
    const struct path *path;
    const struct segment *seg;
    const struct segment_loc *loc;
    uint64_t nonce;
};

/* The entries [from, to) are lost; between the keys before and after. */
static void
report_lost(struct salvage *s, const struct segment_source *in, size_t from,
            size_t to, const struct moss_slice *before,
            const struct moss_slice *after)
{
    char *path = report_path(in->path);
    char *lo = before == NULL ? NULL : report_text(*before);
    char *hi = after == NULL ? NULL : report_text(*after);

    s->lost += to - from;
    report_problem(
        &s->report, in->src->name, in->loc->kvs_off + 16 * (uint64_t)from,
        "%zu entries lost of collection %s, with keys %s%s%s%s%s%s%s",
        to - from, path, lo != NULL ? "behind \"" : "", lo != NULL ? lo : "",
        lo != NULL ? "\"" : "", lo != NULL && hi != NULL ? " and " : "",
        hi != NULL   ? "before \""
        : lo == NULL ? "anywhere"
                     : "",
        hi != NULL ? hi : "", hi != NULL ? "\"" : "");
    free(path);
    free(lo);
    free(hi);
}

static enum scope_exit
salvage_entries(struct salvage *s, const struct segment_source *in,
                const struct damage *d)
{
    struct moss_slice last;
    bool has_last = false, is_losing = false;
    size_t lost_from = 0;

    for (size_t i = 0; i < in->seg->n; i++) {
        struct entry e;
        enum scope_exit x;

        if (damage_entry(in->seg, d, i, &e) != ENTRY_GOOD) {
            if (!is_losing)
                lost_from = i;
            is_losing = true;
            continue;
        }
        if (is_losing)
            report_lost(s, in, lost_from, i, has_last ? &last : NULL, &e.key);
        is_losing = false;
        last = e.key;
        has_last = true;
        x = sink_put(&s->sink, in->path, e.op, e.key, e.value, 0);
        if (x != SCOPE_OK)
            return x;
        progress_show(++s->entries, 0);
    }
    if (is_losing)
        report_lost(s, in, lost_from, in->seg->n, has_last ? &last : NULL,
                    NULL);
    return SCOPE_OK;
}

static enum scope_exit
salvage_segment(struct salvage *s, const struct segment_source *in)
{
    struct damage d;
    enum scope_exit x;

    damage_find(in->seg, in->loc, in->nonce, &d);
    if (d.header)
        report_problem(&s->report, in->src->name,
                       in->loc->kvs_off + in->loc->kvs_bytes,
                       "checksums cannot be compared; %zu entries are taken "
                       "as they are",
                       in->seg->n);
    x = salvage_entries(s, in, &d);
    damage_release(&d);
    s->segments++;
    return x;
}

/* ------------------------------------------------------------------ */
/* By a footer                                                        */
/* ------------------------------------------------------------------ */

static enum scope_exit
salvage_commit(struct salvage *s, const struct source *src,
               const struct commit *c)
{
    const struct footer *f = c->footer;
    enum scope_exit x = SCOPE_OK;

    s->points++;
    report_note(&s->report, src->name, f->off,
                "the commit point that is salvaged, transaction %" PRIu64,
                f->tag.n);
    for (size_t i = 0; i < f->n_colls && x == SCOPE_OK; i++) {
        const struct footer_coll *coll = f->colls[i];
        const struct segstack *stack = c->stacks[coll->index];
        struct path path;

        point_path(f, coll, &path);
        x = sink_collection(&s->sink, &path);
        s->collections++;
        for (size_t k = 0; k < stack->n && x == SCOPE_OK; k++) {
            struct segment_source in = { src, &path, stack->segs[k],
                                         &coll->locs[k], src->nonce };

            x = salvage_segment(s, &in);
        }
    }
    return x;
}

/* The footer to go by, if the file has any: *out. */
static enum scope_exit
find_footer(const struct salvage *s, const struct source *src,
            struct footer **out)
{
    const uint64_t *nonce = src->has_nonce ? &src->nonce : NULL;
    uint64_t size = src->size;
    struct moss_error err;

    *out = NULL;
    for (uint64_t i = 0;; i++) {
        struct footer *f = NULL;
        enum moss_status st = footer_scan(src->file, size, nonce, &f, &err);

        if (st == MOSS_CORRUPT)
            return SCOPE_OK;
        if (st < 0)
            return scope_failed("cannot read", st, &err);
        if (i == s->a->at) {
            *out = f;
            return SCOPE_OK;
        }
        size = f->off;
        footer_free(f);
    }
}

/* ------------------------------------------------------------------ */
/* Without one                                                        */
/* ------------------------------------------------------------------ */

static enum scope_exit
salvage_found(struct salvage *s, const struct source *src, struct mapping *map,
              const struct found *found)
{
    struct segment *seg = NULL;
    struct path path = { .n = 2 };
    struct segment_source in = { src, &path, NULL, &found->loc, found->nonce };
    struct moss_error err;
    char name[DATAFILE_NAME + 64];
    enum scope_exit x;
    enum moss_status st;

    (void)snprintf(name, sizeof name, "%.*s@%" PRIu64, DATAFILE_NAME, src->name,
                   found->loc.kvs_off);
    path.names[0] = moss_str("salvaged");
    path.names[1] = moss_str(name);
    st = mapped_segment_new(src->file, map, &found->loc, found->nonce, &seg,
                            &err);
    if (st < 0)
        return scope_failed("cannot read a segment", st, &err);
    in.seg = seg;
    report_note(&s->report, src->name, found->loc.kvs_off,
                "%s of %zu entries that no good footer names",
                found->loc.has_extras ? "a segment" : "perhaps a segment",
                seg->n);
    x = sink_collection(&s->sink, &path);
    s->collections++;
    if (x == SCOPE_OK)
        x = salvage_segment(s, &in);
    segment_unref(seg);
    return x;
}

/* Segments in [from, end) of the file. */
static enum scope_exit
salvage_unnamed(struct salvage *s, const struct source *src, uint64_t from)
{
    struct mapping *map = NULL;
    struct found_list list;
    struct moss_error err;
    enum scope_exit x = SCOPE_OK;
    enum moss_status st;

    if (from >= src->size || src->size <= FILE_PAGE)
        return SCOPE_OK;
    st = mapping_new(src->file, FILE_PAGE, (size_t)(src->size - FILE_PAGE),
                     s->a->no_mmap, &map, &err);
    if (st < 0)
        return scope_failed("cannot read", st, &err);
    find_segments(map, from, src->has_nonce ? &src->nonce : NULL, true, &list);
    for (size_t i = 0; i < list.n && x == SCOPE_OK; i++)
        x = salvage_found(s, src, map, &list.items[i]);
    found_release(&list);
    mapping_unref(map);
    return x;
}

/* ------------------------------------------------------------------ */
/* Files                                                              */
/* ------------------------------------------------------------------ */

static enum scope_exit
source_open(struct salvage *s, const char *path, struct source *src)
{
    struct identity id;
    struct moss_error err;
    enum moss_status st;

    memset(src, 0, sizeof *src);
    src->path = strdup(path);
    if (src->path == NULL)
        scope_must(MOSS_NOMEM);
    src->name = strrchr(src->path, '/');
    src->name = src->name == NULL ? src->path : src->name + 1;
    st = file_open(s->os, path, MOSS_OPEN_READ, &src->file, &err);
    if (st == MOSS_OK)
        st = file_size(src->file, &src->size, &err);
    if (st < 0)
        return scope_failed("cannot open", st, &err);
    st = src->size < FILE_PAGE ? MOSS_CORRUPT
                               : identity_read(src->file, true, &id, &err);
    if (st == MOSS_UNSUPPORTED)
        return scope_failed("cannot read the file", st, &err);
    src->has_header = st == MOSS_OK;
    src->has_nonce = src->has_header && id.is_there;
    src->nonce = src->has_nonce ? id.nonce : 0;
    return SCOPE_OK;
}

static void
source_close(struct source *src)
{
    file_unref(src->file);
    free(src->path);
}

/*
 * A file whose header is damaged has lost its nonce, and so its footers; but
 * each segment of ours repeats it.
 */
static enum scope_exit
recover_nonce(struct salvage *s, struct source *src)
{
    struct mapping *map = NULL;
    struct found_list list;
    struct moss_error err;
    enum moss_status st;

    report_problem(&s->report, src->name, 0, "the header is damaged");
    if (src->size <= FILE_PAGE)
        return SCOPE_OK;
    st = mapping_new(src->file, FILE_PAGE, (size_t)(src->size - FILE_PAGE),
                     s->a->no_mmap, &map, &err);
    if (st < 0)
        return scope_failed("cannot read", st, &err);
    find_segments(map, FILE_PAGE, NULL, false, &list);
    if (list.n > 0) {
        src->has_nonce = true;
        src->nonce = list.items[0].nonce;
    }
    found_release(&list);
    mapping_unref(map);
    return SCOPE_OK;
}

static enum scope_exit
salvage_by_footer(struct salvage *s, const struct source *src,
                  struct footer *footer)
{
    struct commit_env env = { .no_mmap = s->a->no_mmap };
    struct commit_place place = { src->file, 0,
                                  src->has_nonce ? &src->nonce : NULL };
    struct commit *c = NULL;
    struct moss_error err;
    uint64_t end = align_up(footer->off + footer->length, FILE_PAGE);
    enum moss_status st = commit_load(&env, &place, footer, &c, &err);
    enum scope_exit x;

    if (st < 0)
        return scope_failed("cannot read a commit point", st, &err);
    x = salvage_commit(s, src, c);
    commit_unref(c);
    if (x != SCOPE_OK || end >= src->size)
        return x;
    if (s->a->segments)
        return salvage_unnamed(s, src, end);
    if (s->a->at > 0)
        return SCOPE_OK; /* as was asked for */
    report_problem(&s->report, src->name, end,
                   "%" PRIu64 " bytes behind that commit point are not "
                   "salvaged; --segments looks for segments there",
                   src->size - end);
    return SCOPE_OK;
}

/* *done: a footer was found, so that older files are of no interest. */
static enum scope_exit
salvage_file(struct salvage *s, const char *path, bool by_footer, bool *done)
{
    struct source src;
    struct footer *footer = NULL;
    enum scope_exit x = source_open(s, path, &src);

    *done = false;
    if (x == SCOPE_OK && !src.has_header && by_footer)
        x = recover_nonce(s, &src);
    if (x == SCOPE_OK && by_footer) {
        x = find_footer(s, &src, &footer);
        if (x == SCOPE_OK && footer == NULL)
            report_problem(&s->report, src.name, 0, "no good footer");
    }
    if (footer != NULL) {
        *done = true;
        x = salvage_by_footer(s, &src, footer);
    } else if (x == SCOPE_OK && !by_footer) {
        x = salvage_unnamed(s, &src, FILE_PAGE);
    }
    source_close(&src);
    return x;
}

/* First by a footer of any file, the newest first; then without. */
static enum scope_exit
salvage_files(struct salvage *s, char **paths, size_t n)
{
    enum scope_exit x = SCOPE_OK;
    bool done = false;

    for (int by_footer = 1; by_footer >= 0 && !done; by_footer--) {
        for (size_t i = 0; i < n && x == SCOPE_OK && !done; i++)
            x = salvage_file(s, paths[i], by_footer != 0, &done);
    }
    return x;
}

static enum scope_exit
salvage_source(struct salvage *s)
{
    const char *dir = s->a->words[0];
    struct moss_file_id id;
    struct datafile_list list;
    struct moss_error err;
    char **paths, *path;
    enum scope_exit x;
    enum moss_status st = s->os->ops->identify(s->os, dir, &id);

    if (st == MOSS_OK && !id.is_dir) {
        path = (char *)(uintptr_t)dir;
        return salvage_files(s, &path, 1);
    }
    st = datafile_scan(s->os, dir, &list, &err);
    if (st < 0)
        return scope_failed("cannot open the store", st, &err);
    paths = scope_alloc((list.n_data + 1) * sizeof *paths);
    for (size_t i = 0; i < list.n_data; i++) {
        char name[DATAFILE_NAME];

        datafile_name(list.data[i], name);
        paths[i] = file_path(dir, name);
        if (paths[i] == NULL)
            scope_must(MOSS_NOMEM);
    }
    x = salvage_files(s, paths, list.n_data);
    for (size_t i = 0; i < list.n_data; i++)
        mem_free(paths[i]);
    mem_free(paths);
    datafile_list_release(&list);
    return x;
}

static void
put_summary(struct salvage *s)
{
    struct json_out *w = &s->report.w;

    if (!s->a->json) {
        (void)printf("%" PRIu64 " entries of %" PRIu64 " segments in %" PRIu64
                     " collections salvaged, %" PRIu64 " entries lost\n",
                     s->entries, s->segments, s->collections, s->lost);
        return;
    }
    json_open(w, NULL, '{');
    json_text(w, "kind", "summary");
    json_uint(w, "entries", s->entries);
    json_uint(w, "segments", s->segments);
    json_uint(w, "collections", s->collections);
    json_uint(w, "lost", s->lost);
    json_close(w, '}');
}

static enum scope_exit
run(const struct args *a)
{
    struct salvage s = { .a = a, .os = moss_os_posix() };
    struct moss_file_id id;
    enum scope_exit x, closed;

    if (a->n_words != 2)
        return scope_complain("salvage needs DIR and NEWDIR");
    if (s.os->ops->identify(s.os, a->words[0], &id) != MOSS_OK)
        return scope_complain("%s: not there", a->words[0]);
    x = sink_open(&s.sink, a, a->words[1], BATCH);
    report_init(&s.report, a);
    progress_init(a, "salvage", "entries");
    if (x == SCOPE_OK)
        x = salvage_source(&s);
    closed = sink_close(&s.sink, x == SCOPE_OK);
    progress_end();
    if (x == SCOPE_OK)
        x = closed;
    if (x == SCOPE_OK)
        put_summary(&s);
    report_end(&s.report);
    if (x != SCOPE_OK)
        return x;
    return s.report.problems > 0 || s.points == 0 ? SCOPE_PROBLEMS : SCOPE_OK;
}

const struct command salvage_command = {
    .name = "salvage",
    .usage = "[OPTIONS] DIR NEWDIR",
    .what = "read what can be read of a damaged store into a new one",
    .more = more,
    .options = options,
    .max_words = 2,
    .run = run,
};
