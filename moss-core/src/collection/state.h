/*
 * The state of a collection at one instant: what is in each section, newest
 * first.  Shared, reference-counted and, but for two caches, immutable:
 * publishing and background work make a new state and swap the pointer.
 */
#ifndef MOSS_COLLECTION_STATE_H
#define MOSS_COLLECTION_STATE_H

#include <stdatomic.h>

#include "base/refs.h"
#include "collection/edit.h"
#include "collection/section.h"
#include "collection/tree.h"
#include "moss.h"

/* ------------------------------------------------------------------ */
/* Nodes of top                                                       */
/* ------------------------------------------------------------------ */

/* One published batch, or several that were merged. */
struct top_node {
    struct refs refs;
    struct top_node *older; /* one reference; NULL at the end */
    struct edit *edit;      /* owned; NULL for merged ones */
    /*
     * The edit applied to the tree below it; NULL: not found out yet, see
     * state_resolve().  Set once.
     */
    _Atomic(struct section *) section;
    struct size size;
    uint64_t seq;        /* of its newest batch */
    struct moss_tag tag; /* the newest up to and with it */
};

/* Takes over edit on success; section may be NULL, else takes a reference. */
MOSS_MUST_CHECK enum moss_status
top_node_new(struct edit *edit, struct section *section, struct size size,
             struct top_node **out);
struct top_node *top_node_ref(struct top_node *node);
void top_node_unref(struct top_node *node); /* NULL is fine */

/* Its section; it must be resolved.  Borrowed. */
struct section *top_node_section(const struct top_node *node);

/* ------------------------------------------------------------------ */
/* The lower level                                                    */
/* ------------------------------------------------------------------ */

/* The lower level as of its last update. */
struct lower_state {
    struct refs refs;
    struct tree *tree;
    struct tree_ids ids;
    struct moss_snapshot *snapshot; /* NULL: nothing is there */
    struct moss_tag tag;
    uint64_t seq;
};

/* Takes its own references; tree is what the snapshot contains. */
MOSS_MUST_CHECK enum moss_status
lower_state_new(struct tree *tree, struct lower_state **out);
void lower_state_unref(struct lower_state *lower); /* NULL is fine */

/* ------------------------------------------------------------------ */
/* States                                                             */
/* ------------------------------------------------------------------ */

/* A section as of an instant. */
struct layer {
    struct section *section; /* one reference; NULL: empty */
    uint64_t seq;            /* holds the batches up to this one */
    struct moss_tag tag;     /* the newest among them */
    uint64_t born;           /* the batch that was newest when it came in */
};

/* A flattened stack of one collection, made at its first read. */
struct flat {
    struct flat *next;
    uint64_t id;
    struct segstack *stack;
};

struct state {
    struct refs refs;
    uint64_t seq;        /* counts published batches */
    struct moss_tag tag; /* the newest tag */
    uint64_t tag_seq;    /* the batch that brought it */

    /* Oldest batch last; taken is the part the merger works on. */
    struct top_node *top, *taken;
    size_t top_nodes;
    struct size top_size, taken_size;

    struct layer mid;   /* merged */
    struct layer base;  /* being persisted */
    struct layer clean; /* persisted, kept as a cache */
    struct lower_state *lower;

    /*
     * The keys of all batches after keys_from: those of the newest, after
     * older_last, are in keys[0], the others may be in keys[1].  One reference
     * each, or NULL.
     */
    struct keyset *keys[2];
    uint64_t keys_from, older_last;
    uint64_t keys_born[2]; /* the batch that was newest when each came in */

    /* The batch that was newest when a reader last flattened a state. */
    uint64_t read_seq;
    /* The newest batch whose keys lie among those of the batch before. */
    uint64_t tangled_seq;

    _Atomic(struct flat *) flats; /* a list that only grows */
    atomic_uint n_flats;
};

/* An empty one over nothing; its lower is NULL until set. */
MOSS_MUST_CHECK enum moss_status state_new(struct state **out);
struct state *state_ref(struct state *s);
void state_unref(struct state *s); /* NULL is fine */

/*
 * Make the fresh s hold what old holds.  Allocates nothing; old stays alive
 * meanwhile, so that no reference given up in s before that is the last.
 */
void state_inherit(struct state *s, const struct state *old);
/* Put node, which takes over s's reference to top, in front.  Sets its seq. */
void state_push(struct state *s, struct top_node *node);
/* Move top to taken, which is empty. */
void state_take_top(struct state *s);
/* Replace a layer; takes over layer's reference. */
void state_set_layer(struct layer *slot, struct layer layer);

/*
 * The newest batch of s, which is being made, has its keys in that set (NULL:
 * in none).
 */
void state_note_keys(struct state *s, const struct keyset *keys);
/*
 * The lower level has got further: let the next keys go into fresh (NULL: into
 * none), if what keys[1] has is of no use any more.  Takes over fresh if so;
 * the state that s inherits from has the set that is given up.
 */
bool state_turn_keys(struct state *s, struct keyset *fresh);
/* Do the sets have all keys above the lower level? */
static inline bool
state_knows_keys(const struct state *s)
{
    return s->keys[0] != NULL && s->keys_from <= s->lower->seq;
}

/*
 * Somebody reads the newest content again and again: of the states that the
 * last batches made, one was flattened.
 */
bool state_is_read(const struct state *s);
/* The same of so many more batches that it seldom changes. */
bool state_was_read(const struct state *s);

/* Of the last batches, one had keys among those of the batch before. */
bool state_is_tangled(const struct state *s);

/* The batch up to which everything is in mid or below it. */
uint64_t state_merged_seq(const struct state *s);
/* Published and not persisted. */
struct size state_dirty(const struct state *s);

/* Find out the sections of all nodes of top and taken.  Any thread. */
MOSS_MUST_CHECK enum moss_status state_resolve(struct state *s);
/* The collections that exist; NULL if top is not resolved.  Borrowed. */
struct tree *state_tree(const struct state *s);

/*
 * The segments of collection id, flat, the lower level's snapshot of that
 * collection included: its segments if it is of this library.  s is
 * resolved; one reference.  Cached in s.
 */
MOSS_MUST_CHECK enum moss_status
state_stack(struct state *s, uint64_t id, struct moss_snapshot *lower,
            struct segstack **out);

/*
 * The same from some point downwards, not cached: nodes from top and taken
 * (NULL: none), the first n_mid segments of mid, then everything below.
 */
struct stack_start {
    const struct top_node *top, *taken;
    const struct segstack *mid; /* NULL: none */
    size_t n_mid;
};
MOSS_MUST_CHECK enum moss_status
state_stack_below(const struct state *s, uint64_t id,
                  const struct stack_start *start, struct moss_snapshot *lower,
                  struct segstack **out);

/*
 * Collection id in the lower level; *out is NULL if it is not there.  One
 * reference.  MOSS_CORRUPT if the lower level has lost it.
 */
MOSS_MUST_CHECK enum moss_status
state_find_lower(const struct state *s, uint64_t id,
                 struct moss_snapshot **out);
bool state_lower_has(const struct state *s, uint64_t id);

#endif
