/*
 * An allocator under the library that counts, and fails when asked to.  Safe
 * for several threads.  One at a time.
 */
#ifndef MOSS_TESTS_SUPPORT_FAIL_ALLOC_H
#define MOSS_TESTS_SUPPORT_FAIL_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Count from here on, from zero and with no failure asked for.  Threads of the
 * library that run then are counted, too: what they free was not counted when
 * it was made.
 */
void fail_alloc_install(void);
/* Count and fail no more.  Blocks made meanwhile may be freed later, too. */
void fail_alloc_remove(void);
/* Put it under the library again after moss_set_allocator(). */
void fail_alloc_put(void);

/* Let the n-th allocation from now (n >= 1) fail, that one only; 0: none. */
void fail_alloc_nth(uint64_t n);
/* Let it and every later one fail, until fail_alloc_nth(0). */
void fail_alloc_from(uint64_t n);
/* Has one failed since the last call of one of the above? */
bool fail_alloc_tripped(void);

/* Allocations since install: calls of alloc and realloc. */
uint64_t fail_alloc_count(void);
/* Blocks allocated since install and not freed, once the reaper is idle. */
int64_t fail_alloc_live(void);

#endif
