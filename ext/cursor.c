/*
 * Reading.  A cursor holds the snapshot of the moment it was opened, so that
 * a statement which changes the table it reads sees the rows as they were.
 * xFilter turns the plan into key ranges; the cursor goes through them in
 * order, or backwards: a range of one key is looked up, any other gets an
 * iterator of its own.  Rows are taken apart when a column is asked for.
 *
 * A scan of an index goes through its entries likewise.  The row that an entry
 * names is looked up, in the table's snapshot of the same state, only when a
 * column is asked for that the entry has not.
 *
 * xColumn copies: SQLite keeps results past xNext and xClose.
 *
 * A cursor's memory outlives it: each table keeps one that is closed, with what
 * it has allocated and the plan it last read, for whoever opens the next.
 */
#include "cursor.h"

#include <string.h>

#include "anew.h"
#include "commit_point.h"
#include "cursor_memory.h"
#include "found.h"
#include "sight.h"

struct cursor {
    sqlite3_vtab_cursor base;
    struct sight rows;
    struct sight *scanned; /* rows, or an index */
    int64_t commit;        /* of which they are; 0: it is the present state */

    /* Whose rows may be changed: see cursor_gave_past(). */
    struct cursor *next;   /* of the table, opened before this one */
    sqlite3_stmt *writing; /* the statement it is in, or NULL */
    uint64_t version;      /* of the changes that it sees */
    bool leads;            /* the first one open in it */
    bool follows;          /* the one that led gave the keys */
    bool filtered;         /* a scan has begun */
    bool gave_key;
    bool gave_other; /* some of another commit point */

    bool reverse;
    bool plain;   /* rows of a typed table are scanned */
    int text_key; /* then: the column that is all of the key as it is; or -1 */
    size_t left;  /* ranges not visited yet, the one at hand included */
    bool is_sorted; /* left counts the sorted keys instead */

    /* The row or entry at hand: in a range, or looked up. */
    struct moss_iterator *it;
    struct moss_value looked_up;
    bool eof;

    /* The row that an index entry names. */
    struct moss_value row_value;
    bool row_known;

