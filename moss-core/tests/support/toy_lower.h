/*
 * A lower level that is not of this library: a tree of models.  It outlives
 * the collections over it, as a disk does, and its updates can be held up and
 * made to fail.  Safe for several threads.
 */
#ifndef MOSS_TESTS_SUPPORT_TOY_LOWER_H
#define MOSS_TESTS_SUPPORT_TOY_LOWER_H

#include "moss.h"

struct toy;

/* Empty; merge may be NULL and is borrowed.  Aborts without memory. */
struct toy *toy_new(const struct moss_merge_operator *merge);
/* After the collection and all snapshots are gone. */
void toy_free(struct toy *t);

/* A lower level that begins with what t holds; for one collection at a time. */
struct moss_lower *toy_lower(struct toy *t);
/* What t holds now; one reference. */
struct moss_snapshot *toy_snapshot(struct toy *t);

/* The next n updates fail with status, changing nothing. */
void toy_fail_next(struct toy *t, unsigned n, enum moss_status status);

/* Updates wait before they do anything, until toy_let_go(). */
void toy_hold(struct toy *t);
void toy_let_go(struct toy *t);
/* Return when an update waits. */
void toy_wait_held(struct toy *t);

/* Calls of update and of close so far. */
unsigned toy_updates(struct toy *t);
unsigned toy_closes(struct toy *t);
/* Collections in memory, of what it holds and of older snapshots. */
unsigned toy_nodes(struct toy *t);
/* When the i-th update began, by sync_now_ns(); i < 64. */
uint64_t toy_update_ns(struct toy *t, unsigned i);

/* All iterators' n-th move from now fails with MOSS_IO, and later ones. */
void toy_fail_moves_from(struct toy *t, unsigned n);

#endif
