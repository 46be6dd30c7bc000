/*
 * The reference of the state machine: trees of collections over a fixed,
 * sorted table of keys, so that a key is its place in the table.  A tree is
 * immutable and shares with others what it has in common with them: keeping
 * all states of a long run costs little.  One thread.  Aborts without memory.
 */
#ifndef MOSS_TESTS_SUPPORT_KEY_MODEL_H
#define MOSS_TESTS_SUPPORT_KEY_MODEL_H

#include "moss.h"

/* A value, shared by reference. */
struct blob {
    size_t refs;
    size_t len;
    uint8_t bytes[];
};
struct blob *blob_new(const void *bytes, size_t len);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b); /* NULL is fine */
struct moss_slice blob_slice(const struct blob *b);

/* The keys, ascending, and the names that children may have, ascending. */
enum { KEY_NAMES = 4, KEY_DEPTH = 3 };
struct key_table {
    size_t n;
    struct blob **keys;
    struct moss_slice names[KEY_NAMES];
};
/* The place of the first key >= key; n if there is none. */
size_t key_table_find(const struct key_table *t, struct moss_slice key);

/* A collection at one instant. */
struct key_model {
    size_t refs;
    struct key_model *children[KEY_NAMES]; /* NULL: absent */
    size_t n;
    struct blob *values[]; /* by the key's place; NULL: absent */
};
struct key_model *key_model_new(size_t n_keys);
struct key_model *key_model_ref(struct key_model *m);
void key_model_unref(struct key_model *m); /* NULL is fine */

enum change_kind {
    CHANGE_SET,
    CHANGE_DEL,
    CHANGE_MERGE,
    CHANGE_CHILD,     /* there is such a child */
    CHANGE_DEL_CHILD, /* there is none */
    CHANGE_CLEAR,     /* no entries; the children stay */
    CHANGE_RENAME,    /* the child name becomes to */
};

/* One change of a batch, to the collection path[0] / ... / path[depth - 1]. */
struct change {
    enum change_kind kind;
    uint8_t depth;
    uint8_t path[KEY_DEPTH];
    uint8_t name, to;   /* of the child concerned */
    size_t key;         /* its place */
    struct blob *value; /* or operand; one reference; NULL */
};

/* How an operand and the value before it, or NULL, become a value. */
typedef struct blob *(*key_merge)(const struct blob *old,
                                  const struct blob *operand);
struct blob *
key_merge_append(const struct blob *old, const struct blob *operand);
struct blob *key_merge_add(const struct blob *old, const struct blob *operand);

/*
 * What m is after the changes, in order; one reference.  m stays.  A rename
 * without a child does nothing, and takes the place of a child that has the
 * name; then *refused is set, which may be NULL.
 */
struct key_model *
key_model_apply(struct key_model *m, const struct change *changes, size_t n,
                key_merge merge, bool *refused);

#endif
