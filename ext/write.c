/*
 * Writing.  SQLite calls xUpdate once for each row.  A constraint error is
 * returned before anything has changed: SQLite then does what the conflict
 * clause says (undo the row, the statement or the transaction, or go on), all
 * but REPLACE, which is done here.
 *
 * What the columns of the new row are is in write_columns.c.
 */
#include "write.h"

#include <string.h>

#include "command.h"
#include "cursor.h"
#include "found.h"
#include "merge.h"
#include "rowid.h"
#include "write_columns.h"

/* xUpdate's argv: the old key or rowid, the new rowid, then the columns. */
enum { ARG_OLD = 0, ARG_ROWID = 1, ARG_COLUMNS = 2 };

static struct moss_slice
slice_of(const struct bytes *b)
{
    return moss_slice(b->p, b->n);
}

static bool
is_key(const struct bytes *b, struct moss_slice key)
{
    return b->n == key.len && (b->n == 0 || memcmp(b->p, key.bytes, b->n) == 0);
}

/* ------------------------------------------------------ a change's memory */

/* A change that was done keeps no more than this. */
#define SPARE_BYTES ((size_t)64 << 10)

/* Room for a row: cells, stored and notes in one piece. */
static int
change_new(struct vtab *v, struct change **out)
{
    size_t n = (size_t)v->schema.n, parts = (size_t)v->schema.n_key;
    struct change *c = sqlite3_malloc64(sizeof(*c));

    *out = c;
    if (c == NULL)
        return SQLITE_NOMEM;
    memset(c, 0, sizeof(*c));
    c->s = &v->schema;
    c->room = n * (sizeof(*c->cells) + sizeof(*c->stored)) + parts;
    c->cells = sqlite3_malloc64(c->room);
    if (c->cells == NULL)
        return SQLITE_NOMEM;
    memset(c->cells, 0, c->room);
    c->stored = (struct datum *)(c->cells + n);
    c->notes = (uint8_t *)(c->stored + n);
    return entries_begin(&c->entries, c->s);
}

static void
change_free(struct change *c)
{
    if (c == NULL)
        return;
    sqlite3_free(c->cells);
    entries_release(&c->entries);
    bytes_release(&c->old_key);
    bytes_release(&c->key);
    bytes_release(&c->value);
    sqlite3_free(c);
}

void
write_free_spare(struct vtab *v)
{
    change_free(v->spare);
    v->spare = NULL;
}

/* One that is all zeros but for its memory; change_end() takes it over. */
static int
change_begin(struct vtab *v, struct change **out)
{
    struct change *c = v->spare;
    int rc = SQLITE_OK;

    v->spare = NULL;
    if (c == NULL)
        rc = change_new(v, &c);
    *out = c;
    if (rc != SQLITE_OK) {
        change_free(c);
        *out = NULL;
        return rc;
    }
    c->v = v;
    c->conflict = sqlite3_vtab_on_conflict(v->db);
    c->given_rowid = sqlite3_last_insert_rowid(v->db);
    return SQLITE_OK;
}

static void
change_end(struct change *c)
{
    struct vtab *v = c->v;
    size_t kept = c->old_key.cap + c->key.cap + c->value.cap +
                  c->entries.bytes.cap + c->room;

    for (int i = 0; i < c->s->n; i++)
        sqlite3_value_free(c->cells[i].owned);
    sqlite3_value_free(c->rowid.owned);
    moss_value_release(&c->row);
    image_release(&c->old);
    for (int i = 0; i < c->n_victims; i++)
        image_release(&c->victims[i]);
    sqlite3_free(c->victims);
    if (v->spare != NULL || kept > SPARE_BYTES) {
        change_free(c);
        return;
    }
    memset(c->cells, 0, c->room);
    memset(&c->row, 0, sizeof(c->row));
    memset(&c->old, 0, sizeof(c->old));
    memset(&c->rowid, 0, sizeof(c->rowid));
    c->victims = NULL;
    c->n_victims = 0;
    c->old_key.n = c->key.n = c->value.n = c->entries.bytes.n = 0;
    v->spare = c;
}