    struct cursor_memory mem;
    struct sight indexes[]; /* each in the state of rows */
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

/* ------------------------------------------------------ a cursor's memory */

void
cursor_free_idle(struct vtab *v)
{
    if (v->idle == NULL)
        return;
    cursor_memory_release(&v->idle->mem);
    sqlite3_free(v->idle);
    v->idle = NULL;
}

/* A cursor with nothing in it, or NULL without memory. */
static struct cursor *
cursor_new(struct vtab *v)
{
    size_t n = (size_t)v->schema.n_indexes * sizeof(struct sight);
    struct cursor *c = v->idle;

    v->idle = NULL;
    if (c == NULL) {
        c = sqlite3_malloc64(sizeof(*c) + n);
        if (c == NULL)
            return NULL;
        memset(&c->mem, 0, sizeof(c->mem));
    }
    memset(c, 0, offsetof(struct cursor, mem));
    memset(c->indexes, 0, n);
    c->base.pVtab = &v->table.base;
    return c;
}

static void
cursor_free(struct cursor *c)
{
    struct vtab *v = vtab_of(c);

    for (int i = 0; i < v->schema.n_indexes; i++)
        sight_release(&c->indexes[i]);
    sight_release(&c->rows);
    if (v->idle == NULL && cursor_memory_is_small(&c->mem)) {
        v->idle = c;
        return;
    }
    cursor_memory_release(&c->mem);
    sqlite3_free(c);
}

/* ---------------------------------------------------- whose rows they are */

/* What stands for a statement if there are several that change something. */
static sqlite3_stmt *
unknown(const struct vtab *v)
{
    return (sqlite3_stmt *)(uintptr_t)v;
}

/*
 * The statement that changes something on this connection, or NULL; NULL also
 * if it cannot change this table.  One that changes a table has been announced
 * by xBegin, and has begun to write to the table's database, before it opens
 * cursors: else there is no need to go through all statements.
 */
static sqlite3_stmt *
writing_statement(const struct vtab *v)
{
    sqlite3_stmt *found = NULL;
    sqlite3_stmt *stmt = NULL;

    if (!v->table.writes ||
        sqlite3_txn_state(v->db, v->table.schema) != SQLITE_TXN_WRITE)
        return NULL;
    while ((stmt = sqlite3_next_stmt(v->db, stmt)) != NULL) {
        if (!sqlite3_stmt_busy(stmt) || sqlite3_stmt_readonly(stmt))
            continue;
        if (found != NULL)
            return unknown(v);
        found = stmt;
    }
    return found;
}

/* The cursor that leads in that statement, or NULL. */
static struct cursor *
leader(const struct vtab *v, const sqlite3_stmt *writing)
{
    struct cursor *c = v->cursors;

    while (c != NULL && (c->writing != writing || !c->leads))
        c = c->next;
    return c;
}

/* The target of DELETE is opened first, and read while its subqueries are. */
static void
enlist(struct cursor *c, struct vtab *v)
{
    const struct cursor *first;

    c->writing = writing_statement(v);
    first = leader(v, c->writing);
    c->leads = first == NULL || first->eof || c->writing == unknown(v);
    c->next = v->cursors;
    v->cursors = c;
}

/* SQLite closes the target before it changes the only row of a statement. */
static void
unlist(struct cursor *c)
{
    struct vtab *v = vtab_of(c);
    struct cursor **at = &v->cursors;
    bool target = c->leads && c->gave_key && c->commit == 0 &&
                  c->writing != NULL && c->writing != unknown(v);

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    for (struct cursor *i = v->cursors; target && i != NULL; i = i->next)
        i->follows = i->follows || (i->writing == c->writing && !i->leads);
}

/*
 * Is it a cursor of writing?  A SELECT that was begun while a statement stood
 * half-way, as INSERT with RETURNING may, looks like a part of that one: not
 * any more when another changes the table.
 */
static bool
is_part_of(const struct cursor *c, const struct vtab *v,
           const sqlite3_stmt *writing)
{
    return c->writing != NULL &&
           (c->writing == writing || c->writing == unknown(v) ||
            writing == unknown(v));
}

/* May the cursor have given out that key?  By its state. */
static enum moss_status
may_give(struct cursor *c, struct moss_slice key, bool *out)
{
    struct moss_value value = { 0 };
    enum moss_status st = MOSS_OK;

    *out = c->gave_other;
    if (c->gave_other || !c->gave_key)
        return MOSS_OK;
    st = sight_get(&c->rows, key, &value);
    moss_value_release(&value);
    *out = st == MOSS_OK;
    return st == MOSS_NOT_FOUND ? MOSS_OK : st;
}

int
cursor_gave_past(sqlite3_vtab *vtab, struct moss_slice key, bool *out)
{
    const struct vtab *v = (const struct vtab *)vtab;
    const sqlite3_stmt *writing = NULL;
    enum moss_status st = MOSS_OK;

    *out = false;
    for (struct cursor *c = v->cursors; c != NULL && !*out; c = c->next) {
        struct cursor *first = c->leads ? c : leader(v, c->writing);
        bool by_first = false;

        if (c->writing == NULL || c->follows || !(c->gave_key || c->gave_other))
            continue;
        if (c->commit == 0 && !c->gave_other)
            continue;
        writing = writing_statement(v);
        if (!is_part_of(c, v, writing))
            continue;
        if (first != NULL && first != c && first->commit == 0 &&
            c->writing == writing && /* else it may be finalized */
            token_is_target(sqlite3_sql(c->writing), v->table.name))
            st = may_give(first, key, &by_first);
        if (st == MOSS_OK && !by_first)
            st = may_give(c, key, out);
        if (st != MOSS_OK)
            return fail(c, st);
    }
    return SQLITE_OK;
}

/* ------------------------------------------------------------------ rows */

int
cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
    struct vtab *v = (struct vtab *)vtab;
    struct table *t = &v->table;
    struct cursor *c = cursor_new(v);
    int rc;

