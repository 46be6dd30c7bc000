/*
 * The command 'check': all that can be compared of a table is read.  First the
 * segments as they lie in the file and in memory: checksums, order, totals.
 * Then the rows as a statement would see them: keys and records must be what
 * the encoder writes for this table.  Last the indexes, which must be those of
 * the rows.
 */
#include "command.h"

#include <string.h>

#include "index.h"

/* Rows between two looks at the clock. */
#define CHECK_EVERY 4096

struct checker {
    struct vtab *v;
    struct deadline *d;
    int rc; /* the deadline's reason to stop */
    struct bytes scratch;
    uint8_t *notes; /* of each part of the key */
};

static bool
go_on(void *ctx, uint64_t done, uint64_t total)
{
    struct checker *c = ctx;

    (void)done;
    (void)total;
    c->rc = deadline_check(c->d);
    return c->rc == SQLITE_OK;
}

static int
failed(struct table *t, enum moss_status st, const struct moss_error *why)
{
    char *doing = sqlite3_mprintf("'check' of table %s", t->name);
    int rc;

    if (doing == NULL)
        return SQLITE_NOMEM;
    rc = error_status(t, st, why, doing);
    sqlite3_free(doing);
    return rc;
}

static int
check_segments(struct checker *c, struct moss_snapshot *snap)
{
    struct moss_error why = { .status = MOSS_OK };
    enum moss_status st = moss_snapshot_check(snap, go_on, c, &why);

    if (st == MOSS_ABORTED && c->rc != SQLITE_OK)
        return c->rc;
    return st < 0 ? failed(&c->v->table, st, &why) : SQLITE_OK;
}

/* ------------------------------------------------------------------ rows */

static int
check_key(struct checker *c, struct moss_slice key)
{
    const struct schema *s = &c->v->schema;
    struct datum d;
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i < s->n_key; i++)
        rc = key_decode(&key, c->notes[i], &s->key[i], i == s->n_key - 1,
                        &c->scratch, &d);
    return rc == SQLITE_OK && key.len > 0 ? SQLITE_CORRUPT : rc;
}

static int
check_record(struct checker *c, struct moss_slice rest)
{
    const struct schema *s = &c->v->schema;
    struct datum d;
    int rc = SQLITE_OK;

    for (int i = 0; i < s->n && rc == SQLITE_OK; i++) {
        if (s->columns[i].stored >= 0)
            rc = row_column(&rest, &s->columns[i], &d);
    }
    return rc == SQLITE_OK && rest.len > 0 ? SQLITE_CORRUPT : rc;
}

static int
check_row(struct checker *c, struct moss_slice key, struct moss_slice value,
          uint64_t n)
{
    struct moss_slice rest;
    const char *what = "record";
    int rc = SQLITE_CORRUPT;

    if (row_notes(value, c->notes, (size_t)c->v->schema.n_key, &rest))
        rc = check_record(c, rest);
    if (rc == SQLITE_OK) {
        what = "key";
        rc = check_key(c, key);
    }
    if (rc != SQLITE_CORRUPT)
        return rc;
    return error_report(&c->v->table, SQLITE_CORRUPT,
                        "moss: 'check' of table %s: the %s of row %llu in key"
                        " order is not one of this table",
                        c->v->table.name, what, n);
}

static int
check_rows(struct checker *c, struct moss_snapshot *snap)
{
    struct moss_iterator *it = NULL;
    enum moss_status st = moss_snapshot_iterate(snap, NULL, NULL, &it);
    int rc = SQLITE_OK;

    if (st == MOSS_OK)
        st = moss_iterator_first(it);
    for (uint64_t n = 1; rc == SQLITE_OK && st == MOSS_OK; n++) {
        struct moss_slice key, value;

        moss_iterator_current(it, &key, &value);
        /* Any bytes are a raw table's. */
        if (c->v->table.decl.codec == CODEC_TYPED)
            rc = check_row(c, key, value, n);
        if (rc == SQLITE_OK && n % CHECK_EVERY == 0)
            rc = deadline_check(c->d);
        if (rc == SQLITE_OK)
            st = moss_iterator_next(it);
    }
    moss_iterator_free(it);
    return rc == SQLITE_OK && st < 0 ? failed(&c->v->table, st, NULL) : rc;
}

/* --------------------------------------------------------------- command */

static int
hook_go_on(void *arg)
{
    return deadline_check(arg);
}

/* The indexes: as they lie there, then entry by entry. */
static int
check_indexes(struct checker *c)
{
    const struct index_check_hook hook = { hook_go_on, c->d };
    struct table *t = &c->v->table;
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i < t->n_indexes; i++) {
        struct moss_snapshot *snap;

        rc = table_index_snapshot(t, i, &snap);
        if (rc == SQLITE_OK)
            rc = check_segments(c, snap);
        moss_snapshot_unref(snap);
    }
    return rc == SQLITE_OK && t->n_indexes > 0 ? index_check(c->v, &hook) : rc;
}

static int
check_table(struct checker *c)
{
    struct table *t = &c->v->table;
    struct moss_snapshot *snap;
    int rc = table_snapshot(t, &snap);

    if (rc != SQLITE_OK)
        return rc;
    rc = check_segments(c, snap);
    if (rc == SQLITE_OK)
        rc = check_rows(c, snap);
    if (rc == SQLITE_OK)
        rc = check_indexes(c);
    moss_snapshot_unref(snap);
    table_cursor_closed(t);
    return rc;
}

int
command_check(struct vtab *v, sqlite3_value *arg)
{
    struct deadline d;
    struct checker c = { .v = v, .d = &d };
    int rc = deadline_begin(&d, &v->table, "check", arg);

    if (rc == SQLITE_OK)
        rc = deadline_check(&d);
    if (rc == SQLITE_OK) {
        c.notes = sqlite3_malloc(v->schema.n_key);
        rc = c.notes == NULL ? SQLITE_NOMEM : check_table(&c);
    }
    deadline_end(&d);
    sqlite3_free(c.notes);
    bytes_release(&c.scratch);
    return rc;
}
