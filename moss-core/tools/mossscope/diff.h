/* What differs between two commit points. */
#ifndef MOSSSCOPE_DIFF_H
#define MOSSSCOPE_DIFF_H

#include "entry_out.h"

/*
 * Print what became of snap from older on; either may be NULL for "not
 * there".  As text "-" or "+" stands before an entry that went or came; JSON
 * has "old" and "new" with the value's fields.
 */
enum scope_exit diff_snapshots(struct entry_out *o, struct moss_snapshot *older,
                               struct moss_snapshot *snap, struct path *path);

#endif
