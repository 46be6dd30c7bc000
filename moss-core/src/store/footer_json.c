/*
 * The text of a footer is what Go's encoder makes of Go moss's footer; ours
 * has one field more, behind the others:
 *
 *     {"SegmentLocs":[...],"PrevFooterOffset":0,"ChildFooters":null,
 *      "Ext":{"n":"...","id":"...","time":0,"colls":1,"segs":0,"bytes":0,
 *             "plain":[],"file":"...","footer":0}}
 *
 * "plain" lists, in the order in which they come, where those segments begin
 * that have no extras because Go moss wrote them: every other one must have
 * them.  "file" and "footer" stand in the first footer of a file that took
 * another one's place: the commit point before it is in that one.
 *
 * Go moss cannot go on from a top level without any segment.  So where there
 * is none an empty one stands in the text, which is left out again when the
 * text is read, like all empty segments.
 *
 * Any thread.
 */
#include "store/footer.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/mem.h"
#include "store/json.h"

/* ------------------------------------------------------------------ */
/* Writing                                                            */
/* ------------------------------------------------------------------ */

static enum moss_status
put_field(struct buf *out, const char *name, uint64_t v)
{
    enum moss_status st = json_put(out, name);

    return st < 0 ? st : json_put_uint(out, v);
}

static enum moss_status
put_loc(struct buf *out, const struct segment_loc *loc)
{
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {
        { "\",\"KvsOffset\":", loc->kvs_off },
        { ",\"KvsBytes\":", loc->kvs_bytes },
        { ",\"BufOffset\":", loc->buf_off },
        { ",\"BufBytes\":", loc->buf_bytes },
        { ",\"TotOpsSet\":", loc->n_set },
        { ",\"TotOpsDel\":", loc->n_del },
        { ",\"TotKeyByte\":", loc->key_bytes },
        { ",\"TotValByte\":", loc->value_bytes },
        { ",\"Entries\":", loc->entries },
        { ",\"Bytes\":", loc->bytes },
    };
    size_t n = sizeof fields / sizeof *fields - (loc_is_encoded(loc) ? 0 : 2);
    enum moss_status st = json_put(out, "{\"Kind\":\"");

    if (st == MOSS_OK)
        st = json_put(out, loc_is_encoded(loc) ? loc->kind : "a");
    for (size_t i = 0; i < n && st == MOSS_OK; i++)
        st = put_field(out, fields[i].name, fields[i].value);
    return st < 0 ? st : json_put(out, "}");
}

static enum moss_status
put_locs(struct buf *out, const struct footer_coll *coll, bool is_top)
{
    const struct segment_loc nothing = { .kvs_off = FILE_PAGE,
                                         .buf_off = (uint64_t)2 * FILE_PAGE };
    enum moss_status st = json_put(out, "{\"SegmentLocs\":[");

    if (st == MOSS_OK && is_top && coll->n_locs == 0)
        st = put_loc(out, &nothing);
    for (size_t i = 0; i < coll->n_locs && st == MOSS_OK; i++) {
        if (i > 0)
            st = json_put(out, ",");
        if (st == MOSS_OK)
            st = put_loc(out, &coll->locs[i]);
    }
    return st < 0 ? st : json_put(out, "]");
}

/* A collection up to its closing brace. */
static enum moss_status
put_coll(struct buf *out, const struct footer_coll *coll, uint64_t prev,
         int depth)
{
    enum moss_status st;

    if (depth > FOOTER_MAX_DEPTH)
        return MOSS_TOO_BIG;
    st = put_locs(out, coll, depth == 0);
    if (st == MOSS_OK)
        st = put_field(out, ",\"PrevFooterOffset\":", prev);
    if (st == MOSS_OK)
        st = json_put(out, ",\"ChildFooters\":");
    if (st < 0 || coll->n_children == 0)
        return st < 0 ? st : json_put(out, "null");
    for (size_t i = 0; i < coll->n_children && st == MOSS_OK; i++) {
        st = json_put(out, i == 0 ? "{" : ",");
        if (st == MOSS_OK)
            st = json_put_string(out, coll->children[i].name);
        if (st == MOSS_OK)
            st = json_put(out, ":");
        if (st == MOSS_OK)
            st = put_coll(out, &coll->children[i], 0, depth + 1);
        if (st == MOSS_OK)
            st = json_put(out, "}");
    }
    return st < 0 ? st : json_put(out, "}");
}