/* ----------------------------------------------------------- constraints */

/* A row has these parts already. */
static int
unique_violated(const struct change *c, int code, const struct key_part *parts,
                int n)
{
    sqlite3_str *text;
    char *names;
    int rc;

    if (c->conflict == SQLITE_IGNORE)
        return code;
    text = sqlite3_str_new(NULL);
    for (int i = 0; i < n; i++)
        sqlite3_str_appendf(text, "%s%s.%s", i > 0 ? ", " : "",
                            c->v->table.name,
                            schema_column_name(c->s, parts[i].column));
    names = sqlite3_str_finish(text);
    if (names == NULL)
        return SQLITE_NOMEM;
    rc =
        error_report(&c->v->table, code, "UNIQUE constraint failed: %s", names);
    sqlite3_free(names);
    return rc;
}

/* REPLACE deletes the row under key; SQLITE_NOTFOUND if there is none. */
static int
add_victim(struct change *c, struct moss_slice key)
{
    struct image *grown;
    int rc;

    for (int i = 0; i < c->n_victims; i++) {
        if (is_key(&c->victims[i].key, key))
            return SQLITE_OK;
    }
    grown = sqlite3_realloc64(c->victims,
                              ((size_t)c->n_victims + 1) * sizeof(*grown));
    if (grown == NULL)
        return SQLITE_NOMEM;
    c->victims = grown;
    memset(&grown[c->n_victims], 0, sizeof(*grown));
    rc = image_read(&grown[c->n_victims], c->v, key);
    if (rc == SQLITE_OK)
        c->n_victims++;
    else
        image_release(&grown[c->n_victims]);
    return rc;
}

/* SQLITE_OK if the new key may be written. */
static int
check_key(struct change *c)
{
    int code = c->s->key[0].column < 0 ? SQLITE_CONSTRAINT_ROWID
                                       : SQLITE_CONSTRAINT_PRIMARYKEY;
    struct moss_value row = { 0 };
    int rc = SQLITE_NOTFOUND;

    if (c->conflict != SQLITE_REPLACE)
        rc = table_get(&c->v->table, slice_of(&c->key), &row);
    else if (c->s->n_indexes > 0)
        rc = add_victim(c, slice_of(&c->key));
    moss_value_release(&row);
    if (rc == SQLITE_NOTFOUND)
        return SQLITE_OK;
    return rc == SQLITE_OK && c->conflict != SQLITE_REPLACE
               ? unique_violated(c, code, c->s->key, c->s->n_key)
               : rc;
}

/* SQLITE_OK if the new row may have its entry in index i. */
static int
check_index(struct change *c, int i)
{
    const struct index *ix = &c->s->indexes[i];
    struct bytes key = { 0 };
    int rc;

    if (!c->entries.at[i].exact)
        return SQLITE_OK;
    rc = entries_find(c->v, i, &c->entries, &key);
    if (rc == SQLITE_OK && !is_key(&c->old_key, slice_of(&key)))
        rc = c->conflict == SQLITE_REPLACE
                 ? add_victim(c, slice_of(&key))
                 : unique_violated(c, SQLITE_CONSTRAINT_UNIQUE, ix->parts,
                                   ix->n_own);
    else if (rc == SQLITE_NOTFOUND)
        rc = SQLITE_OK;
    bytes_release(&key);
    if (rc == SQLITE_NOTFOUND)
        rc = error_report(&c->v->table, SQLITE_CORRUPT,
                          "moss: index %s of %s has an entry without a row",
                          ix->name, c->v->table.name);
    return rc;
}

/* SQLITE_OK if the new row may be written; moved: its key is new. */
static int
check_unique(struct change *c, bool moved)
{
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i <= c->s->n_indexes; i++) {
        if (i == c->s->key_place && moved)
            rc = check_key(c);
        if (rc == SQLITE_OK && i < c->s->n_indexes)
            rc = check_index(c, i);
    }
    return rc;
}

