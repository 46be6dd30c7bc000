/* A footer has all that is shown of a commit point; no segment is read. */
#include "points.h"

#include <inttypes.h>
#include <time.h>

#include "store/datafile.h"

#define POINT_TIME 32

/* Unix seconds as "2026-11-21T02:50:00Z". */
static void
point_time(uint64_t seconds, char out[POINT_TIME])
{
    time_t t = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL ||
        strftime(out, POINT_TIME, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void)snprintf(out, POINT_TIME, "-");
}

/* Find coll below top, whose path *path is. */
static bool
find_path(const struct footer_coll *top, const struct footer_coll *coll,
          struct path *path)
{
    if (top == coll)
        return true;
    if (path->n == PATH_MAX_NAMES)
        return false;
    path->n++;
    for (size_t i = 0; i < top->n_children; i++) {
        const struct footer_coll *child = &top->children[i];

        /* Numbers ascend in depth-first order. */
        if (i + 1 < top->n_children && child[1].index <= coll->index)
            continue;
        path->names[path->n - 1] = child->name;
        return find_path(child, coll, path);
    }
    return false;
}

void
point_path(const struct footer *f, const struct footer_coll *coll,
           struct path *path)
{
    path->n = 0;
    (void)find_path(&f->top, coll, path);
}

struct segment_totals
point_totals(const struct footer_coll *coll)
{
    struct segment_totals sum = { 0 };

    for (size_t i = 0; i < coll->n_locs; i++) {
        struct segment_totals t = loc_totals(&coll->locs[i]);

        sum.n_set += t.n_set;
        sum.n_del += t.n_del;
        sum.n_merge += t.n_merge;
        sum.key_bytes += t.key_bytes;
        sum.value_bytes += t.value_bytes;
    }
    return sum;
}

static struct segment_totals
footer_totals(const struct footer *f)
{
    struct segment_totals sum = { 0 };

    for (size_t i = 0; i < f->n_colls; i++) {
        struct segment_totals t = point_totals(f->colls[i]);

        sum.n_set += t.n_set;
        sum.n_del += t.n_del;
        sum.n_merge += t.n_merge;
        sum.key_bytes += t.key_bytes;
        sum.value_bytes += t.value_bytes;
    }
    return sum;
}

/* ------------------------------------------------------------------ */
/* Text                                                               */
/* ------------------------------------------------------------------ */

static void
put_segment_text(const struct segment_loc *loc)
{
    struct segment_totals t = loc_totals(loc);

    (void)printf("      segment at %" PRIu64 ": %" PRIu64 " sets, %" PRIu64
                 " deletes, %" PRIu64 " merges; entries %" PRIu64 "+%" PRIu64
                 ", bytes %" PRIu64 "+%" PRIu64 "; %s\n",
                 loc->kvs_off, t.n_set, t.n_del, t.n_merge, loc->kvs_off,
                 loc->kvs_bytes, loc->buf_off, loc->buf_bytes,
                 loc->has_extras ? "with checksums" : "without checksums");
}

static void
put_details_text(const struct footer *f)
{
    for (size_t i = 0; i < f->n_colls; i++) {
        const struct footer_coll *coll = f->colls[i];
        struct path path;

        point_path(f, coll, &path);
        (void)fputs("    ", stdout);
        path_put(stdout, &path);
        (void)printf("%s: %zu segments\n", path.n == 0 ? "/" : "",
                     coll->n_locs);
        for (size_t k = 0; k < coll->n_locs; k++)
            put_segment_text(&coll->locs[k]);
    }
}

