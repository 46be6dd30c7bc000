/*
 * Memory for much that is small and goes soon: pieces of large blocks, each of
 * which is given back as a whole, when its last piece is freed.  So it lies in
 * huge pages, of which it touches few.
 */
#ifndef MOSS_BASE_SHELF_H
#define MOSS_BASE_SHELF_H

#include <stddef.h>

/* Larger pieces would leave too much of a block unused. */
#define SHELF_MAX ((size_t)512 << 10)

/* n <= SHELF_MAX bytes aligned to 64, not zeroed, or NULL. */
void *shelf_alloc(size_t n);
/* n as it was given to shelf_alloc(); NULL is fine. */
void shelf_free(void *p, size_t n);

#endif