/* ------------------------------------------------------------------ keys */

static int
check_length(const struct change *c, const struct bytes *b, size_t max)
{
    return b->n <= max ? SQLITE_OK
                       : error_report(&c->v->table, SQLITE_TOOBIG,
                                      "string or blob too big");
}

static int
encode_part(const struct change *c, const struct datum *d, int part,
            struct bytes *out)
{
    if (change_is_raw(c))
        return bytes_append(out, d->bytes.bytes, d->bytes.len);
    return key_encode(out, d, &c->s->key[part], part == c->s->n_key - 1);
}

/* The key of the row that UPDATE or DELETE is about. */
static int
encode_old_key(struct change *c, sqlite3_value *v)
{
    struct datum d;
    int rc = datum_read(v, &d);

    if (rc != SQLITE_OK)
        return rc;
    /* The hidden column has the key itself. */
    return c->s->key_column >= 0
               ? bytes_append(&c->old_key, d.bytes.bytes, d.bytes.len)
               : encode_part(c, &d, 0, &c->old_key);
}

/* The value of a part of the key. */
static const struct datum *
part_datum(const struct change *c, int part)
{
    int column = c->s->key[part].column;

    return column < 0 ? &c->rowid.d : &c->cells[column].d;
}

static int
encode_key(struct change *c)
{
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i < c->s->n_key; i++)
        rc = encode_part(c, part_datum(c, i), i, &c->key);
    return rc == SQLITE_OK ? check_length(c, &c->key, MOSS_MAX_KEY) : rc;
}

/* What the record has to say of the key. */
static void
take_notes(struct change *c)
{
    for (int i = 0; i < c->s->n_key; i++) {
        int column = c->s->key[i].column;

        c->notes[i] = column < 0 || c->s->columns[column].stored < 0
                          ? (uint8_t)key_note(part_datum(c, i))
                          : (uint8_t)KEY_NOTE_NONE;
    }
}

/* The row as an operand for the row that may be there. */
static int
encode_operand(struct change *c)
{
    int rc;

    take_notes(c);
    rc = merge_begin(&c->value, c->notes, (size_t)c->s->n_key);
    for (int i = 0; rc == SQLITE_OK && i < c->s->n; i++) {
        if (c->s->columns[i].stored >= 0)
            rc = merge_append(&c->value, &c->s->columns[i], &c->cells[i].d);
    }
    return rc == SQLITE_OK ? check_length(c, &c->value, MOSS_MAX_VALUE) : rc;
}

static int
encode_value(struct change *c)
{
    size_t n = 0;
    int rc = SQLITE_OK;

    for (int i = 0; i < c->s->n; i++) {
        if (c->s->columns[i].stored >= 0)
            c->stored[n++] = c->cells[i].d;
    }
    take_notes(c);
    if (change_is_raw(c))
        rc = bytes_append(&c->value, c->stored[0].bytes.bytes,
                          c->stored[0].bytes.len);
    else
        rc = row_encode(&c->value, c->notes, (size_t)c->s->n_key, c->stored, n);
    return rc == SQLITE_OK ? check_length(c, &c->value, MOSS_MAX_VALUE) : rc;
}

/* The entries of the new row. */
static int
encode_entries(struct change *c)
{
    int rc;

    if (c->s->n_indexes == 0)
        return SQLITE_OK;
    for (int i = 0; i < c->s->n; i++)
        c->stored[i] = c->cells[i].d;
    rc = entries_encode(&c->entries, c->s, c->stored, slice_of(&c->key));
    return rc == SQLITE_TOOBIG
               ? error_report(&c->v->table, rc, "string or blob too big")
               : rc;
}

/* ---------------------------------------------------------------- rowids */

/*
 * Which rowid the new row has.  SQLite does not know that a column is the
 * rowid, and gives both: what was changed counts.
 */
