/* Segments and stacks of them for tests. */
#ifndef MOSS_TESTS_SUPPORT_SEGMENTS_H
#define MOSS_TESTS_SUPPORT_SEGMENTS_H

#include "segment/segment.h"
#include "stack/segstack.h"
#include "support/fixture.h"
#include "support/model.h"

/* One segment of the words of batch_of().  Each key once or combinable. */
struct segment *
segment_of(const char *text, const struct moss_merge_operator *merge);
/* "a=1 -b c+2", all entries with their operations; to be freed. */
char *segment_text(const struct segment *seg);

/*
 * The same entries in memory of its own and not trusted, as if it was mapped
 * from a file; the bytes are in a random order.  Counts what is verified.
 */
struct segment *mapped_of(const struct segment *seg, struct rng *rng);
/* A mapped segment of any n entry words and bytes, which are copied. */
struct segment *
mapped_new(const uint64_t *kvs, size_t n, const void *buf, size_t buf_bytes);
/* Let verify() of the n-th call (n >= 1) from now fail; 0: none. */
void mapped_fail_nth(int n);
/* Mapped segments that are not released yet. */
int mapped_live(void);

/*
 * A key of few: one of many shapes, so that keys collide, nest and share
 * prefixes.  Points to buf, which has KEY_ROOM bytes.
 */
enum { KEY_ROOM = 64 };
struct moss_slice random_key(struct rng *rng, uint8_t *buf);

/* Add a random change to batch, and to a model with merge_append. */
void random_change(struct rng *rng, struct model *m, struct moss_batch *batch);

/*
 * Lay random changes over a model with merge_append and give them as a
 * segment, which may be a mapped one.  NULL if they leave no entry.
 */
struct segment *random_layer(struct rng *rng, struct model *m, size_t changes);

/* Up to n segments at random, laid over m, as a stack over lower. */
struct segstack *random_stack(struct rng *rng, struct model *m, size_t n,
                              size_t changes, struct moss_snapshot *lower);

/* A snapshot of the stack alone, with merge_append.  Takes over stack. */
struct moss_snapshot *snapshot_of_stack(struct segstack *stack);

/* Fail unless snap reads as m says: each key, forwards and backwards. */
void assert_reads_as(struct moss_snapshot *snap, const struct model *m);

#endif
