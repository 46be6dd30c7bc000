/* Opening a store for reading, its commit points, its collections. */
#ifndef MOSSSCOPE_VIEW_H
#define MOSSSCOPE_VIEW_H

#include "store/commit.h"
#include "text.h"

/* The store that the command line names. */
struct view {
    struct moss_store *store;
    struct commit *newest; /* one reference */
};

/* SCOPE_OK, or complained. */
enum scope_exit view_open(const struct args *a, struct view *v);
void view_close(struct view *v);

/*
 * Put the commit point before *c in its place, NULL where history ends, also
 * in damage, of which it complains: then SCOPE_PROBLEMS or SCOPE_FAILED.
 */
enum scope_exit view_step(const struct view *v, struct commit **c);

/* Load the n-th commit point before the newest; complains. */
enum scope_exit
view_commit_at(const struct view *v, uint64_t n, struct commit **out);

/*
 * The collection that --child names in a snapshot of c, and its path, whose
 * names lie in *names.  Complains.
 */
enum scope_exit
view_child(const struct args *a, struct commit *c, struct moss_snapshot **out,
           struct path *path, struct buf *names);

/* Call visit for snap, at path, and all below it, parents first. */
typedef enum scope_exit (*view_visit)(void *arg, struct moss_snapshot *snap,
                                      const struct path *path);
enum scope_exit view_walk(struct moss_snapshot *snap, struct path *path,
                          view_visit visit, void *arg);

/* Does whoever owns the store's database allow changes?  Complains. */
enum scope_exit view_may_change(const struct args *a, struct moss_store *store);

/* ------------------------------------------------------------------ */
/* Merge operands                                                     */
/* ------------------------------------------------------------------ */

/*
 * The operator that --merge names: NULL without --merge.  SCOPE_OK, or
 * complained.
 */
enum scope_exit
operator_named(const struct args *a, const struct moss_merge_operator **out);

/*
 * For reading where no operator is named: its values are lists of the
 * operands, which operands_open() opens.  Never for writing.
 */
extern const struct moss_merge_operator operator_collect;

/*
 * For writing where no operator is named: it combines nothing, and what cannot
 * be combined is stored as it is.
 */
extern const struct moss_merge_operator operator_refuse;

/* A value that is a list: with what lies below, and operands. */
struct operand_list {
    bool has_base;
    struct moss_slice base;
    struct moss_slice rest; /* see operands_next() */
};

/* False if value is an ordinary one. */
bool operands_open(struct moss_slice value, struct operand_list *list);
/* The next operand, oldest first; false at the end. */
bool operands_next(struct operand_list *list, struct moss_slice *operand);

#endif
