/*
 * The rowid of a row that comes without one: one above the greatest, as in an
 * ordinary table, or a random one that is free when there is none above.
 */
#include "rowid.h"

#include <string.h>

#include "key.h"

/* The greatest rowid; SQLITE_NOTFOUND if there is no row. */
static int
last_rowid(struct vtab *v, int64_t *out)
{
    struct bytes key = { 0 }, scratch = { 0 };
    struct moss_slice in;
    struct datum d;
    int rc = table_last(&v->table, &key);

    if (rc == SQLITE_OK) {
        in = moss_slice(key.p, key.n);
        rc = key_decode(&in, KEY_NOTE_NONE, &v->schema.key[0], true, &scratch,
                        &d);
        if (rc == SQLITE_OK && d.type != SQLITE_INTEGER)
            rc = SQLITE_CORRUPT;
        if (rc == SQLITE_CORRUPT)
            rc = error_report(&v->table, rc,
                              "moss: %s: the last key is not a rowid",
                              v->table.name);
        *out = rc == SQLITE_OK ? d.i : 0;
    }
    bytes_release(&scratch);
    bytes_release(&key);
    return rc;
}

/* A rowid that is free, when the greatest possible one is not. */
static int
random_rowid(struct vtab *v, struct datum *d)
{
    for (int i = 0; i < 100; i++) {
        struct moss_value row = { 0 };
        struct bytes key = { 0 };
        int rc;

        sqlite3_randomness(sizeof(d->i), &d->i);
        d->i = (d->i & (INT64_MAX >> 1)) + 1;
        rc = key_encode(&key, d, &v->schema.key[0], true);
        if (rc == SQLITE_OK)
            rc = table_get(&v->table, moss_slice(key.p, key.n), &row);
        bytes_release(&key);
        moss_value_release(&row);
        if (rc != SQLITE_OK)
            return rc == SQLITE_NOTFOUND ? SQLITE_OK : rc;
    }
    return SQLITE_FULL;
}

int
rowid_next(struct vtab *v, struct datum *d)
{
    int64_t last;
    int rc = last_rowid(v, &last);

    memset(d, 0, sizeof(*d));
    d->type = SQLITE_INTEGER;
    d->i = 1;
    if (rc == SQLITE_NOTFOUND)
        return SQLITE_OK;
    if (rc == SQLITE_OK && last == INT64_MAX)
        return random_rowid(v, d);
    d->i = last + 1;
    return rc;
}