    *out = NULL;
    if (c == NULL)
        return SQLITE_NOMEM;
    rc = table_sight(t, &c->rows);
    if (rc != SQLITE_OK) {
        cursor_free(c);
        return rc;
    }
    /* Now: the table may be changed before the plan is known. */
    for (int i = 0; rc == SQLITE_OK && i < t->n_indexes; i++)
        rc = table_index_sight(t, i, &c->indexes[i]);
    if (rc != SQLITE_OK) {
        cursor_free(c);
        table_cursor_closed(t);
        return rc;
    }
    enlist(c, v);
    c->version = table_version(t);
    v->found.known = false;
    anew_opened(v);
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
    c->row_known = false;
    moss_value_release(&c->row_value);
    memset(&c->row_value, 0, sizeof(c->row_value));
}

int
cursor_close(sqlite3_vtab_cursor *cur)
{
    struct cursor *c = cursor_of(cur);
    sqlite3_vtab *vtab = cur->pVtab;

    unlist(c);
    cursor_unset(c);
    cursor_free(c);
    table_cursor_closed((struct table *)vtab);
    return SQLITE_OK;
}

/* The iterator's entry is the one at hand. */
static void
stand(struct cursor *c)
{
    moss_iterator_current(c->it, &c->mem.scan.key, &c->mem.scan.value);
    reader_changed(&c->mem.scan);
    c->row_known = false;
}

/* Stand on the first row of range; MOSS_DONE if it has none. */
static enum moss_status
enter_range(struct cursor *c, const struct range *range)
{
    struct moss_slice lo = ranges_bytes(&c->mem.ranges, range->lo);
    struct moss_slice hi = ranges_bytes(&c->mem.ranges, range->hi);
    struct moss_snapshot *snap;
    enum moss_status st;

    if (c->mem.ranges.whole && range_is_point(range)) {
        st = sight_get(c->scanned, lo, &c->looked_up);
        reader_set(&c->mem.scan, lo, c->looked_up.bytes);
        if (st == MOSS_OK && c->writing != NULL && c->leads &&
            c->scanned == &c->rows && c->commit == 0)
            found_note(vtab_of(c), lo, c->looked_up.bytes, c->version);
        return st == MOSS_NOT_FOUND ? MOSS_DONE : st;
    }
    st = sight_snapshot(c->scanned, &snap);
    if (st == MOSS_OK)
        st = moss_snapshot_iterate(snap, lo.len > 0 ? &lo : NULL,
                                   range->open ? NULL : &hi, &c->it);
    if (st < 0)
        return st;
    st = c->reverse ? moss_iterator_last(c->it) : moss_iterator_first(c->it);
    if (st == MOSS_OK)
        stand(c);
    return st;
}

/* Look up the key that is the first one left. */
static enum moss_status
enter_key(struct cursor *c)
{
    size_t i = c->reverse ? c->left - 1 : c->mem.sorted.n - c->left;
    struct moss_slice key = sorted_key(&c->mem.sorted, i);
    enum moss_status st = sight_get(c->scanned, key, &c->looked_up);

    reader_set(&c->mem.scan, key, c->looked_up.bytes);
    return st == MOSS_NOT_FOUND ? MOSS_CORRUPT : st; /* it was just there */
}

/* Go to the first row of the ranges, or to the key, that are left. */
static int
enter_next_range(struct cursor *c)
{
    enum moss_status st = MOSS_DONE;

    if (c->is_sorted && c->left > 0) {
        cursor_unset(c);
        st = enter_key(c);
    }
    while (st == MOSS_DONE && c->left > 0 && !c->is_sorted) {
        size_t n = c->mem.ranges.found.n;
        size_t i = c->reverse ? c->left - 1 : n - c->left;

        cursor_unset(c);
        st = enter_range(c, &c->mem.ranges.found.v[i]);
        if (st == MOSS_DONE)
            c->left--;
    }
    c->eof = st != MOSS_OK;
    return st < 0 ? fail(c, st) : SQLITE_OK;
}

/* Read the rows, and the indexes with them, from snap, which is taken over. */
static int
use_past(struct cursor *c, struct moss_snapshot *snap)
{
    const struct schema *s = &vtab_of(c)->schema;
    enum moss_status st = MOSS_OK;

    sight_fix(&c->rows, snap);
    for (int i = 0; st == MOSS_OK && i < s->n_indexes; i++) {
        struct moss_snapshot *index;

        st = moss_snapshot_child(snap, moss_str(s->indexes[i].child), &index);
        sight_fix(&c->indexes[i], st == MOSS_OK ? index : NULL);
    }
    return st == MOSS_OK ? SQLITE_OK : fail(c, st);
}