static enum moss_status
put_plain(struct buf *out, const struct footer *f)
{
    enum moss_status st = json_put(out, ",\"plain\":[");
    const char *before = "";

    for (size_t c = 0; c < f->n_colls; c++) {
        for (size_t i = 0; i < f->colls[c]->n_locs && st == MOSS_OK; i++) {
            const struct segment_loc *loc = &f->colls[c]->locs[i];

            if (loc->has_extras)
                continue;
            st = put_field(out, before, loc->kvs_off);
            before = ",";
        }
    }
    return st < 0 ? st : json_put(out, "]");
}

static enum moss_status
put_older_file(struct buf *out, const struct footer *f)
{
    enum moss_status st = json_put(out, ",\"file\":");

    if (st == MOSS_OK)
        st = json_put_hex(out, f->older_file);
    return st < 0 ? st : put_field(out, ",\"footer\":", f->older_off);
}

static uint64_t
bytes_of(const struct footer *f)
{
    uint64_t sum = 0;

    for (size_t c = 0; c < f->n_colls; c++) {
        for (size_t i = 0; i < f->colls[c]->n_locs; i++)
            sum +=
                f->colls[c]->locs[i].kvs_bytes + f->colls[c]->locs[i].buf_bytes;
    }
    return sum;
}

enum moss_status
footer_put_json(const struct footer *f, struct buf *out)
{
    enum moss_status st = put_coll(out, &f->top, f->prev, 0);

    if (st == MOSS_OK)
        st = json_put(out, ",\"Ext\":{\"n\":");
    if (st == MOSS_OK)
        st = json_put_hex(out, f->tag.n);
    if (st == MOSS_OK)
        st = json_put(out, ",\"id\":");
    if (st == MOSS_OK)
        st = json_put_hex(out, f->tag.id);
    if (st == MOSS_OK)
        st = put_field(out, ",\"time\":", f->time);
    if (st == MOSS_OK)
        st = put_field(out, ",\"colls\":", f->n_colls);
    if (st == MOSS_OK)
        st = put_field(out, ",\"segs\":", f->n_locs);
    if (st == MOSS_OK)
        st = put_field(out, ",\"bytes\":", bytes_of(f));
    if (st == MOSS_OK)
        st = put_plain(out, f);
    if (st == MOSS_OK && f->older_file != 0)
        st = put_older_file(out, f);
    return st < 0 ? st : json_put(out, "}}");
}

/* ------------------------------------------------------------------ */
/* Reading                                                            */
/* ------------------------------------------------------------------ */

/* What a reader of the text carries along. */
struct parser {
    struct json_reader r;
    struct buf name;
    /* Of segments of other kinds than Go moss's: of ours, of others. */
    bool any_ours, any_foreign;
};

static bool
get_field(struct json_reader *r, const char *name, uint64_t *v)
{
    return json_skip(r, name) && json_get_uint(r, v);
}

static bool
get_kind(struct json_reader *r, struct segment_loc *loc)
{
    const uint8_t *end;
    size_t n;

    if (json_skip(r, "{\"Kind\":\"a\""))
        return true;
    if (!json_skip(r, "{\"Kind\":\""))
        return false;
    end = memchr(r->p, '"', (size_t)(r->end - r->p));
    n = end == NULL ? 0 : (size_t)(end - r->p);
    if (!loc_kind_is_sound((const char *)r->p, n))
        return false;
    memcpy(loc->kind, r->p, n);
    r->p = end;
    return json_skip(r, "\"");
}

/* What a segment of another kind decodes to, which only ours say. */
static bool
get_sizes(struct parser *p, struct segment_loc *loc)
{
    if (!loc_is_encoded(loc))
        return true;
    if (!json_skip(&p->r, ",\"Entries\":")) {
        p->any_foreign = true;
        loc->entries = loc->n_set + loc->n_del;
        loc->bytes = loc->key_bytes + loc->value_bytes;
        return true;
    }
    p->any_ours = true;
    return json_get_uint(&p->r, &loc->entries) &&
           get_field(&p->r, ",\"Bytes\":", &loc->bytes);
}