static int
choose_rowid(struct change *c, sqlite3_value **argv, bool insert)
{
    int column = c->s->key[0].column;
    sqlite3_value *old = argv[ARG_OLD], *given = argv[ARG_ROWID];
    struct datum *d = column < 0 ? &c->rowid.d : &c->cells[column].d;
    struct datum rowid;
    int rc = datum_convert(given, AFFINITY_INTEGER, &rowid, &c->rowid.owned);

    if (rc != SQLITE_OK)
        return rc;
    if (column < 0 || (insert && d->type == SQLITE_NULL) ||
        (!insert && d->type == SQLITE_INTEGER &&
         d->i == sqlite3_value_int64(old)))
        *d = rowid;
    if (d->type == SQLITE_NULL && insert)
        rc = rowid_next(c->v, d);
    if (rc != SQLITE_OK)
        return rc;
    if (d->type != SQLITE_INTEGER)
        return error_report(&c->v->table, SQLITE_MISMATCH, "datatype mismatch");
    if (insert)
        c->given_rowid = d->i;
    return SQLITE_OK;
}

/* ------------------------------------------------------------------ rows */

/* Key, value and entries of the new row. */
static int
encode(struct change *c)
{
    int rc = encode_key(c);

    if (rc == SQLITE_OK)
        rc = encode_value(c);
    return rc == SQLITE_OK ? encode_entries(c) : rc;
}

/*
 * Before the first of a row's changes, of which there are several if its key
 * is new, or others must go.
 */
static int
reserve_row(struct change *c, bool moved)
{
    int n = 1 + (moved ? 1 : 0) + c->n_victims;
    size_t bytes = c->old_key.n + c->key.n + c->value.n;

    if (n == 1)
        return SQLITE_OK;
    for (int i = 0; i < c->n_victims; i++)
        bytes += c->victims[i].key.n;
    return table_reserve(&c->v->table, bytes, n * (2 * c->s->n_indexes + 1));
}

/* Write the new row in place of old, if that is not NULL. */
static int
write_row(struct change *c, const struct image *old)
{
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i < c->n_victims; i++)
        rc = image_delete(c->v, &c->victims[i]);
    if (rc == SQLITE_OK)
        rc = table_set(&c->v->table, slice_of(&c->key), slice_of(&c->value));
    return rc == SQLITE_OK ? entries_put(c->v, old, &c->entries) : rc;
}

/* INSERT into a table with MERGE columns: no look at what is there. */
static int
merge_row(struct change *c)
{
    int rc = encode_key(c);

    if (rc == SQLITE_OK)
        rc = encode_operand(c);
    return rc == SQLITE_OK ? table_merge(&c->v->table, slice_of(&c->key),
                                         slice_of(&c->value))
                           : rc;
}

static int
insert_row(struct change *c, sqlite3_value **argv)
{
    int rc = change_read_columns(c, argv + ARG_COLUMNS, true);

    if (rc == SQLITE_OK && c->s->has_rowid)
        rc = choose_rowid(c, argv, true);
    if (rc == SQLITE_OK && c->s->merges && c->conflict != SQLITE_REPLACE &&
        c->conflict != SQLITE_IGNORE)
        return merge_row(c);
    if (rc == SQLITE_OK)
        rc = encode(c);
    if (rc == SQLITE_OK)
        rc = check_unique(c, true);
    if (rc == SQLITE_OK)
        rc = reserve_row(c, false);
    return rc == SQLITE_OK ? write_row(c, NULL) : rc;
}

static int
write_updated(struct change *c)
{
    bool moved = !is_key(&c->old_key, slice_of(&c->key));
    int rc = check_unique(c, moved);

    if (rc == SQLITE_OK)
        rc = reserve_row(c, moved);
    if (rc == SQLITE_OK && moved)
        rc = table_delete(&c->v->table, slice_of(&c->old_key));
    return rc == SQLITE_OK ? write_row(c, &c->old) : rc;
}

