/*
 * The reference for collections with children: a tree of models that takes
 * the same words as batch_add().  Aborts without memory.
 */
#ifndef MOSS_TESTS_SUPPORT_MODEL_TREE_H
#define MOSS_TESTS_SUPPORT_MODEL_TREE_H

#include "support/fixture.h"

struct model_tree;

struct model_tree *model_tree_new(void);
void model_tree_free(struct model_tree *t); /* NULL is fine */

/* Apply the words of a batch; operands are appended (merge_append). */
void model_tree_apply(struct model_tree *t, const char *text);
/*
 * The same for words that may rename what cannot be renamed: MOSS_NOT_FOUND or
 * MOSS_EXISTS, and nothing has happened.  In a collection that the words
 * delete later, it does not matter.
 */
enum moss_status model_tree_try(struct model_tree *t, const char *text);
/* As dump_tree() writes it; to be freed. */
char *model_tree_dump(const struct model_tree *t);

/*
 * Random words of a batch, to be freed: few keys and names, so that they
 * meet; children up to three levels deep.
 */
char *random_words(struct rng *rng);
/* The same, with children renamed and collections cleared, too. */
char *random_tree_words(struct rng *rng);

#endif
