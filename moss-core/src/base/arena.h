/*
 * Memory for large segments: a process-wide, bounded pool of reused blocks,
 * aligned to 2 MiB so that the kernel can back them with huge pages.  First
 * touch of fresh memory is the dearest thing on the write path; recycled
 * memory costs a tenth of it.
 */
#ifndef MOSS_BASE_ARENA_H
#define MOSS_BASE_ARENA_H

#include <stddef.h>

/* Below this size arena_alloc() takes ordinary memory. */
#define ARENA_MIN ((size_t)1 << 20)

/* At least n bytes aligned to 64, not zeroed, or NULL. */
void *arena_alloc(size_t n);
/* n as it was given to arena_alloc(); NULL is fine. */
void arena_free(void *p, size_t n);
/* Give every idle block back to the system. */
void arena_trim(void);

#endif
