/* The row that a statement has looked up to change it. */
#ifndef MOSS_EXT_FOUND_H
#define MOSS_EXT_FOUND_H

#include "vtab.h"

/* version: what table_version() said when the cursor was opened. */
void found_note(struct vtab *v, struct moss_slice key, struct moss_slice value,
                uint64_t version);
/*
 * The row under key if the statement under way has looked it up, and nothing
 * has changed since: *value lasts until the next xFilter.
 */
bool found_row(const struct vtab *v, struct moss_slice key,
               struct moss_slice *value);
void found_release(struct vtab *v);

#endif
