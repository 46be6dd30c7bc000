/* Sorting the entries of a batch by key. */
#ifndef MOSS_SEGMENT_SEGMENT_SORT_H
#define MOSS_SEGMENT_SEGMENT_SORT_H

#include <stddef.h>
#include <stdint.h>

/* Stands for an entry while it is being sorted. */
struct sort_item {
    uint64_t prefix; /* bytes of the key, as load_prefix() gives them */
    size_t index;    /* of the entry */
};

/*
 * Sort items by key; equal keys stay in the order they were in.  Every key
 * shares its first skip bytes with the others, and prefix holds the 8 bytes
 * behind these.  Afterwards prefix means nothing.  tmp has room for n more.
 */
void segment_sort(struct sort_item *items, struct sort_item *tmp, size_t n,
                  const uint64_t *kvs, const uint8_t *buf, size_t skip);

#endif
