/* The uncommitted changes of one connection to one store. */
#ifndef MOSS_EXT_PENDING_H
#define MOSS_EXT_PENDING_H

#include "ext.h"
#include "sight.h"

struct pending;

int pending_new(struct pending **out);
/* All changes as one batch, owned by p; children by path. */
struct moss_batch *pending_batch(struct pending *p);
void pending_free(struct pending *p);

/* Changes to one collection. */
struct pending_table;
/*
 * Made at first mention.  listed is the collection that the catalog lists:
 * this one, or for an index that of its table.
 */
int pending_open(struct pending *p, const char *collection, const char *listed,
                 struct pending_table **out);
/* NULL if the collection was never mentioned. */
struct pending_table *pending_find(struct pending *p, const char *collection);

/*
 * Free what finds changes by key, a tenth of the memory: it is made again when
 * it is next needed.
 */
void pending_drop_index(struct pending *p);
/*
 * The newest change of key: true with *op and *value (valid until the next
 * change), false if there is none.
 */
bool pending_get(struct pending_table *t, struct moss_slice key,
                 enum moss_op *op, struct moss_slice *value);
int pending_set(struct pending_table *t, struct moss_slice key,
                struct moss_slice value);
int pending_del(struct pending_table *t, struct moss_slice key);
/*
 * Empty the collection: all that is in it, and its changes so far, are void,
 * until a rollback.
 */
int
pending_clear(struct pending_table *t, const struct moss_merge_operator *merge);
bool pending_cleared(const struct pending_table *t);
/* The changes before this one are void. */
size_t pending_from(const struct pending_table *t);
/* Does the table's part of pending_batch() say just what is to be done? */
bool pending_batch_is_right(const struct pending_table *t);
int pending_merge(struct pending_table *t, struct moss_slice key,
                  struct moss_slice operand);
/*
 * The greatest key of the table, changes included, if it is known: from
 * pending_note_last() on, as long as it can be followed.  The bytes last until
 * the next change.
 */
bool pending_last(const struct pending_table *t, struct moss_slice *key);
void pending_note_last(struct pending_table *t, struct moss_slice key);
/* The collection is made by this transaction: it begins empty. */
void pending_mark_created(struct pending_table *t);
bool pending_created(const struct pending_table *t);
/*
 * What the collection was before the transaction, once that is noted; borrowed.
 * It is the same snapshot for the life of p.
 */
struct moss_snapshot *pending_base(const struct pending_table *t);
void pending_note_base(struct pending_table *t, struct moss_snapshot *base);
/*
 * base with the changes so far laid over; one reference in *out.  base must
 * be the same snapshot for the life of p.
 */
int pending_overlay(struct pending_table *t, struct moss_snapshot *base,
                    struct moss_snapshot **out);

/* The same, not laid over before that is needed. */
void pending_sight(struct pending_table *t, struct moss_snapshot *base,
                   struct sight *out);

/* Savepoints, by SQLite's index. */
int pending_savepoint(struct pending *p, int index);
void pending_release(struct pending *p, int index);
void pending_rollback_to(struct pending *p, int index);
/*
 * What comes until the end is done as a whole, or undone: a savepoint within
 * all of SQLite's, none of which may come or go meanwhile.  *outer is for the
 * end.
 */
int pending_step_begin(struct pending *p, int *outer);
void pending_step_end(struct pending *p, int outer, bool undo);
/*
 * Inside a statement with a savepoint of its own: are there changes that a
 * ROLLBACK TO of the user could bring back?
 */
bool pending_is_kept(const struct pending *p);

/* About the bytes of a payload with all changes in it, or a table's. */
uint64_t pending_bytes(const struct pending *p);
uint64_t pending_table_bytes(const struct pending_table *t);
/* Counts up with every change, rollbacks included. */
uint64_t pending_version(const struct pending *p);

/* The tables in order of first mention, and their changes, void ones too. */
struct pending_table *pending_first(struct pending *p);
struct pending_table *pending_next(struct pending_table *t);
const char *pending_collection(const struct pending_table *t);
const char *pending_listed(const struct pending_table *t);
size_t pending_count(const struct pending_table *t);
/*
 * Find out which changes count, before pending_is_newest() is asked and as
 * long as nothing changes.
 */
int pending_settle(struct pending *p);
/*
 * Does change i count?  It is the newest of its key, or an operand that
 * nothing but operands came after.
 */
bool pending_is_newest(struct pending_table *t, size_t i);
const struct moss_batch *pending_changes(const struct pending_table *t);

#endif
