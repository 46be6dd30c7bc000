/*
 * The allocator: checked for overflow, and with one hook underneath
 * (moss_set_allocator) so that a test can fail any allocation.
 */
#ifndef MOSS_BASE_MEM_H
#define MOSS_BASE_MEM_H

#include <stddef.h>

#include "moss_os.h"

/* NULL when out of memory.  n 0 gives a pointer that may be freed. */
void *mem_alloc(size_t n);
/* count * size bytes of zero, or NULL. */
void *mem_zalloc(size_t count, size_t size);
/* Room for count * size bytes; NULL leaves p as it was. */
void *mem_resize(void *p, size_t count, size_t size);
void *mem_dup(const void *bytes, size_t n);
/* NULL is fine. */
void mem_free(void *p);

#endif
