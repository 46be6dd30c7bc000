/*
 * Reading rows and index entries.  Both are parts in key bytes and columns in
 * a record; where columns begin in the record is remembered, so that reading
 * them, in whatever order, takes one pass.
 *
 * An index entry has its own parts, then the key of the row; or, in a UNIQUE
 * index without a NULL among the parts, the key as first column of its record.
 */
#include "reader.h"

#include <string.h>

int
reader_begin(struct reader *r, const struct schema *schema,
             const struct index *index)
{
    size_t n = (size_t)(index == NULL ? schema->n_key : index->n);
    size_t columns = (size_t)schema->n + 1; /* and where the last one ends */

    r->schema = schema;
    r->index = index;
    r->is_begun = false;
    r->known = -1;
    r->notes.n = 0;
    if (r->room < columns) {
        size_t *grown = sqlite3_realloc64(r->columns, columns * sizeof(*grown));

        if (grown == NULL)
            return SQLITE_NOMEM;
        r->columns = grown;
        r->room = columns;
    }
    return bytes_reserve(&r->notes, n);
}

void
reader_release(struct reader *r)
{
    bytes_release(&r->notes);
    bytes_release(&r->scratch);
    sqlite3_free(r->columns);
    r->columns = NULL;
    r->room = 0;
}

size_t
reader_memory(const struct reader *r)
{
    return r->notes.cap + r->scratch.cap + r->room * sizeof(r->columns[0]);
}

/* Where the columns of an entry begin, and where its row is said to be. */
static bool
begin_entry(struct reader *r, struct moss_slice *columns)
{
    const struct index *ix = r->index;
    struct moss_slice rest = r->key;
    struct datum d;
    bool good = true;

    for (int i = 0; good && i < ix->n_own; i++)
        good = key_skip(&rest, &ix->parts[i]);
    *columns = r->value;
    if (good && r->value.len > 0)
        good = row_notes(r->value, r->notes.p, (size_t)ix->n, columns);
    else
        memset(r->notes.p, KEY_NOTE_NONE, (size_t)ix->n);
    if (!good)
        return false;
    r->row_key = rest;
    if (rest.len > 0)
        return true;
    good = ix->unique && row_take(columns, &d) && d.type == SQLITE_BLOB &&
           d.bytes.len > 0;
    if (good)
        r->row_key = d.bytes;
    return good;
}

/* Read what stands before the columns. */
static int
begin(struct reader *r)
{
    struct moss_slice columns;
    bool good;

    if (r->index != NULL) {
        good = begin_entry(r, &columns);
    } else {
        r->row_key = r->key;
        good =
            row_notes(r->value, r->notes.p, (size_t)r->schema->n_key, &columns);
    }
    if (!good)
        return SQLITE_CORRUPT;
    r->is_begun = true;
    if (r->known < 0) {
        r->columns[0] = r->value.len - columns.len;
        r->known = 0;
    }
    return SQLITE_OK;
}

int
reader_row_key(struct reader *r, struct moss_slice *out)
{
    int rc = !r->is_begun ? begin(r) : SQLITE_OK;

    *out = r->row_key;
    return rc;
}

/* The value of a part of the row's key; the first has note. */
static int
read_key_part(struct reader *r, int part, const uint8_t *notes,
              struct datum *out)
{
    const struct schema *s = r->schema;
    struct moss_slice in = r->row_key;
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i <= part; i++)
        rc = key_decode(&in, notes[i], &s->key[i], i == s->n_key - 1,
                        &r->scratch, out);
    return rc;
}

static int
read_part(struct reader *r, int part, struct datum *out)
{
    int own = r->index == NULL ? 0 : r->index->n_own;
    struct moss_slice in = r->key;
    int rc = !r->is_begun ? begin(r) : SQLITE_OK;

    if (rc == SQLITE_OK && part >= own)
        return read_key_part(r, part - own, r->notes.p + own, out);
    for (int i = 0; rc == SQLITE_OK && i <= part; i++)
        rc = key_decode(&in, r->notes.p[i], &r->index->parts[i], false,
                        &r->scratch, out);
    return rc;
}

/*
 * Where the columns from number i on are in the record; NULL if it is damaged,
 * its end if it ends before.  The notes of a row need not be read for that.
 */
static inline const uint8_t *
find_stored(struct reader *r, int i)
{
    const uint8_t *end = r->value.bytes + r->value.len, *at;

    if (r->known < 0) {
        size_t head = row_notes_length(r->value, (size_t)r->schema->n_key);

        if (r->index == NULL && head == 0)
            return NULL;
        if (r->index != NULL && begin(r) != SQLITE_OK)
            return NULL;
        if (r->index == NULL)
            r->columns[0] = head;
        r->known = 0;
    }
    if (r->known >= i)
        return r->value.bytes + r->columns[i];
    at = r->value.bytes + r->columns[r->known];
    while (r->known < i && at != end) {
        at = row_skip(at, end);
        if (at == NULL)
            return NULL;
        r->columns[++r->known] = (size_t)(at - r->value.bytes);
    }
    return at;
}

/* Column i is known, and what follows it begins at at. */
static inline void
note_end(struct reader *r, int i, const uint8_t *at)
{
    if (r->known == i)
        r->columns[++r->known] = (size_t)(at - r->value.bytes);
}

/* The value of a column that is number stored of the record. */
static int
read_stored(struct reader *r, const struct column *column, int stored,
            struct datum *out)
{
    const uint8_t *at = find_stored(r, stored);
    struct moss_slice rest;

    if (at == NULL)
        return SQLITE_CORRUPT;
    rest = moss_slice(at, r->value.len - (size_t)(at - r->value.bytes));
    /* What ends early lacks this one and all before that are left. */
    if (rest.len == 0 && r->index == NULL)
        return row_column(&rest, column, out);
    if (!row_take(&rest, out))
        return SQLITE_CORRUPT;
    note_end(r, stored, rest.bytes);
    return SQLITE_OK;
}

int
reader_result(struct reader *r, const struct column *column,
              sqlite3_context *ctx)
{
    const uint8_t *at = find_stored(r, column->stored);
    const uint8_t *end = r->value.bytes + r->value.len;
    struct datum d;
    int rc;

    if (at == end) {
        rc = read_stored(r, column, column->stored, &d);
        if (rc == SQLITE_OK)
            datum_result(ctx, &d);
        return rc;
    }
    if (at != NULL)
        at = row_result(at, end, ctx);
    if (at == NULL)
        return SQLITE_CORRUPT;
    note_end(r, column->stored, at);
    return SQLITE_OK;
}

static struct place
place_of(const struct reader *r, int column)
{
    const struct column *c = &r->schema->columns[column];
    struct place in_row = { c->stored < 0 ? c->part : -1, c->stored };

    return r->index == NULL ? in_row : r->index->places[column];
}

bool
reader_has(const struct reader *r, int column)
{
    struct place place = place_of(r, column);

    return place.part >= 0 || place.stored >= 0;
}

int
reader_column(struct reader *r, int column, struct datum *out)
{
    struct place place = place_of(r, column);

    return place.stored >= 0
               ? read_stored(r, &r->schema->columns[column], place.stored, out)
               : read_part(r, place.part, out);
}

int
reader_rowid(struct reader *r, struct datum *out)
{
    int rc = read_part(r, r->index == NULL ? 0 : r->index->n_own, out);

    return rc == SQLITE_OK && out->type != SQLITE_INTEGER ? SQLITE_CORRUPT : rc;
}
