/*
 * A snapshot that is not of this library, as a lower level of somebody else's
 * gives one: over a model, by the public methods only.  What its iterators
 * hand out is freed when they move, and calls can be made to fail.
 */
#ifndef MOSS_TESTS_SUPPORT_FOREIGN_H
#define MOSS_TESTS_SUPPORT_FOREIGN_H

#include "moss.h"
#include "support/model.h"

/*
 * With the contents of m, which is copied, and one child named "kid" without
 * children and with the same contents.  Tag {7, 70}.  Aborts without memory.
 */
struct moss_snapshot *foreign_new(const struct model *m);

/*
 * The n-th call (n >= 1) of get, or of an iterator's method, from now on
 * gives MOSS_IO; 0: none.  For all foreign snapshots.
 */
void foreign_fail_nth(int n);
bool foreign_tripped(void);

/* Foreign snapshots and iterators that are not released yet. */
int foreign_live(void);

#endif