/* The row to be changed, with its index entries; SQLITE_NOTFOUND. */
static int
read_image(struct change *c)
{
    struct moss_slice key = slice_of(&c->old_key), found;

    return found_row(c->v, key, &found) ? image_of(&c->old, c->v, key, found)
                                        : image_read(&c->old, c->v, key);
}

/* The row to be updated; SQLITE_NOTFOUND. */
static int
read_old(struct change *c, struct moss_slice *row)
{
    struct moss_slice key = slice_of(&c->old_key);
    int rc = SQLITE_OK;

    if (c->s->n_indexes > 0) {
        rc = read_image(c);
        *row = c->old.held.bytes;
        return rc;
    }
    if (!found_row(c->v, key, &c->row.bytes))
        rc = table_get(&c->v->table, key, &c->row);
    *row = c->row.bytes;
    return rc;
}

/* The row to be changed must not be one of a past commit. */
static int
check_present(const struct change *c)
{
    bool past;
    int rc = cursor_gave_past(&c->v->table.base, slice_of(&c->old_key), &past);

    return rc == SQLITE_OK && past
               ? error_report(&c->v->table, SQLITE_READONLY,
                              "moss: %s: a past commit can only be read",
                              c->v->table.name)
               : rc;
}

static int
update_row(struct change *c, sqlite3_value **argv)
{
    sqlite3_value **columns = argv + ARG_COLUMNS;
    struct moss_slice row;
    int rc = encode_old_key(c, argv[ARG_OLD]);

    /* SET moss_commit = NULL hides what command_take() looks at. */
    if (rc == SQLITE_OK)
        rc = check_present(c);
    if (rc == SQLITE_OK)
        rc = read_old(c, &row);
    if (rc == SQLITE_NOTFOUND)
        return SQLITE_OK; /* this statement has replaced or moved it */
    if (rc == SQLITE_OK && change_is_raw(c))
        change_keep_raw(c, columns);
    else if (rc == SQLITE_OK)
        rc = change_keep_columns(c, row, columns);
    if (rc == SQLITE_OK)
        rc = change_read_columns(c, columns, false);
    if (rc == SQLITE_OK && c->s->has_rowid)
        rc = choose_rowid(c, argv, false);
    if (rc == SQLITE_OK)
        rc = encode(c);
    return rc == SQLITE_OK ? write_updated(c) : rc;
}

static int
delete_row(struct change *c, sqlite3_value **argv)
{
    int rc = encode_old_key(c, argv[ARG_OLD]);

    if (rc == SQLITE_OK)
        rc = check_present(c);
    if (rc != SQLITE_OK)
        return rc;
    if (c->s->n_indexes == 0)
        return table_delete(&c->v->table, slice_of(&c->old_key));
    rc = read_image(c);
    if (rc == SQLITE_NOTFOUND)
        return SQLITE_OK; /* this statement has replaced or moved it */
    return rc == SQLITE_OK ? image_delete(c->v, &c->old) : rc;
}

int
write_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv,
             sqlite3_int64 *rowid)
{
    struct vtab *v = (struct vtab *)vtab;
    struct change *c;
    bool is_command = false;
    int rc = SQLITE_OK;

    if (argc > 1)
        rc = command_take(v, sqlite3_value_type(argv[ARG_OLD]) == SQLITE_NULL,
                          argv + ARG_COLUMNS, &is_command);
    if (is_command)
        *rowid = sqlite3_last_insert_rowid(v->db);
    if (rc != SQLITE_OK || is_command)
        return rc;
    rc = change_begin(v, &c);
    if (rc != SQLITE_OK)
        return rc;
    if (argc == 1)
        rc = delete_row(c, argv);
    else if (sqlite3_value_type(argv[ARG_OLD]) == SQLITE_NULL)
        rc = insert_row(c, argv);
    else
        rc = update_row(c, argv);
    /* What SQLite takes for last_insert_rowid(). */
    *rowid = c->given_rowid;
    change_end(c);
    return rc;
}
