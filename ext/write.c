/*
 * Writing.  SQLite calls xUpdate once for each row.  A constraint error is
 * returned before anything has changed: SQLite then does what the conflict
 * clause says (undo the row, the statement or the transaction, or go on), all
 * but REPLACE, which is done here.
 */
#include "write.h"

#include <string.h>

#include "key.h"
#include "record.h"
#include "vtab.h"

/* xUpdate's argv of a table without rowid. */
enum { ARG_OLD_KEY = 0, ARG_KEY = 2, ARG_VALUE = 3, ARGS = 4 };

struct change {
    struct table *t;
    int conflict;         /* SQLITE_ABORT, SQLITE_REPLACE, ... */
    struct bytes old_key; /* the row to be updated or deleted */
    struct bytes key, value;
    struct datum key_datum;
};

static struct moss_slice
slice_of(const struct bytes *b)
{
    return moss_slice(b->p, b->n);
}

/* A constraint's message, unless OR IGNORE throws it away. */
static int
violated(const struct change *c, int code, const char *kind, const char *column)
{
    if (c->conflict == SQLITE_IGNORE)
        return code;
    return error_report(c->t, code, "%s constraint failed: %s.%s", kind,
                        c->t->name, column);
}

/* Read a column of the new row and check its type. */
static int
read_column(const struct change *c, sqlite3_value *v, const char *column,
            struct datum *out)
{
    bool raw = c->t->decl.codec == CODEC_RAW;
    bool is_key = strcmp(column, "key") == 0;
    int rc = datum_read(v, out);

    if (rc != SQLITE_OK)
        return rc;
    if (out->type == SQLITE_NULL && (raw || is_key))
        return violated(c, SQLITE_CONSTRAINT_NOTNULL, "NOT NULL", column);
    if (raw && out->type != SQLITE_BLOB)
        return error_report(c->t, SQLITE_MISMATCH,
                            "datatype mismatch: %s.%s holds BLOB, not %s",
                            c->t->name, column, datum_type_name(out->type));
    return SQLITE_OK;
}

static int
encode_key(const struct change *c, const struct datum *d, struct bytes *out)
{
    int rc = c->t->decl.codec == CODEC_RAW
                 ? bytes_append(out, d->bytes.bytes, d->bytes.len)
                 : key_encode(out, d);

    if (rc == SQLITE_OK && out->n > MOSS_MAX_KEY)
        return error_report(c->t, SQLITE_TOOBIG, "string or blob too big");
    return rc;
}

/* The key of the row that UPDATE or DELETE is about. */
static int
encode_old_key(struct change *c, sqlite3_value *v)
{
    struct datum d;
    int rc = datum_read(v, &d);

    return rc == SQLITE_OK ? encode_key(c, &d, &c->old_key) : rc;
}

static int
encode_new_key(struct change *c, sqlite3_value *v)
{
    int rc = read_column(c, v, "key", &c->key_datum);

    return rc == SQLITE_OK ? encode_key(c, &c->key_datum, &c->key) : rc;
}

/* The row's value bytes, of a value that is a datum. */
static int
encode_value(struct change *c, const struct datum *d)
{
    int rc = c->t->decl.codec == CODEC_RAW
                 ? bytes_append(&c->value, d->bytes.bytes, d->bytes.len)
                 : row_encode(&c->value, key_note(&c->key_datum), d, 1);

    if (rc == SQLITE_OK && c->value.n > MOSS_MAX_VALUE)
        return error_report(c->t, SQLITE_TOOBIG, "string or blob too big");
    return rc;
}

static int
encode_new_value(struct change *c, sqlite3_value *v)
{
    struct datum d;
    int rc = read_column(c, v, "value", &d);

    return rc == SQLITE_OK ? encode_value(c, &d) : rc;
}

/* The value of the old row, which UPDATE leaves as it is. */
static int
encode_kept_value(struct change *c, const struct moss_value *row)
{
    struct datum d = { 0 };

    d.type = SQLITE_BLOB;
    d.bytes = row->bytes;
    if (c->t->decl.codec == CODEC_TYPED && !row_column(row->bytes, 0, &d))
        return error_report(c->t, SQLITE_CORRUPT,
                            "moss: %s.value: the stored bytes are not a typed "
                            "row (is the collection raw?)",
                            c->t->name);
    return encode_value(c, &d);
}

/* SQLITE_OK if the new key may be written. */
static int
check_unique(const struct change *c)
{
    struct moss_value row = { 0 };
    int rc;

    if (c->conflict == SQLITE_REPLACE)
        return SQLITE_OK;
    rc = table_get(c->t, slice_of(&c->key), &row);
    if (rc == SQLITE_NOTFOUND)
        return SQLITE_OK;
    moss_value_release(&row);
    if (rc != SQLITE_OK)
        return rc;
    return violated(c, SQLITE_CONSTRAINT_PRIMARYKEY, "UNIQUE", "key");
}

static int
insert_row(struct change *c, sqlite3_value **argv)
{
    int rc = encode_new_key(c, argv[ARG_KEY]);

    if (rc == SQLITE_OK)
        rc = encode_new_value(c, argv[ARG_VALUE]);
    if (rc == SQLITE_OK)
        rc = check_unique(c);
    if (rc == SQLITE_OK)
        rc = table_set(c->t, slice_of(&c->key), slice_of(&c->value));
    return rc;
}

static int
update_row(struct change *c, sqlite3_value **argv)
{
    struct moss_value row = { 0 };
    bool moved;
    int rc = encode_old_key(c, argv[ARG_OLD_KEY]);

    if (rc == SQLITE_OK)
        rc = encode_new_key(c, argv[ARG_KEY]);
    if (rc != SQLITE_OK)
        return rc;
    rc = table_get(c->t, slice_of(&c->old_key), &row);
    if (rc == SQLITE_NOTFOUND)
        return SQLITE_OK; /* this statement has replaced or moved it */
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_value_nochange(argv[ARG_VALUE])
             ? encode_kept_value(c, &row)
             : encode_new_value(c, argv[ARG_VALUE]);
    moss_value_release(&row);

    moved = c->key.n != c->old_key.n ||
            (c->key.n > 0 && memcmp(c->key.p, c->old_key.p, c->key.n) != 0);
    if (rc == SQLITE_OK && moved)
        rc = check_unique(c);
    if (rc == SQLITE_OK && moved)
        rc = table_delete(c->t, slice_of(&c->old_key));
    if (rc == SQLITE_OK)
        rc = table_set(c->t, slice_of(&c->key), slice_of(&c->value));
    return rc;
}

static int
delete_row(struct change *c, sqlite3_value **argv)
{
    int rc = encode_old_key(c, argv[ARG_OLD_KEY]);

    return rc == SQLITE_OK ? table_delete(c->t, slice_of(&c->old_key)) : rc;
}

int
write_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv,
             sqlite3_int64 *rowid)
{
    struct vtab *v = (struct vtab *)vtab;
    struct change c = { .t = &v->table };
    int rc;

    c.conflict = sqlite3_vtab_on_conflict(v->db);
    if (argc == 1)
        rc = delete_row(&c, argv);
    else if (sqlite3_value_type(argv[ARG_OLD_KEY]) == SQLITE_NULL)
        rc = insert_row(&c, argv);
    else
        rc = update_row(&c, argv);
    bytes_release(&c.old_key);
    bytes_release(&c.key);
    bytes_release(&c.value);
    /* SQLite takes this for last_insert_rowid(), which is not ours to set. */
    *rowid = sqlite3_last_insert_rowid(v->db);
    return rc;
}
