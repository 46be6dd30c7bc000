/*
 * Reading rows and index entries.  Both are parts in key bytes and columns in
 * a record; where the last column ended in the record is remembered, so that
 * reading the columns in order takes one pass.
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

    r->schema = schema;
    r->index = index;
    r->next = -1;
    r->notes.n = 0;
    return bytes_reserve(&r->notes, n);
}

void
reader_release(struct reader *r)
{
    bytes_release(&r->notes);
    bytes_release(&r->scratch);
}

size_t
reader_memory(const struct reader *r)
{
    return r->notes.cap + r->scratch.cap;
}

/* Find where the row of an entry is said to be. */
static bool
begin_entry(struct reader *r)
{
    const struct index *ix = r->index;
    struct moss_slice rest = r->key;
    struct datum d;
    bool good = true;

    for (int i = 0; good && i < ix->n_own; i++)
        good = key_skip(&rest, &ix->parts[i]);
    r->rest = moss_slice(NULL, 0);
    if (good && r->value.len > 0)
        good = row_notes(r->value, r->notes.p, (size_t)ix->n, &r->rest);
    else
        memset(r->notes.p, KEY_NOTE_NONE, (size_t)ix->n);
    if (!good)
        return false;
    r->row_key = rest;
    if (rest.len > 0)
        return true;
    good = ix->unique && row_take(&r->rest, &d) && d.type == SQLITE_BLOB &&
           d.bytes.len > 0;
    if (good)
        r->row_key = d.bytes;
    return good;
}

static int
begin(struct reader *r)
{
    bool good;

    if (r->index != NULL) {
        good = begin_entry(r);
    } else {
        r->row_key = r->key;
        good =
            row_notes(r->value, r->notes.p, (size_t)r->schema->n_key, &r->rest);
    }
    r->next = good ? 0 : -1;
    return good ? SQLITE_OK : SQLITE_CORRUPT;
}

int
reader_row_key(struct reader *r, struct moss_slice *out)
{
    int rc = r->next < 0 ? begin(r) : SQLITE_OK;

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
    int rc = r->next < 0 ? begin(r) : SQLITE_OK;

    if (rc == SQLITE_OK && part >= own)
        return read_key_part(r, part - own, r->notes.p + own, out);
    for (int i = 0; rc == SQLITE_OK && i <= part; i++)
        rc = key_decode(&in, r->notes.p[i], &r->index->parts[i], false,
                        &r->scratch, out);
    return rc;
}

/* The value of a column that is number stored of the record. */
static int
read_stored(struct reader *r, const struct column *column, int stored,
            struct datum *out)
{
    int rc = r->next < 0 || r->next > stored ? begin(r) : SQLITE_OK;

    while (rc == SQLITE_OK && r->next <= stored) {
        /* What ends early lacks this one and all before that are left. */
        bool last = r->next == stored || r->rest.len == 0;

        if (last && r->index == NULL)
            rc = row_column(&r->rest, column, out);
        else if (!row_take(&r->rest, out))
            rc = SQLITE_CORRUPT;
        r->next++;
    }
    if (rc != SQLITE_OK)
        r->next = -1;
    return rc;
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
