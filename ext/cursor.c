/*
 * Reading.  A cursor holds the snapshot of the moment it was opened, so that
 * a statement which changes the table it reads sees the rows as they were.
 * xFilter turns the plan into key ranges; the cursor goes through them in
 * order, or backwards: a range of one key is looked up, any other gets an
 * iterator of its own.  Rows are decoded column by column, when asked for;
 * where the last one ended in the record is remembered.
 *
 * xColumn copies: SQLite keeps results past xNext and xClose.
 */
#include "cursor.h"

#include <string.h>

#include "commit_point.h"
#include "key.h"
#include "plan.h"
#include "record.h"

struct cursor {
    sqlite3_vtab_cursor base;
    struct moss_snapshot *snap;
    int64_t commit; /* of which snap is; 0: it is the present state */
    struct ranges ranges;
    bool reverse;
    size_t left; /* ranges not visited yet, the one at hand included */

    /* The row: in a range, or looked up. */
    struct moss_iterator *it;
    struct moss_value looked_up;
    bool eof;
    struct moss_slice key, value;

    /* What is decoded of it. */
    struct moss_slice rest; /* of the record, from column next on */
    int next;               /* -1: nothing yet */
    struct bytes scratch;
    uint8_t notes[]; /* of each part of the key */
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
    struct vtab *v = (struct vtab *)vtab;
    size_t notes = (size_t)v->schema.n_key;
    struct cursor *c = sqlite3_malloc64(sizeof(*c) + notes);
    int rc;

    *out = NULL;
    if (c == NULL)
        return SQLITE_NOMEM;
    memset(c, 0, sizeof(*c) + notes);
    rc = table_snapshot((struct table *)vtab, &c->snap);
    if (rc != SQLITE_OK) {
        sqlite3_free(c);
        return rc;
    }
    v->cursors++;
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

    if (vtab_of(c)->past_cursor == c)
        vtab_of(c)->past_cursor = NULL;
    vtab_of(c)->cursors--;
    cursor_unset(c);
    ranges_release(&c->ranges);
    bytes_release(&c->scratch);
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