/* Read the commit point that v names. */
static int
enter_past(struct cursor *c, sqlite3_value *v)
{
    struct vtab *vtab = vtab_of(c);
    struct moss_snapshot *snap;
    int64_t id;
    int rc = commit_point_id(&vtab->table, v, &id);

    if (rc != SQLITE_OK)
        return rc;
    if (c->commit == id && id != 0)
        return SQLITE_OK;
    rc = commit_point_open(&vtab->table, id, &snap);
    if (rc != SQLITE_OK)
        return rc;
    c->gave_other = c->gave_other || (c->gave_key && c->commit != 0);
    c->gave_key = false;
    rc = use_past(c, snap);
    c->commit = rc == SQLITE_OK ? id : 0;
    return rc;
}

/* Read what the plan says from the state of the cursor. */
static int
use_plan(struct cursor *c, const struct plan *plan)
{
    const struct schema *s = &vtab_of(c)->schema;
    int rc = reader_begin(&c->mem.scan, s, plan->index);

    c->scanned =
        plan->index == NULL ? &c->rows : &c->indexes[plan->index - s->indexes];
    c->reverse = plan->reverse;
    c->plain =
        plan->index == NULL && vtab_of(c)->table.decl.codec == CODEC_TYPED;
    c->text_key = -1;
    if (c->plain && s->n_key == 1 && !s->key[0].desc && s->key[0].column >= 0 &&
        s->columns[s->key[0].column].stored < 0)
        c->text_key = s->key[0].column;
    return rc == SQLITE_OK && plan->index != NULL
               ? reader_begin(&c->mem.row, s, NULL)
               : rc;
}

/* Go through the ranges in the order that the plan has promised. */
static int
sort_ranges(struct cursor *c, const struct plan *plan, sqlite3_value **argv)
{
    struct moss_snapshot *snap;
    enum moss_status st = sight_snapshot(c->scanned, &snap);

    if (st == MOSS_OK)
        st = sorted_collect(&c->mem.sorted, snap, plan, argv, &c->mem.ranges);
    if (st != MOSS_OK)
        return fail(c, st);
    c->left = c->mem.sorted.n;
    return enter_next_range(c);
}

