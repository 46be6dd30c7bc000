/*
 * Contents as one line of text, and batches from one: tests compare and make
 * them as a whole.  Bytes are written as text_of() writes them.
 */
#ifndef MOSS_TESTS_SUPPORT_DUMP_H
#define MOSS_TESTS_SUPPORT_DUMP_H

#include "moss.h"

/*
 * "a=1 b=2", "" if empty, in the order of keys; to be freed.  Children are
 * left out.
 */
char *dump_snapshot(struct moss_snapshot *snap);
/* The same read backwards: "b=2 a=1". */
char *dump_backwards(struct moss_snapshot *snap);
/*
 * With the children behind the entries, sorted: "a=1 kid{b=2 grandkid{}}".
 */
char *dump_tree(struct moss_snapshot *snap);

/* Fail the test unless the snapshot reads as text, as the above write it. */
void assert_snapshot(struct moss_snapshot *snap, const char *text);
void assert_tree(struct moss_snapshot *snap, const char *text);
/* The same for the newest state of a collection (dump_tree). */
void assert_collection(struct moss_collection *c, const char *text);

/*
 * Add changes to a batch, words of one of these forms with spaces between:
 *
 *     key=value      set
 *     -key           delete
 *     key+operand    merge
 *     name{ ... }    changes of a child collection ("name{ }" only makes it)
 *     !name          delete a child collection
 *     name>other     rename a child collection
 *     *              clear the collection
 */
void batch_add(struct moss_batch *batch, const char *text);
/* The same; gives the first failure of a rename, after which it goes on. */
enum moss_status batch_try(struct moss_batch *batch, const char *text);
/* A new batch with these changes; free it with moss_batch_free(). */
struct moss_batch *batch_of(const char *text);

#endif
