/*
 * dump --key KEY --all-versions: what the segments of all commit points hold
 * of a key, in every collection, newest first: sets, tombstones and operands.
 *
 * A segment stands in many commit points; it is named once, with the newest
 * and the oldest of them.  Only what was found is kept in memory.
 */
#include "versions.h"

#include <inttypes.h>
#include <stdlib.h>

#include "args.h"
#include "base/mem.h"
#include "json_out.h"
#include "points.h"

struct version {
    char *path; /* of the collection, as text; owned */
    uint64_t seg_off;
    uint64_t newest, oldest; /* commit points */
    size_t level;            /* in the stack of the newest; 0: the oldest */
    enum moss_op op;
    struct moss_slice value; /* owned */
};

struct search {
    const struct args *a;
    struct buf key;
    const char *under; /* the path that --child names, as text; "" */
    struct version *found;
    size_t n, cap;
};

/* ------------------------------------------------------------------ */
/* Finding                                                            */
/* ------------------------------------------------------------------ */

static char *
path_text(const struct path *path)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    if (f == NULL)
        scope_must(MOSS_NOMEM);
    path_put(f, path);
    if (fclose(f) != 0)
        scope_must(MOSS_NOMEM);
    return text;
}

static struct version *
find_version(struct search *s, const char *path, uint64_t seg_off)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->found[i].seg_off == seg_off &&
            strcmp(s->found[i].path, path) == 0)
            return &s->found[i];
    }
    return NULL;
}

static void
add_version(struct search *s, const char *path, uint64_t seg_off,
            uint64_t point, size_t level, const struct entry *e)
{
    struct version *v = find_version(s, path, seg_off);
    uint8_t *value;

    if (v != NULL) {
        v->oldest = point;
        return;
    }
    if (s->n == s->cap) {
        s->cap = 2 * s->cap + 8;
        s->found = realloc(s->found, s->cap * sizeof *s->found);
        if (s->found == NULL)
            scope_must(MOSS_NOMEM);
    }
    v = &s->found[s->n++];
    v->path = strdup(path);
    value = scope_alloc(e->value.len + 1);
    if (v->path == NULL)
        scope_must(MOSS_NOMEM);
    if (e->value.len > 0)
        memcpy(value, e->value.bytes, e->value.len);
    v->seg_off = seg_off;
    v->newest = v->oldest = point;
    v->level = level;
    v->op = e->op;
    v->value = moss_slice(value, e->value.len);
}

static bool
is_wanted(const struct search *s, const char *path)
{
    size_t n = strlen(s->under);

    if (strncmp(path, s->under, n) != 0)
        return false;
    if (path[n] == '\0')
        return true;
    return !s->a->no_children && path[n] == '/';
}

static enum moss_status
search_coll(struct search *s, const struct commit *c, uint64_t point,
            const struct footer_coll *coll)
{
    struct moss_slice key = moss_slice(s->key.bytes, s->key.len);
    const struct segstack *stack = c->stacks[coll->index];
    struct path path;
    char *text;
    enum moss_status result = MOSS_OK;

    point_path(c->footer, coll, &path);
    text = path_text(&path);
    for (size_t i = stack->n; i-- > 0 && is_wanted(s, text);) {
        struct entry e;
        enum moss_status st = segment_find(stack->segs[i], key, &e);

        if (st == MOSS_OK)
            add_version(s, text, coll->locs[i].kvs_off, point, i, &e);
        if (st < 0)
            result = st;
    }
    free(text);
    return result;
}

static enum scope_exit
search_all(struct search *s, const struct view *v)
{
    struct commit *c = commit_ref(v->newest);
    enum scope_exit result = SCOPE_OK;

    for (uint64_t point = 0; c != NULL; point++) {
        for (size_t i = 0; i < c->footer->n_colls; i++) {
            enum moss_status st = search_coll(s, c, point, c->footer->colls[i]);

            if (st < 0) {
                (void)scope_failed("a segment cannot be read", st, NULL);
                result = SCOPE_PROBLEMS;
            }
        }
        enum scope_exit x = view_step(v, &c);

        if (x > result)
            result = x;
    }
    return result;
}

/* ------------------------------------------------------------------ */
/* Printing                                                           */
/* ------------------------------------------------------------------ */

static const char *
op_name(enum moss_op op)
{
    return op == MOSS_OP_SET ? "set" : op == MOSS_OP_DEL ? "delete" : "merge";
}

static void
put_text(const struct search *s, const struct version *v)
{
    (void)printf("@%" PRIu64 "..@%" PRIu64 "\tsegment %" PRIu64 "\t%s\t",
                 v->newest, v->oldest, v->seg_off, v->path);
    text_put(stdout, moss_slice(s->key.bytes, s->key.len), s->a->hex, 0);
    (void)printf("\t%s", op_name(v->op));
    if (v->op != MOSS_OP_DEL && !s->a->keys_only) {
        (void)putc('\t', stdout);
        text_put(stdout, v->value, s->a->hex, 0);
    }
    (void)putc('\n', stdout);
}

static void
put_json(const struct search *s, struct json_out *w, const struct version *v)
{
    struct path path;
    struct buf names;

    buf_init(&names);
    (void)path_get(moss_str(v->path), &path, &names); /* it was a path */
    json_open(w, NULL, '{');
    json_path(w, "c", &path);
    json_bytes(w, "k", moss_slice(s->key.bytes, s->key.len), s->a->hex);
    json_text(w, "op", op_name(v->op));
    if (v->op != MOSS_OP_DEL && !s->a->keys_only)
        json_bytes(w, "v", v->value, s->a->hex);
    json_uint(w, "segment", v->seg_off);
    json_uint(w, "newest", v->newest);
    json_uint(w, "oldest", v->oldest);
    json_close(w, '}');
    buf_release(&names);
}

/* By path, then newest first. */
static int
compare_versions(const void *a, const void *b)
{
    const struct version *x = a, *y = b;
    int c = strcmp(x->path, y->path);

    if (c != 0)
        return c;
    if (x->newest != y->newest)
        return x->newest < y->newest ? -1 : 1;
    return (x->level < y->level) - (x->level > y->level);
}

enum scope_exit
versions_show(const struct args *a, const struct view *v)
{
    struct search s = { .a = a };
    struct json_out w;
    struct path path;
    struct buf names;
    char *under = NULL;
    enum scope_exit x = SCOPE_FAILED;

    buf_init(&names);
    if (!path_get(moss_str(a->child == NULL ? "" : a->child), &path, &names)) {
        (void)scope_complain("--child: \"%s\" is no path", a->child);
    } else if (args_bytes(a, "key", a->key, &s.key)) {
        s.under = under = path_text(&path);
        x = search_all(&s, v);
        if (s.n > 0)
            qsort(s.found, s.n, sizeof *s.found, compare_versions);
        json_out_init(&w, stdout);
        if (a->json)
            json_open(&w, NULL, '[');
        for (size_t i = 0; i < s.n; i++) {
            if (a->json)
                put_json(&s, &w, &s.found[i]);
            else
                put_text(&s, &s.found[i]);
        }
        if (a->json)
            json_close(&w, ']');
        if (x == SCOPE_OK && s.n == 0) {
            (void)scope_complain("no such key");
            x = SCOPE_PROBLEMS;
        }
    }
    for (size_t i = 0; i < s.n; i++) {
        free(s.found[i].path);
        mem_free((void *)(uintptr_t)s.found[i].value.bytes);
    }
    free(s.found);
    free(under);
    buf_release(&names);
    buf_release(&s.key);
    return x;
}