int
cursor_filter(sqlite3_vtab_cursor *cur, int idx_num, const char *idx_str,
              int argc, sqlite3_value **argv)
{
    struct cursor *c = cursor_of(cur);
    struct vtab *v = vtab_of(c);
    const struct plan *plan = &c->mem.plan;
    struct ranges *ranges = &c->mem.ranges;
    bool first;
    int rc;

    cursor_unset(c);
    c->eof = true;
    rc = cursor_memory_plan(&c->mem, &v->schema, idx_num,
                            idx_str == NULL ? "" : idx_str);
    if (rc == SQLITE_NOMEM)
        return rc;
    if (rc != SQLITE_OK || plan->n + plan->past != (size_t)argc)
        return error_report(&v->table, SQLITE_INTERNAL, "moss: plan \"%s\"",
                            idx_str);
    if (plan->past && sqlite3_value_type(argv[0]) == SQLITE_NULL)
        return SQLITE_OK; /* equals nothing */
    first = !c->filtered;
    c->filtered = true;
    if (first && c->leads && c->writing != unknown(v) &&
        anew_is_due(v, c->writing, plan))
        return SQLITE_SCHEMA;
    if (plan->past)
        rc = enter_past(c, argv[0]);
    if (rc == SQLITE_OK)
        rc = use_plan(c, plan);
    if (rc == SQLITE_OK)
        rc = plan_ranges(v, plan, argv + plan->past, ranges, &c->mem.part);
    if (rc != SQLITE_OK)
        return rc;
    c->is_sorted = ranges->mixed;
    if (c->is_sorted)
        return sort_ranges(c, plan, argv + plan->past);
    c->left = ranges->found.n;
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
        stand(c);
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

/* What a reader said of column i, or of a rowid. */
static int
read_result(struct cursor *c, const struct reader *r, int rc)
{
    const struct table *t = &vtab_of(c)->table;

    if (rc != SQLITE_CORRUPT)
        return rc;
    if (r->index == NULL)
        return damaged(c, "row");
    return error_report(&vtab_of(c)->table, rc,
                        "moss: %s: the stored bytes are not an entry of index"
                        " %s",
                        t->name, r->index->name);
}

/* Look up the row that the index entry at hand names. */
static int
find_row(struct cursor *c)
{
    struct table *t = &vtab_of(c)->table;
    struct moss_slice key;
    enum moss_status st;
    int rc = read_result(c, &c->mem.scan, reader_row_key(&c->mem.scan, &key));

    if (rc != SQLITE_OK || c->row_known)
        return rc;
    moss_value_release(&c->row_value);
    memset(&c->row_value, 0, sizeof(c->row_value));
    st = sight_get(&c->rows, key, &c->row_value);
    if (st == MOSS_NOT_FOUND)
        return error_report(t, SQLITE_CORRUPT,
                            "moss: index %s of %s has an entry without a row",
                            c->mem.scan.index->name, t->name);
    if (st != MOSS_OK)
        return fail(c, st);
    reader_set(&c->mem.row, key, c->row_value.bytes);
    c->row_known = true;
    return SQLITE_OK;
}

static void
read_raw(struct cursor *c, const struct column *column, struct datum *out)
{
    memset(out, 0, sizeof(*out));
    out->type = column->affinity == AFFINITY_TEXT ? SQLITE_TEXT : SQLITE_BLOB;
    out->bytes = column->part >= 0 ? c->mem.scan.key : c->mem.scan.value;
}

/* The hidden column. */
static int
read_key(struct cursor *c, struct datum *out)
{
    memset(out, 0, sizeof(*out));
    out->type = SQLITE_BLOB;
    return read_result(c, &c->mem.scan,
                       reader_row_key(&c->mem.scan, &out->bytes));
}

static int
read_typed(struct cursor *c, int i, struct datum *out)
{
    struct reader *r = &c->mem.scan;
    int rc = SQLITE_OK;

    if (r->index != NULL && !reader_has(r, i)) {
        r = &c->mem.row;
        rc = find_row(c);
    }
    return rc == SQLITE_OK ? read_result(c, r, reader_column(r, i, out)) : rc;
}

int
cursor_column(sqlite3_vtab_cursor *cur, sqlite3_context *ctx, int i)
{
    struct cursor *c = cursor_of(cur);
    const struct vtab *v = vtab_of(c);
    const struct schema *s = &v->schema;
    struct datum d;
    int rc;

    if (i >= s->n && i != s->key_column) {
        if (i == s->commit_column && c->commit != 0)
            sqlite3_result_int64(ctx, c->commit);
        return SQLITE_OK;
    }
    if (i < s->n && s->columns[i].part < 0) {
        /* An UPDATE that does not set the column: write.c reads it itself. */
        if (c->writing != NULL && sqlite3_vtab_nochange(ctx))
            return SQLITE_OK;
        if (c->plain)
            return read_result(
                c, &c->mem.scan,
                reader_result(&c->mem.scan, &s->columns[i], ctx));
    }
    if (i == s->key_column || (s->key_column < 0 && i == s->key[0].column))
        c->gave_key = true;
    if (i == c->text_key && reader_text_key(&c->mem.scan, ctx))
        return SQLITE_OK;
    if (i >= s->n) {
        rc = read_key(c, &d);
    } else if (v->table.decl.codec == CODEC_RAW) {
        read_raw(c, &s->columns[i], &d);
        rc = SQLITE_OK;
    } else {
        rc = read_typed(c, i, &d);
    }
    if (rc == SQLITE_OK)
        datum_result(ctx, &d);
    return rc;
}

int
cursor_rowid(sqlite3_vtab_cursor *cur, sqlite3_int64 *rowid)
{
    struct cursor *c = cursor_of(cur);
    struct datum d;
    int rc = read_result(c, &c->mem.scan, reader_rowid(&c->mem.scan, &d));

    c->gave_key = true;
    if (rc == SQLITE_OK)
        *rowid = d.i;
    return rc;
}
