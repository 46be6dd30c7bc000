/*
 * Secondary indexes: writing.  An index is a child of the table's collection,
 * changed in the same batch.  Its entries follow from the row: so the old row
 * is read before it is changed or deleted, and what has to go is encoded anew.
 *
 * All that may fail for other reasons than memory happens before the first
 * change, since SQLite undoes a failed statement of one row only then.
 */
#include "index.h"

#include <string.h>

/* --------------------------------------------------------------- entries */

int
entries_begin(struct entries *e, const struct schema *s)
{
    size_t n = (size_t)s->n_indexes * sizeof(*e->at);

    memset(e, 0, sizeof(*e));
    if (n == 0)
        return SQLITE_OK;
    e->at = sqlite3_malloc64(n);
    return e->at == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

void
entries_release(struct entries *e)
{
    bytes_release(&e->bytes);
    sqlite3_free(e->at);
    e->at = NULL;
}

/* The parts of an entry's key that are its own; are any of them NULL? */
static int
encode_own(struct bytes *out, const struct index *ix,
           const struct datum *columns, bool *has_null)
{
    int rc = SQLITE_OK;

    *has_null = false;
    for (int i = 0; rc == SQLITE_OK && i < ix->n_own; i++) {
        const struct datum *d = &columns[ix->parts[i].column];

        *has_null = *has_null || d->type == SQLITE_NULL;
        rc = key_encode(out, d, &ix->parts[i], false);
    }
    return rc;
}

/* The notes of all parts; a part that is not read has none. */
static bool
note_parts(const struct index *ix, const struct datum *columns, uint8_t *notes)
{
    bool any = false;

    for (int i = 0; i < ix->n; i++) {
        int column = ix->parts[i].column;
        bool read = column >= 0 && ix->places[column].part == i;

        notes[i] =
            read ? (uint8_t)key_note(&columns[column]) : (uint8_t)KEY_NOTE_NONE;
        any = any || notes[i] != KEY_NOTE_NONE;
    }
    return any;
}

/*
 * An entry's record: nothing if the key tells all, else the notes, the row's
 * key if exact, and the columns that the parts do not give back.
 */
static int
encode_record(struct bytes *out, const struct schema *s, const struct index *ix,
              const struct datum *columns, const struct moss_slice *row_key)
{
    size_t room = (size_t)(s->n + 1) * sizeof(struct datum) + (size_t)ix->n;
    struct datum *stored = sqlite3_malloc64(room);
    size_t n = 0;
    uint8_t *notes;
    bool noted;
    int rc = SQLITE_OK;

    if (stored == NULL)
        return SQLITE_NOMEM;
    notes = (uint8_t *)(stored + s->n + 1);
    noted = note_parts(ix, columns, notes);
    if (row_key != NULL)
        stored[n++] = (struct datum){ .type = SQLITE_BLOB, .bytes = *row_key };
    for (int i = 0; i < s->n; i++) {
        if (ix->places[i].stored >= 0)
            stored[n++] = columns[i];
    }
    if (noted || n > 0)
        rc = row_encode(out, notes, (size_t)ix->n, stored, n);
    sqlite3_free(stored);
    return rc;
}

static int
encode_entry(struct entries *e, const struct schema *s, int i,
             const struct datum *columns, struct moss_slice key)
{
    const struct index *ix = &s->indexes[i];
    struct entry *at = &e->at[i];
    bool has_null;
    int rc;

    at->key = e->bytes.n;
    rc = encode_own(&e->bytes, ix, columns, &has_null);
    at->exact = ix->unique && !has_null;
    if (rc == SQLITE_OK && !at->exact)
        rc = bytes_append(&e->bytes, key.bytes, key.len);
    at->value = e->bytes.n;
    if (rc == SQLITE_OK)
        rc = encode_record(&e->bytes, s, ix, columns, at->exact ? &key : NULL);
    at->end = e->bytes.n;
    if (rc == SQLITE_OK && (at->value - at->key > MOSS_MAX_KEY ||
                            at->end - at->value > MOSS_MAX_VALUE))
        return SQLITE_TOOBIG;
    return rc;
}

int
entries_encode(struct entries *e, const struct schema *s,
               const struct datum *columns, struct moss_slice key)
{
    int rc = SQLITE_OK;

    e->bytes.n = 0;
    for (int i = 0; rc == SQLITE_OK && i < s->n_indexes; i++)
        rc = encode_entry(e, s, i, columns, key);
    return rc;
}

/* ---------------------------------------------------------------- images */

static int
damaged(struct vtab *v)
{
    return error_report(&v->table, SQLITE_CORRUPT,
                        "moss: %s: the stored bytes are not a typed row (is "
                        "the collection raw, or of other columns?)",
                        v->table.name);
}

/* Keep the bytes of a datum that lie in the reader's scratch. */
static int
keep_part(struct bytes *parts, struct datum *d)
{
    size_t at = parts->n;
    int rc = bytes_append(parts, d->bytes.bytes, d->bytes.len);

    if (rc == SQLITE_OK && d->bytes.len > 0)
        d->bytes.bytes = parts->p + at;
    return rc;
}

static int
take_apart(struct image *image, struct vtab *v)
{
    const struct schema *s = &v->schema;
    struct moss_slice key = moss_slice(image->key.p, image->key.n);
    struct reader r = { 0 };
    int rc = reader_begin(&r, s, NULL);

    reader_set(&r, key, image->held.bytes);
    /* Parts are no longer than the key; so what is kept does not move. */
    if (rc == SQLITE_OK)
        rc = bytes_reserve(&image->parts, key.len);
    for (int i = 0; rc == SQLITE_OK && i < s->n; i++) {
        rc = reader_column(&r, i, &image->columns[i]);
        if (rc == SQLITE_OK && s->columns[i].stored < 0)
            rc = keep_part(&image->parts, &image->columns[i]);
    }
    reader_release(&r);
    if (rc == SQLITE_OK)
        rc = entries_encode(&image->entries, s, image->columns, key);
    return rc == SQLITE_CORRUPT ? damaged(v) : rc;
}

/* Room for a row with this key; what is there is used again. */
static int
image_begin(struct image *image, const struct vtab *v, struct moss_slice key)
{
    size_t n = (size_t)v->schema.n * sizeof(*image->columns);
    int rc = SQLITE_OK;

    image->key.n = image->parts.n = 0;
    if (image->columns == NULL) {
        image->columns = sqlite3_malloc64(n);
        rc = entries_begin(&image->entries, &v->schema);
    }
    if (rc != SQLITE_OK || image->columns == NULL)
        return SQLITE_NOMEM;
    return bytes_append(&image->key, key.bytes, key.len);
}

int
image_of(struct image *image, struct vtab *v, struct moss_slice key,
         struct moss_slice value)
{
    int rc = image_begin(image, v, key);

    image->held.bytes = value;
    return rc == SQLITE_OK ? take_apart(image, v) : rc;
}

int
image_read(struct image *image, struct vtab *v, struct moss_slice key)
{
    int rc = image_begin(image, v, key);

    if (rc == SQLITE_OK)
        rc = table_get(&v->table, key, &image->held);
    return rc == SQLITE_OK ? take_apart(image, v) : rc;
}

void
image_release(struct image *image)
{
    moss_value_release(&image->held);
    memset(&image->held, 0, sizeof(image->held));
    bytes_release(&image->key);
    bytes_release(&image->parts);
    sqlite3_free(image->columns);
    image->columns = NULL;
    entries_release(&image->entries);
}

/* --------------------------------------------------------------- changes */

int
entries_find(struct vtab *v, int i, const struct entries *e,
             struct bytes *row_key)
{
    const struct index *ix = &v->schema.indexes[i];
    struct moss_slice key = entry_key(e, i), found;
    struct moss_value value = { 0 };
    struct reader r = { 0 };
    int rc = table_index_get(&v->table, i, key, &value);

    if (rc != SQLITE_OK)
        return rc;
    rc = reader_begin(&r, &v->schema, ix);
    reader_set(&r, key, value.bytes);
    if (rc == SQLITE_OK)
        rc = reader_row_key(&r, &found);
    if (rc == SQLITE_OK)
        rc = bytes_append(row_key, found.bytes, found.len);
    if (rc == SQLITE_CORRUPT)
        rc = error_report(&v->table, rc,
                          "moss: %s: the stored bytes are not an entry of"
                          " index %s",
                          v->table.name, ix->name);
    reader_release(&r);
    moss_value_release(&value);
    return rc;
}

int
image_delete(struct vtab *v, const struct image *old)
{
    int rc = table_delete(&v->table, moss_slice(old->key.p, old->key.n));

    for (int i = 0; rc == SQLITE_OK && i < v->schema.n_indexes; i++)
        rc = table_index_delete(&v->table, i, entry_key(&old->entries, i));
    return rc;
}

static bool
is_equal(struct moss_slice a, struct moss_slice b)
{
    return a.len == b.len &&
           (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}

int
entries_put(struct vtab *v, const struct image *old, const struct entries *new)
{
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i < v->schema.n_indexes; i++) {
        struct moss_slice key = entry_key(new, i), value = entry_value(new, i);
        bool same_key =
            old != NULL && is_equal(entry_key(&old->entries, i), key);

        if (same_key && is_equal(entry_value(&old->entries, i), value))
            continue;
        if (old != NULL && !same_key)
            rc = table_index_delete(&v->table, i, entry_key(&old->entries, i));
        if (rc == SQLITE_OK)
            rc = table_index_set(&v->table, i, key, value);
    }
    return rc;
}