    if (c->ranges.whole && range_is_point(range)) {
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
    c->next = -1;
    return st < 0 ? fail(c, st) : SQLITE_OK;
}

/* Is a statement that changes something under way on this connection? */
static bool
is_writing(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;

    do {
        stmt = sqlite3_next_stmt(db, stmt);
    } while (stmt != NULL &&
             (sqlite3_stmt_readonly(stmt) || !sqlite3_stmt_busy(stmt)));
    return stmt != NULL;
}

/*
 * Read the commit point that v names.  A statement that changes the table has
 * opened its own cursor before those of its subqueries: if that one reads the
 * past, write.c has to know.
 */
static int
enter_past(struct cursor *c, sqlite3_value *v)
{
    struct vtab *vtab = vtab_of(c);
    struct moss_snapshot *snap;
    int64_t id;
    int rc = commit_point_id(&vtab->table, v, &id);

    if (rc != SQLITE_OK)
        return rc;
    if (vtab->cursors == 1 && is_writing(vtab->db))
        vtab->past_cursor = c;
    if (c->commit == id && id != 0)
        return SQLITE_OK;
    rc = commit_point_open(&vtab->table, id, &snap);
    if (rc != SQLITE_OK)
        return rc;
    moss_snapshot_unref(c->snap);
    c->snap = snap;
    c->commit = id;
    return SQLITE_OK;
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
    rc = plan_parse(&v->schema, idx_str, &plan);
    if (rc == SQLITE_NOMEM)
        return rc;
    if (rc != SQLITE_OK || plan.n + plan.past != (size_t)argc)
        return error_report(&v->table, SQLITE_INTERNAL, "moss: plan \"%s\"",
                            idx_str);
    if (plan.past && sqlite3_value_type(argv[0]) == SQLITE_NULL)
        return SQLITE_OK; /* equals nothing */
    if (plan.past)
        rc = enter_past(c, argv[0]);
    if (rc == SQLITE_OK)
        rc = plan_ranges(v, &plan, argv + plan.past, &c->ranges);
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
        c->next = -1;
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

/* The row's bytes are not those of this table. */
static int
damaged(struct cursor *c, const char *what)
{
    struct table *t = &vtab_of(c)->table;

    return error_report(t, SQLITE_CORRUPT,
                        "moss: %s: the stored bytes are not a typed %s (is "
                        "the collection raw, or of other columns?)",
                        t->name, what);
}

static bool
begin_row(struct cursor *c)
{
    size_t parts = (size_t)vtab_of(c)->schema.n_key;

    c->next = 0;
    return row_notes(c->value, c->notes, parts, &c->rest);
}

/* The value of a part of the key. */
static int
read_part(struct cursor *c, int part, struct datum *out)
{
    const struct schema *s = &vtab_of(c)->schema;
    struct moss_slice in = c->key;
    int rc = SQLITE_OK;

    if (c->next < 0 && !begin_row(c))
        return damaged(c, "row");
    for (int i = 0; rc == SQLITE_OK && i <= part; i++)
        rc = key_decode(&in, c->notes[i], &s->key[i], i == s->n_key - 1,
                        &c->scratch, out);
    return rc == SQLITE_CORRUPT ? damaged(c, "key") : rc;
}

/* The value of column number stored of the record. */
static int
read_stored(struct cursor *c, int stored, struct datum *out)
{
    bool good = (c->next >= 0 && c->next <= stored) || begin_row(c);

    while (good && c->next <= stored) {
        good = row_take(&c->rest, out);
        c->next++;
    }
    if (!good)
        c->next = -1;
    return good ? SQLITE_OK : damaged(c, "row");
}

static void
read_raw(struct cursor *c, const struct column *column, struct datum *out)
{
    memset(out, 0, sizeof(*out));
    out->type = column->affinity == AFFINITY_TEXT ? SQLITE_TEXT : SQLITE_BLOB;
    out->bytes = column->part >= 0 ? c->key : c->value;
}

static int
column_key(struct cursor *c, sqlite3_context *ctx)
{
    struct datum d = { .type = SQLITE_BLOB, .bytes = c->key };

    datum_result(ctx, &d);
    return SQLITE_OK;
}

int
cursor_column(sqlite3_vtab_cursor *cur, sqlite3_context *ctx, int i)
{
    struct cursor *c = cursor_of(cur);
    const struct vtab *v = vtab_of(c);
    const struct column *column = &v->schema.columns[i];
    struct datum d;
    int rc = SQLITE_OK;

    if (i == v->schema.key_column)
        return column_key(c, ctx);
    if (i == v->schema.commit_column && c->commit != 0)
        sqlite3_result_int64(ctx, c->commit);
    if (i >= v->schema.n)
        return SQLITE_OK;
    /* An UPDATE that does not set the column: write.c reads it itself. */
    if (column->part < 0 && sqlite3_vtab_nochange(ctx))
        return SQLITE_OK;
    if (v->table.decl.codec == CODEC_RAW)
        read_raw(c, column, &d);
    else if (column->stored >= 0)
        rc = read_stored(c, column->stored, &d);
    else
        rc = read_part(c, column->part, &d);
    if (rc == SQLITE_OK)
        datum_result(ctx, &d);
    return rc;
}

int
cursor_rowid(sqlite3_vtab_cursor *cur, sqlite3_int64 *rowid)
{
    struct cursor *c = cursor_of(cur);
    struct datum d;
    int rc = read_part(c, 0, &d);

    if (rc != SQLITE_OK)
        return rc;
    if (d.type != SQLITE_INTEGER)
        return damaged(c, "rowid");
    *rowid = d.i;
    return SQLITE_OK;
}
