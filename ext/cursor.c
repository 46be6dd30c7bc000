/*
 * Reading.  A cursor holds the snapshot of the moment it was opened, so that
 * a statement which changes the table it reads sees the rows as they were.
 * xFilter turns the plan into key ranges; the cursor goes through them in
 * order, or backwards: a range of one key is looked up, any other gets an
 * iterator of its own.  Rows are decoded column by column, when asked for.
 *
 * xColumn copies: SQLite keeps results past xNext and xClose.
 */
#include "cursor.h"

#include <string.h>

#include "key.h"
#include "plan.h"
#include "record.h"

struct cursor {
    sqlite3_vtab_cursor base;
    struct moss_snapshot *snap;
    struct ranges ranges;
    bool reverse;
    size_t left; /* ranges not visited yet, the one at hand included */

    /* The row: in a range, or looked up. */
    struct moss_iterator *it;
    struct moss_value looked_up;
    bool eof;
    struct moss_slice key, value;
};

static struct cursor *
cursor_of(sqlite3_vtab_cursor *cur)
{
    return (struct cursor *)cur;
}

static struct vtab *
vtab_of(const struct cursor *c)
{
    return (struct vtab *)c->base.pVtab;
}

static int
fail(struct cursor *c, enum moss_status st)
{
    struct table *t = &vtab_of(c)->table;
    char *doing = sqlite3_mprintf("reading %s", t->name);
    int rc;

    if (doing == NULL)
        return SQLITE_NOMEM;
    rc = error_status(t, st, NULL, doing);
    sqlite3_free(doing);
    return rc;
}

int
cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
    struct cursor *c = sqlite3_malloc64(sizeof(*c));
    int rc;

    *out = NULL;
    if (c == NULL)
        return SQLITE_NOMEM;
    memset(c, 0, sizeof(*c));
    rc = table_snapshot((struct table *)vtab, &c->snap);
    if (rc != SQLITE_OK) {
        sqlite3_free(c);
        return rc;
    }
    *out = &c->base;
    return SQLITE_OK;
}

/* Let go of the row and of what it came from. */
static void
cursor_unset(struct cursor *c)
{
    moss_iterator_free(c->it);
    c->it = NULL;
    moss_value_release(&c->looked_up);
    memset(&c->looked_up, 0, sizeof(c->looked_up));
}

int
cursor_close(sqlite3_vtab_cursor *cur)
{
    struct cursor *c = cursor_of(cur);

    cursor_unset(c);
    ranges_release(&c->ranges);
    moss_snapshot_unref(c->snap);
    table_cursor_closed((struct table *)cur->pVtab);
    sqlite3_free(c);
    return SQLITE_OK;
}

/* Stand on the first row of range; MOSS_DONE if it has none. */
static enum moss_status
enter_range(struct cursor *c, const struct range *range)
{
    struct moss_slice lo = ranges_bytes(&c->ranges, range->lo);
    struct moss_slice hi = ranges_bytes(&c->ranges, range->hi);
    enum moss_status st;

    if (range_is_point(range)) {
        st = moss_snapshot_get(c->snap, lo, &c->looked_up);
        c->key = lo;
        c->value = c->looked_up.bytes;
        return st == MOSS_NOT_FOUND ? MOSS_DONE : st;
    }
    st = moss_snapshot_iterate(c->snap, lo.len > 0 ? &lo : NULL,
                               range->open ? NULL : &hi, &c->it);
    if (st < 0)
        return st;
    st = c->reverse ? moss_iterator_last(c->it) : moss_iterator_first(c->it);
    if (st == MOSS_OK)
        moss_iterator_current(c->it, &c->key, &c->value);
    return st;
}

/* Go to the first row of the ranges that are left. */
static int
enter_next_range(struct cursor *c)
{
    enum moss_status st = MOSS_DONE;

    while (st == MOSS_DONE && c->left > 0) {
        size_t n = c->ranges.found.n;
        size_t i = c->reverse ? c->left - 1 : n - c->left;

        cursor_unset(c);
        st = enter_range(c, &c->ranges.found.v[i]);
        if (st == MOSS_DONE)
            c->left--;
    }
    c->eof = st != MOSS_OK;
    return st < 0 ? fail(c, st) : SQLITE_OK;
}

int
cursor_filter(sqlite3_vtab_cursor *cur, int idx_num, const char *idx_str,
              int argc, sqlite3_value **argv)
{
    struct cursor *c = cursor_of(cur);
    struct vtab *v = vtab_of(c);
    struct plan plan;
    int rc;

    (void)idx_num;
    cursor_unset(c);
    c->eof = true;
    rc = plan_parse(idx_str, &plan);
    if (rc != SQLITE_OK || plan.n != (size_t)argc)
        return error_report(&v->table, SQLITE_INTERNAL, "moss: plan \"%s\"",
                            idx_str);
    rc = plan_ranges(&plan, v->table.decl.codec, argv, &c->ranges);
    if (rc != SQLITE_OK)
        return rc;
    c->reverse = plan.reverse;
    c->left = c->ranges.found.n;
    return enter_next_range(c);
}

int
cursor_next(sqlite3_vtab_cursor *cur)
{
    struct cursor *c = cursor_of(cur);
    enum moss_status st = MOSS_DONE;

    if (c->it != NULL)
        st = c->reverse ? moss_iterator_prev(c->it) : moss_iterator_next(c->it);
    if (st == MOSS_OK) {
        moss_iterator_current(c->it, &c->key, &c->value);
        return SQLITE_OK;
    }
    if (st < 0) {
        c->eof = true;
        return fail(c, st);
    }
    c->left--;
    return enter_next_range(c);
}

int
cursor_eof(sqlite3_vtab_cursor *cur)
{
    return cursor_of(cur)->eof;
}

static int
column_raw(struct cursor *c, sqlite3_context *ctx, int column)
{
    struct datum d = { 0 };

    d.type = SQLITE_BLOB;
    d.bytes = column == COLUMN_KEY ? c->key : c->value;
    datum_result(ctx, &d);
    return SQLITE_OK;
}

int
cursor_column(sqlite3_vtab_cursor *cur, sqlite3_context *ctx, int column)
{
    struct cursor *c = cursor_of(cur);
    struct table *t = &vtab_of(c)->table;
    struct datum d;
    unsigned note;
    bool good;

    /* An UPDATE that does not set the value: write.c reads it itself. */
    if (column == COLUMN_VALUE && sqlite3_vtab_nochange(ctx))
        return SQLITE_OK;
    if (t->decl.codec == CODEC_RAW)
        return column_raw(c, ctx, column);
    if (column == COLUMN_KEY)
        good = row_note(c->value, &note) && key_decode(c->key, note, &d);
    else
        good = row_column(c->value, 0, &d);
    if (!good)
        return error_report(t, SQLITE_CORRUPT,
                            "moss: %s.%s: the stored bytes are not a typed "
                            "%s (is the collection raw?)",
                            t->name, column == COLUMN_KEY ? "key" : "value",
                            column == COLUMN_KEY ? "key" : "row");
    datum_result(ctx, &d);
    return SQLITE_OK;
}
