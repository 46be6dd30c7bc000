/*
 * The row that a statement has looked up to change it.  Its cursor is closed
 * when xUpdate is called, and only the key is given; so the last row is copied,
 * with the number of changes that the cursor saw.  As long as there are no
 * more, it is the row of now.  Not of a cursor that was opened before the
 * transaction: that of a guest, whose database becomes the home meanwhile.
 */
#include "found.h"

#include <string.h>

/* A row that is longer than this is looked up again. */
#define FOUND_BYTES 4096

void
found_note(struct vtab *v, struct moss_slice key, struct moss_slice value,
           uint64_t version)
{
    struct found *f = &v->found;

    f->known = false;
    if (version == 0 || value.len > FOUND_BYTES)
        return;
    f->key.n = f->value.n = 0;
    f->version = version;
    /* Without memory it is looked up again, too. */
    f->known = bytes_append(&f->key, key.bytes, key.len) == SQLITE_OK &&
               bytes_append(&f->value, value.bytes, value.len) == SQLITE_OK;
}

bool
found_row(const struct vtab *v, struct moss_slice key, struct moss_slice *value)
{
    const struct found *f = &v->found;

    *value = moss_slice(f->value.p, f->value.n);
    return f->known && f->version == table_version(&v->table) &&
           f->key.n == key.len &&
           (key.len == 0 || memcmp(f->key.p, key.bytes, key.len) == 0);
}

void
found_release(struct vtab *v)
{
    bytes_release(&v->found.key);
    bytes_release(&v->found.value);
}
