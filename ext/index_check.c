/*
 * Are the indexes those of the rows?  Each row has its entry in each index,
 * byte for byte, and an index has no more entries than there are rows: then it
 * has just theirs, since no two rows have the same.
 */
#include "index.h"

#include <string.h>

struct check {
    struct vtab *v;
    struct moss_snapshot *rows;
    struct moss_snapshot **indexes;
    struct image image; /* of the row at hand */
    uint64_t n_rows;
};

static int
failed(struct check *c, enum moss_status st)
{
    return error_status(&c->v->table, st, NULL, "check the indexes");
}

/* The row at hand has its entry in index i. */
static int
check_entry(struct check *c, int i)
{
    struct table *t = &c->v->table;
    const char *name = c->v->schema.indexes[i].name;
    struct moss_slice want = entry_value(&c->image.entries, i);
    struct moss_value value = { 0 };
    enum moss_status st = moss_snapshot_get(
        c->indexes[i], entry_key(&c->image.entries, i), &value);
    bool same =
        st == MOSS_OK && value.bytes.len == want.len &&
        (want.len == 0 || memcmp(value.bytes.bytes, want.bytes, want.len) == 0);

    moss_value_release(&value);
    if (st < 0)
        return failed(c, st);
    if (st == MOSS_NOT_FOUND)
        return error_report(t, SQLITE_CORRUPT,
                            "moss: index %s of %s lacks the entry of a row",
                            name, t->name);
    return same ? SQLITE_OK
                : error_report(t, SQLITE_CORRUPT,
                               "moss: index %s of %s has a wrong entry for a"
                               " row",
                               name, t->name);
}

static int
check_row(struct check *c, struct moss_slice key, struct moss_slice value)
{
    int rc = image_of(&c->image, c->v, key, value);

    for (int i = 0; rc == SQLITE_OK && i < c->v->schema.n_indexes; i++)
        rc = check_entry(c, i);
    c->n_rows++;
    return rc;
}

static int
check_rows(struct check *c, const struct index_check_hook *hook)
{
    struct moss_iterator *it = NULL;
    enum moss_status st = moss_snapshot_iterate(c->rows, NULL, NULL, &it);
    int rc = SQLITE_OK;

    if (st == MOSS_OK)
        st = moss_iterator_first(it);
    while (st == MOSS_OK && rc == SQLITE_OK) {
        struct moss_slice key, value;

        moss_iterator_current(it, &key, &value);
        rc = check_row(c, key, value);
        if (rc == SQLITE_OK && hook != NULL && c->n_rows % 256 == 0)
            rc = hook->go_on(hook->arg);
        if (rc == SQLITE_OK)
            st = moss_iterator_next(it);
    }
    moss_iterator_free(it);
    return rc == SQLITE_OK && st < 0 ? failed(c, st) : rc;
}

/* Index i has as many entries as there are rows. */
static int
check_count(struct check *c, int i)
{
    struct table *t = &c->v->table;
    struct moss_iterator *it = NULL;
    enum moss_status st = moss_snapshot_iterate(c->indexes[i], NULL, NULL, &it);
    uint64_t n = 0;

    if (st == MOSS_OK)
        st = moss_iterator_first(it);
    for (; st == MOSS_OK; n++)
        st = moss_iterator_next(it);
    moss_iterator_free(it);
    if (st < 0)
        return failed(c, st);
    if (n == c->n_rows)
        return SQLITE_OK;
    return error_report(t, SQLITE_CORRUPT,
                        "moss: index %s of %s has %llu entries for %llu rows",
                        c->v->schema.indexes[i].name, t->name,
                        (sqlite3_uint64)n, (sqlite3_uint64)c->n_rows);
}

int
index_check(struct vtab *v, const struct index_check_hook *hook)
{
    size_t n = (size_t)v->schema.n_indexes;
    struct check c = { .v = v };
    int rc = table_snapshot(&v->table, &c.rows);

    if (rc != SQLITE_OK)
        return rc;
    c.indexes = sqlite3_malloc64((n + 1) * sizeof(struct moss_snapshot *));
    if (c.indexes == NULL)
        rc = SQLITE_NOMEM;
    else
        memset(c.indexes, 0, (n + 1) * sizeof(struct moss_snapshot *));
    for (int i = 0; rc == SQLITE_OK && i < v->schema.n_indexes; i++)
        rc = table_index_snapshot(&v->table, i, &c.indexes[i]);
    if (rc == SQLITE_OK)
        rc = check_rows(&c, hook);
    for (int i = 0; rc == SQLITE_OK && i < v->schema.n_indexes; i++)
        rc = check_count(&c, i);
    image_release(&c.image);
    for (size_t i = 0; c.indexes != NULL && i < n; i++)
        moss_snapshot_unref(c.indexes[i]);
    sqlite3_free(c.indexes);
    moss_snapshot_unref(c.rows);
    table_cursor_closed(&v->table);
    return rc;
}
