/*
 * The reference that random tests compare with: a map as a sorted array,
 * simple enough to be right by sight.  Keys and values are copied.  Aborts
 * without memory.
 */
#ifndef MOSS_TESTS_SUPPORT_MODEL_H
#define MOSS_TESTS_SUPPORT_MODEL_H

#include "moss.h"

struct model;

struct model *model_new(void);
struct model *model_clone(const struct model *m);
void model_free(struct model *m); /* NULL is fine */

void model_set(struct model *m, struct moss_slice key, struct moss_slice value);
void model_del(struct model *m, struct moss_slice key); /* absent is fine */
/* Put operand behind the value, as the operator merge_append does. */
void
model_append(struct model *m, struct moss_slice key, struct moss_slice operand);
void model_clear(struct model *m);

size_t model_count(const struct model *m);
/* The i-th entry, i < count; the slices are valid until m is changed. */
void model_at(const struct model *m, size_t i, struct moss_slice *key,
              struct moss_slice *value);
/* False if there is no such key. */
bool model_get(const struct model *m, struct moss_slice key,
               struct moss_slice *value);
/* The index of the first key >= key; model_count() if there is none. */
size_t model_find(const struct model *m, struct moss_slice key);

/* "a=1 b=2", as dump_snapshot() writes it; to be freed. */
char *model_dump(const struct model *m);

#endif