static bool
get_loc(struct parser *p, struct segment_loc *loc)
{
    struct json_reader *r = &p->r;

    return get_kind(r, loc) && get_field(r, ",\"KvsOffset\":", &loc->kvs_off) &&
           get_field(r, ",\"KvsBytes\":", &loc->kvs_bytes) &&
           get_field(r, ",\"BufOffset\":", &loc->buf_off) &&
           get_field(r, ",\"BufBytes\":", &loc->buf_bytes) &&
           get_field(r, ",\"TotOpsSet\":", &loc->n_set) &&
           get_field(r, ",\"TotOpsDel\":", &loc->n_del) &&
           get_field(r, ",\"TotKeyByte\":", &loc->key_bytes) &&
           get_field(r, ",\"TotValByte\":", &loc->value_bytes) &&
           get_sizes(p, loc) && json_skip(r, "}");
}

static enum moss_status
add_loc(struct footer_coll *coll, const struct segment_loc *loc)
{
    size_t n = coll->n_locs;

    /* Grown whenever the number reaches a power of two. */
    if ((n & (n - 1)) == 0) {
        struct segment_loc *more =
            mem_resize(coll->locs, n == 0 ? 1 : 2 * n, sizeof *more);

        if (more == NULL)
            return MOSS_NOMEM;
        coll->locs = more;
    }
    coll->locs[coll->n_locs++] = *loc;
    return MOSS_OK;
}

static enum moss_status
get_locs(struct parser *p, struct footer_coll *coll)
{
    struct json_reader *r = &p->r;
    enum moss_status st = MOSS_OK;

    if (json_skip(r, "null") || json_skip(r, "[]"))
        return MOSS_OK;
    if (!json_skip(r, "["))
        return MOSS_CORRUPT;
    do {
        struct segment_loc loc = { 0 };

        if (!get_loc(p, &loc))
            return MOSS_CORRUPT;
        /* Go's compaction leaves empty ones, which may lie anywhere. */
        if (loc.kvs_bytes > 0)
            st = add_loc(coll, &loc);
    } while (st == MOSS_OK && json_skip(r, ","));
    if (st == MOSS_OK && !json_skip(r, "]"))
        st = MOSS_CORRUPT;
    return st;
}

static enum moss_status
get_coll(struct parser *p, struct footer_coll *coll, uint64_t *prev, int depth);

static enum moss_status
add_child(struct parser *p, struct footer_coll *coll, int depth)
{
    size_t n = coll->n_children;
    struct footer_coll *child;
    uint64_t unused;
    enum moss_status st;

    if ((n & (n - 1)) == 0) {
        struct footer_coll *more =
            mem_resize(coll->children, n == 0 ? 1 : 2 * n, sizeof *more);

        if (more == NULL)
            return MOSS_NOMEM;
        coll->children = more;
    }
    child = &coll->children[coll->n_children++];
    memset(child, 0, sizeof *child);
    st = footer_set_name(child, moss_slice(p->name.bytes, p->name.len));
    if (st == MOSS_OK)
        st = get_coll(p, child, &unused, depth);
    if (st == MOSS_OK && !json_skip(&p->r, "}"))
        st = MOSS_CORRUPT;
    return st;
}

static int
compare_names(const void *a, const void *b)
{
    const struct footer_coll *x = a, *y = b;

    return slice_compare(x->name, y->name);
}

/*
 * Names come sorted, but for those that Go replaced something in: it sorts
 * them by what they were before.
 */
static enum moss_status
sort_children(struct footer_coll *coll, bool may_be_unsorted)
{
    bool is_sorted = true;

    for (size_t i = 1; i < coll->n_children; i++)
        is_sorted = is_sorted && compare_names(&coll->children[i - 1],
                                               &coll->children[i]) < 0;
    if (is_sorted)
        return MOSS_OK;
    if (!may_be_unsorted)
        return MOSS_CORRUPT;
    qsort(coll->children, coll->n_children, sizeof *coll->children,
          compare_names);
    for (size_t i = 1; i < coll->n_children; i++) {
        if (compare_names(&coll->children[i - 1], &coll->children[i]) == 0)
            return MOSS_CORRUPT;
    }
    return MOSS_OK;
}

