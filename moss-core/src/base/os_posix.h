/* What base asks of the system besides the tables of moss_os.h. */
#ifndef MOSS_BASE_OS_POSIX_H
#define MOSS_BASE_OS_POSIX_H

#include <stddef.h>

/* The size of a huge page, and the alignment of os_pages_map(). */
#define OS_HUGE_PAGE ((size_t)2 << 20)

/*
 * n bytes of fresh zeroed memory, a multiple of 4096, aligned to
 * OS_HUGE_PAGE; NULL when there is none.
 */
void *os_pages_map(size_t n);
void os_pages_unmap(void *p, size_t n);

#endif