void
point_put_text(const struct footer *f, uint64_t n, bool details)
{
    struct segment_totals t = footer_totals(f);
    char at[POINT_TIME] = "by Go moss";

    if (f->is_ours)
        point_time(f->time, at);
    (void)printf("@%" PRIu64 "  %s", n, at);
    if (f->tag.n != 0 || f->tag.id != 0)
        (void)printf("  transaction %" PRIu64 " (%016" PRIx64 ")", f->tag.n,
                     f->tag.id);
    (void)printf("  %zu collections  %" PRIu64 " segments  %" PRIu64
                 " sets  %" PRIu64 " deletes  %" PRIu64 " merges  %" PRIu64
                 " bytes  offset %" PRIu64,
                 f->n_colls, f->n_locs, t.n_set, t.n_del, t.n_merge,
                 t.key_bytes + t.value_bytes, f->off);
    if (f->prev != 0)
        (void)printf("  older %" PRIu64, f->prev);
    (void)putchar('\n');
    if (details)
        put_details_text(f);
}

/* ------------------------------------------------------------------ */
/* JSON                                                               */
/* ------------------------------------------------------------------ */

static void
put_totals_json(struct json_out *w, const struct segment_totals *t)
{
    json_uint(w, "sets", t->n_set);
    json_uint(w, "deletes", t->n_del);
    json_uint(w, "merges", t->n_merge);
    json_uint(w, "key_bytes", t->key_bytes);
    json_uint(w, "value_bytes", t->value_bytes);
}

static void
put_segment_json(struct json_out *w, const struct segment_loc *loc)
{
    struct segment_totals t = loc_totals(loc);

    json_open(w, NULL, '{');
    json_uint(w, "kvs_offset", loc->kvs_off);
    json_uint(w, "kvs_bytes", loc->kvs_bytes);
    json_uint(w, "buf_offset", loc->buf_off);
    json_uint(w, "buf_bytes", loc->buf_bytes);
    put_totals_json(w, &t);
    json_bool(w, "checksums", loc->has_extras);
    json_close(w, '}');
}

static void
put_details_json(struct json_out *w, const struct footer *f)
{
    json_open(w, "contents", '[');
    for (size_t i = 0; i < f->n_colls; i++) {
        const struct footer_coll *coll = f->colls[i];
        struct path path;

        point_path(f, coll, &path);
        json_open(w, NULL, '{');
        json_path(w, "c", &path);
        json_open(w, "segments", '[');
        for (size_t k = 0; k < coll->n_locs; k++)
            put_segment_json(w, &coll->locs[k]);
        json_close(w, ']');
        json_close(w, '}');
    }
    json_close(w, ']');
}

void
point_put_json(struct json_out *w, const struct footer *f, uint64_t n,
               bool details)
{
    struct segment_totals t = footer_totals(f);
    char at[POINT_TIME];

    json_open(w, NULL, '{');
    json_uint(w, "at", n);
    json_text(w, "writer", f->is_ours ? "moss-core" : "Go moss");
    if (f->is_ours) {
        json_uint(w, "n", f->tag.n);
        json_id(w, "id", f->tag.id);
        point_time(f->time, at);
        json_text(w, "time", at);
    }
    json_uint(w, "offset", f->off);
    json_uint(w, "length", f->length);
    json_uint(w, "older", f->prev);
    json_uint(w, "collections", f->n_colls);
    json_uint(w, "segments", f->n_locs);
    put_totals_json(w, &t);
    if (details)
        put_details_json(w, f);
    json_close(w, '}');
}

/* ------------------------------------------------------------------ */
/* All of them                                                        */
/* ------------------------------------------------------------------ */

enum scope_exit
points_list(const struct args *a, const struct view *v, uint64_t max,
            bool details)
{
    struct commit *c = commit_ref(v->newest);
    struct json_out w;
    char name[DATAFILE_NAME];
    uint64_t file = 0; /* no file has this number */
    enum scope_exit x = SCOPE_OK;

    json_out_init(&w, stdout);
    if (a->json)
        json_open(&w, NULL, '[');
    for (uint64_t n = 0; n < max && c != NULL; n++) {
        if (c->number != file && a->keep_files && !a->json) {
            datafile_name(c->number, name);
            (void)printf("%s:\n", name);
        }
        file = c->number;
        if (a->json)
            point_put_json(&w, c->footer, n, details);
        else
            point_put_text(c->footer, n, details);
        x = view_step(v, &c);
    }
    commit_unref(c);
    if (a->json)
        json_close(&w, ']');
    return x;
}