/* The children behind the opening brace. */
static enum moss_status
get_children(struct parser *p, struct footer_coll *coll, int depth)
{
    bool any_replaced = false;
    enum moss_status st = MOSS_OK;

    if (depth > FOOTER_MAX_DEPTH)
        return MOSS_CORRUPT;
    do {
        buf_clear(&p->name);
        st = json_get_string(&p->r, &p->name, &any_replaced);
        if (st == MOSS_OK && (p->name.len == 0 || !json_skip(&p->r, ":")))
            st = MOSS_CORRUPT;
        if (st == MOSS_OK)
            st = add_child(p, coll, depth);
    } while (st == MOSS_OK && json_skip(&p->r, ","));
    if (st == MOSS_OK && !json_skip(&p->r, "}"))
        st = MOSS_CORRUPT;
    return st < 0 ? st : sort_children(coll, any_replaced);
}

/* A collection up to its closing brace. */
static enum moss_status
get_coll(struct parser *p, struct footer_coll *coll, uint64_t *prev, int depth)
{
    enum moss_status st = MOSS_OK;

    if (!json_skip(&p->r, "{"))
        return MOSS_CORRUPT;
    if (json_skip(&p->r, "\"SegmentLocs\":")) {
        st = get_locs(p, coll);
        if (st == MOSS_OK && !json_skip(&p->r, ","))
            st = MOSS_CORRUPT;
    }
    if (st < 0)
        return st;
    if (!get_field(&p->r, "\"PrevFooterOffset\":", prev))
        return MOSS_CORRUPT;
    if (!json_skip(&p->r, ",\"ChildFooters\":") || json_skip(&p->r, "null") ||
        json_skip(&p->r, "{}"))
        return MOSS_OK;
    if (!json_skip(&p->r, "{"))
        return MOSS_CORRUPT;
    return get_children(p, coll, depth + 1);
}

/* The segments that have no extras, in the order of all segments. */
static bool
get_plain(struct json_reader *r, struct footer *f)
{
    uint64_t next = 0;
    bool more = false;

    if (!json_skip(r, ",\"plain\":["))
        return false;
    if (!json_skip(r, "]")) {
        more = true;
        if (!json_get_uint(r, &next))
            return false;
    }
    for (size_t c = 0; c < f->n_colls; c++) {
        for (size_t i = 0; i < f->colls[c]->n_locs; i++) {
            struct segment_loc *loc = &f->colls[c]->locs[i];

            loc->has_extras = !more || loc->kvs_off != next;
            if (loc->has_extras)
                continue;
            more = json_skip(r, ",");
            if (more ? !json_get_uint(r, &next) : !json_skip(r, "]"))
                return false;
        }
    }
    return !more;
}

static bool
get_older_file(struct json_reader *r, struct footer *f)
{
    if (!json_skip(r, ",\"file\":"))
        return true;
    return f->prev == 0 && json_get_hex(r, &f->older_file) &&
           f->older_file != 0 && get_field(r, ",\"footer\":", &f->older_off);
}

static bool
get_ext(struct json_reader *r, struct footer *f)
{
    uint64_t colls, segs, bytes;

    f->is_ours = true;
    return json_skip(r, "{\"n\":") && json_get_hex(r, &f->tag.n) &&
           json_skip(r, ",\"id\":") && json_get_hex(r, &f->tag.id) &&
           get_field(r, ",\"time\":", &f->time) &&
           get_field(r, ",\"colls\":", &colls) && colls == f->n_colls &&
           get_field(r, ",\"segs\":", &segs) && segs == f->n_locs &&
           get_field(r, ",\"bytes\":", &bytes) && bytes == bytes_of(f) &&
           get_plain(r, f) && get_older_file(r, f) && json_skip(r, "}");
}

enum moss_status
footer_get_json(struct footer *f, const uint8_t *text, size_t n)
{
    struct parser p = { .r = { text, text + n } };
    enum moss_status st;

    buf_init(&p.name);
    st = get_coll(&p, &f->top, &f->prev, 0);
    buf_release(&p.name);
    if (st == MOSS_OK)
        st = footer_index(f);
    if (st < 0)
        return st;
    if (json_skip(&p.r, ",\"Ext\":") && !get_ext(&p.r, f))
        return MOSS_CORRUPT;
    if (!json_skip(&p.r, "}") || p.r.p != p.r.end)
        return MOSS_CORRUPT;
    if (f->is_ours ? p.any_foreign : p.any_ours)
        return MOSS_CORRUPT;
    for (size_t c = 0; c < f->n_colls; c++) {
        for (size_t i = 0; i < f->colls[c]->n_locs; i++) {
            if (!loc_is_sound(&f->colls[c]->locs[i], f->off))
                return MOSS_CORRUPT;
        }
    }
    return MOSS_OK;
}
