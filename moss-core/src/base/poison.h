/* Tells the address sanitizer, if there is one, what memory is in use. */
#ifndef MOSS_BASE_POISON_H
#define MOSS_BASE_POISON_H

#if defined(__SANITIZE_ADDRESS__)
#define MOSS_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MOSS_POISONS 1
#endif
#endif
#if defined(MOSS_POISONS)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#endif
