/*
 * Prepare and publish.
 *
 * Prepare does all that can fail or wait: it sorts the batch into an edit,
 * waits for room, starts the threads, allocates the node for top and the
 * state that publishing will swap in.  It also applies the edit to the tree
 * of the moment.  If that is still the newest tree when the batch is
 * published, the node is resolved already; otherwise it is resolved by
 * whoever reads it first (state.c).  So publish allocates nothing, prepared
 * batches hold no lock and do not depend on each other, and any order of
 * publishing them is right: the later publish wins.
 *
 * Admission.  What is published and not persisted, plus what is prepared,
 * stays within the bounds.  A writer waits only while something published is
 * on its way to the lower level, so that a caller's own prepared batches can
 * never be what it waits for.
 */
#include "collection/collection.h"

#include <assert.h>

#include "base/mem.h"
#include "segment/batch.h"

struct moss_prepared {
    struct moss_collection *c;
    struct top_node *node; /* NULL: the batch changes nothing */
    struct state *state;   /* fresh, to be filled in */
    struct tree *tree;     /* that node's section is for; one reference */
    struct keyset *keys;   /* has its keys; one reference; NULL: none has */
    struct moss_tag tag;
    bool reserved, counted;
    bool deferred;   /* whoever reads or merges it first sorts it */
    bool is_tangled; /* its keys lie among those of the batch before */
    uint64_t given_ops, given_bytes; /* of the batch, as it was given */
    uint64_t prepare_ns;             /* how long that took */
};

static bool
has_tag(struct moss_tag tag)
{
    const struct moss_tag none = { 0, 0 };

    return !moss_tag_equal(tag, none);
}

/* ------------------------------------------------------------------ */
/* Admission                                                          */
/* ------------------------------------------------------------------ */

static bool
exceeds(const struct moss_collection *c, struct size size)
{
    return size.bytes > c->opts.max_dirty_bytes ||
           size.ops > c->opts.max_dirty_ops;
}

/* alone: the batch is above a bound by itself. */
static bool
has_room_locked(struct moss_collection *c, struct size size, bool alone)
    REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    if (collection_is_clean_locked(c))
        return true;
    if (!alone && c->waiting_alone > 0)
        return false; /* small batches must not starve a large one */
    return !exceeds(
        c, size_add(size_add(state_dirty(c->state), c->reserved), size));
}

/*
 * What keeps a bound exceeded, if anything does.  Of the merger, only what
 * failed after so many attempts: an older failure may be over.
 */
static enum moss_status
failure_locked(struct moss_collection *c, uint64_t merges) REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    if (c->persist_trouble.error.status != MOSS_OK)
        return c->persist_trouble.error.status;
    /* The persister may be waiting for a merger without memory. */
    return c->last_failed_merge > merges ? c->merge_trouble.error.status
                                         : MOSS_OK;
}

static enum moss_status
wait_for_room_locked(struct moss_collection *c, struct size size,
                     uint64_t deadline) REQUIRES(c->mu)
{
    bool alone = exceeds(c, size), in_time = true;
    uint64_t merges = c->merge_attempts;

    mutex_assert_held(&c->mu);
    if (has_room_locked(c, size, alone))
        return c->closing ? MOSS_CLOSED : MOSS_OK;
    collection_enter_locked(c);
    c->counters.writer_waits++;
    c->waiting_alone += alone;
    if (c->merge_trouble.error.status != MOSS_OK) {
        /* Let it try again now, whatever its pause. */
        c->wake_merger = true;
        condvar_signal(&c->merger_work);
    }
    while (in_time && !c->closing && failure_locked(c, merges) == MOSS_OK &&
           !has_room_locked(c, size, alone)) {
        persister_ask_locked(c, c->state->seq);
        in_time = condvar_wait_until(&c->room, &c->mu, deadline);
    }
    c->waiting_alone -= alone;
    if (alone)
        condvar_broadcast(&c->room); /* those that gave way to this one */
    c->counters.batch.waits_done++;
    collection_leave_locked(c);
    if (c->closing)
        return MOSS_CLOSED;
    if (has_room_locked(c, size, alone))
        return MOSS_OK;
    if (failure_locked(c, merges) != MOSS_OK)
        return failure_locked(c, merges);
    return MOSS_TIMEOUT;
}

static void
count_given_locked(struct moss_collection *c, struct moss_prepared *p)
    REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    c->counters.batch.begun++;
    c->counters.batch.given++;
    c->counters.batch.given_ops += p->given_ops;
    c->counters.batch.given_bytes += p->given_bytes;
    p->counted = true;
}

static enum moss_status
admit(struct moss_prepared *p, uint64_t timeout_ms)
{
    struct moss_collection *c = p->c;
    uint64_t deadline = sync_deadline_ns(timeout_ms), waits;
    enum moss_status st;

    mutex_lock(&c->mu);
    count_given_locked(c, p);
    waits = c->counters.writer_waits;
    turns_wait_locked(c, deadline);
    st = wait_for_room_locked(c, p->node->size, deadline);
    if (st == MOSS_OK) {
        c->reserved = size_add(c->reserved, p->node->size);
        p->reserved = true;
    }
    waits = c->counters.writer_waits - waits;
    mutex_unlock(&c->mu);
    if (waits > 0)
        collection_log(c, MOSS_LOG_WAITS, "a batch has waited: %s",
                       moss_status_name(st));
    return st;
}

static void
give_back_locked(struct moss_collection *c, struct moss_prepared *p)
    REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    if (!p->reserved)
        return;
    c->reserved = size_sub(c->reserved, p->node->size);
    p->reserved = false;
}

/* ------------------------------------------------------------------ */
/* Preparing                                                          */
/* ------------------------------------------------------------------ */

/* Is the range of keys of the newest segment of a that of b, in part? */
static bool
overlap(const struct segstack *a, const struct segstack *b)
{
    const struct segment *x = a->segs[a->n - 1], *y = b->segs[b->n - 1];
    struct entry x_first, x_last, y_first, y_last;

    return x->n > 0 && y->n > 0 && segment_entry(x, 0, &x_first) == MOSS_OK &&
           segment_entry(x, x->n - 1, &x_last) == MOSS_OK &&
           segment_entry(y, 0, &y_first) == MOSS_OK &&
           segment_entry(y, y->n - 1, &y_last) == MOSS_OK &&
           slice_compare(x_first.key, y_last.key) <= 0 &&
           slice_compare(y_first.key, x_last.key) <= 0;
}

/* Do keys of section, of any collection, lie among those of node? */
static bool
is_tangled(const struct section *section, const struct top_node *node)
{
    const struct section *older = NULL;

    if (node != NULL)
        older = atomic_load_explicit(&node->section, memory_order_acquire);
    for (size_t i = 0; older != NULL && i < section->n; i++) {
        const struct segstack *stack = section->items[i].stack;
        const struct segstack *below =
            section_find(older, section->items[i].id);

        if (below != NULL && stack->n > 0 && below->n > 0 &&
            overlap(stack, below))
            return true;
    }
    return false;
}

/*
 * Apply the edit to the newest tree, in the hope that it stays, and tell
 * readers, in the same hope, which keys it has.
 */
static enum moss_status
resolve_now(struct moss_prepared *p, bool from_batch)
{
    struct state *s = collection_state(p->c);
    struct section *section = NULL;
    enum moss_status st;

    st = state_resolve(s);
    if (st == MOSS_OK)
        st = edit_apply(p->node->edit, state_tree(s), true, &section);
    if (st == MOSS_OK) {
        p->is_tangled = is_tangled(section, s->top);
        p->tree = tree_ref(state_tree(s));
        atomic_store_explicit(&p->node->section, section, memory_order_relaxed);
    }
    if (st == MOSS_OK && s->keys[0] != NULL && from_batch) {
        p->keys = keyset_ref(s->keys[0]);
        edit_add_keys(p->node->edit, p->keys);
    }
    state_unref(s);
    return st;
}

static enum moss_status
init_node(struct moss_prepared *p, const struct moss_batch *batch,
          const struct moss_changes *changes)
{
    struct edit *edit = NULL;
    enum moss_status st;

    st = batch != NULL
             ? edit_new(batch, p->c->merge, p->deferred, &p->c->next_id, &edit)
             : edit_from_changes(changes, &p->c->next_id, &edit);
    if (st != MOSS_OK)
        return st;
    if (edit_is_empty(edit) && !has_tag(p->tag)) {
        edit_free(edit);
        return MOSS_OK;
    }
    st = top_node_new(edit, NULL, edit_size(edit), &p->node);
    if (st != MOSS_OK)
        edit_free(edit);
    return st;
}

static enum moss_status
prepare(struct moss_prepared *p, const struct moss_batch *batch,
        const struct moss_changes *changes, uint64_t timeout_ms)
{
    enum moss_status st;

    /* What the last publish left: that one only swaps.  It would sort, too. */
    if (!p->c->opts.deferred_sort)
        tidy_top(p->c);
    p->deferred =
        p->c->opts.deferred_sort && batch != NULL && edit_may_wait(batch);
    st = init_node(p, batch, changes);
    if (st != MOSS_OK || p->node == NULL)
        return st;
    if (batch == NULL) {
        p->given_ops = p->node->size.ops;
        p->given_bytes = p->node->size.bytes;
    }
    st = state_new(&p->state);
    if (st == MOSS_OK)
        st = collection_start(p->c);
    if (st == MOSS_OK)
        st = admit(p, timeout_ms);
    if (st == MOSS_OK && !p->deferred)
        st = resolve_now(p, batch != NULL);
    return st;
}

static void
count_lengths(void *arg, uint64_t key_len, uint64_t value_len, uint64_t n)
{
    struct histograms *h = arg;

    histogram_add(&h->key_bytes, key_len, n);
    histogram_add(&h->value_bytes, value_len, n);
}

static void
count_prepared(struct moss_prepared *p, const struct moss_batch *batch,
               enum moss_status st)
{
    struct moss_collection *c = p->c;

    if (st == MOSS_OK && batch != NULL)
        batch_lengths(batch, count_lengths, &c->histograms);
    if (st == MOSS_OK && p->counted)
        return;
    mutex_lock(&c->mu);
    if (!p->counted)
        count_given_locked(c, p);
    c->counters.batch.errors += st != MOSS_OK;
    c->counters.batch.empty += st == MOSS_OK && p->node == NULL;
    mutex_unlock(&c->mu);
}

/* A batch, or else changes. */
static enum moss_status
prepare_any(struct moss_collection *c, const struct moss_batch *batch,
            const struct moss_changes *changes, uint64_t timeout_ms,
            struct moss_prepared **out)
{
    uint64_t began = sync_now_ns();
    struct moss_prepared *p;
    enum moss_status st = collection_check(c);

    *out = NULL;
    if (st == MOSS_OK && c->opts.read_only)
        st = MOSS_READONLY;
    if (st != MOSS_OK)
        return st;
    p = mem_zalloc(1, sizeof(*p));
    if (p == NULL)
        return MOSS_NOMEM;
    p->c = c;
    p->tag = batch != NULL ? moss_batch_tag(batch) : changes->tag;
    if (batch != NULL) {
        p->given_ops = batch_total(batch);
        p->given_bytes = moss_batch_bytes(batch);
    }
    collection_event(c, MOSS_EVENT_BATCH_START, 0);
    st = prepare(p, batch, changes, timeout_ms);
    count_prepared(p, batch, st);
    p->prepare_ns = sync_now_ns() - began;
    if (st == MOSS_OK)
        *out = p;
    else
        moss_prepared_free(p);
    return st;
}

enum moss_status
moss_collection_prepare(struct moss_collection *c,
                        const struct moss_batch *batch, uint64_t timeout_ms,
                        struct moss_prepared **out)
{
    return prepare_any(c, batch, NULL, timeout_ms, out);
}

enum moss_status
moss_collection_prepare_changes(struct moss_collection *c,
                                const struct moss_changes *changes,
                                uint64_t timeout_ms, struct moss_prepared **out)
{
    return prepare_any(c, NULL, changes, timeout_ms, out);
}

/* Free p; what of it was not moved elsewhere is released. */
static void
release(struct moss_prepared *p)
{
    top_node_unref(p->node);
    state_unref(p->state);
    tree_unref(p->tree);
    keyset_unref(p->keys);
    mem_free(p);
}

void
moss_prepared_free(struct moss_prepared *p)
{
    struct moss_collection *c;

    if (p == NULL)
        return;
    c = p->c;
    if (p->reserved && collection_check(c) == MOSS_OK) {
        mutex_lock(&c->mu);
        give_back_locked(c, p);
        condvar_broadcast(&c->room);
        mutex_unlock(&c->mu);
    }
    if (collection_check(c) == MOSS_OK)
        collection_event(c, MOSS_EVENT_BATCH, p->prepare_ns);
    release(p);
}

struct moss_tag
moss_prepared_tag(const struct moss_prepared *p)
{
    return p->tag;
}

/* ------------------------------------------------------------------ */
/* Publishing                                                         */
/* ------------------------------------------------------------------ */

static void
count_batch_locked(struct moss_collection *c, struct size size, uint64_t ns)
    REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    histogram_add(&c->histograms.batch_ops, size.ops, 1);
    histogram_add(&c->histograms.batch_bytes, size.bytes, 1);
    histogram_add(&c->histograms.batch_usecs, ns / 1000, 1);
    c->counters.batches++;
    c->counters.batch.done++;
    c->counters.ops += size.ops;
    c->counters.batch_bytes += size.bytes;
}

/* The state before this batch is kept if a tag can ask for it. */
static void
retire_locked(struct moss_collection *c, struct state *old,
              struct leftovers *left) REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    if (has_tag(old->tag) && old->tag_seq == old->seq)
        left->state = recents_push(&c->recents, old);
    else
        left->state = old;
}

static void
wake_background_locked(struct moss_collection *c) REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    if (merger_has_work_locked(c)) {
        c->counters.batch.woke_merger++;
        condvar_signal(&c->merger_work);
    }
    if (c->lower != NULL)
        persister_remind_locked(c);
}

void
moss_prepared_publish(struct moss_prepared *p)
{
    uint64_t began = sync_now_ns(), ns;
    struct leftovers left = { NULL, NULL };
    struct moss_collection *c = p->c;
    struct section *wrong = NULL;
    struct state *old, *s = p->state;
    struct top_node *node = p->node;
    /* Once it is published, c may be closed by who has read the batch. */
    bool tell = c->opts.on_event != NULL;

    if (node == NULL || collection_check(c) != MOSS_OK) {
        moss_prepared_free(p);
        return;
    }
    mutex_lock(&c->mu);
    assert(!c->stop);
    old = c->state;
    if (state_tree(old) != p->tree) {
        wrong = top_node_section(node);
        atomic_store_explicit(&node->section, NULL, memory_order_relaxed);
    }
    if (collection_is_clean_locked(c))
        c->dirty_since_ns = sync_now_ns();
    state_inherit(s, old);
    s->seq++;
    state_note_keys(s, p->keys);
    if (p->is_tangled)
        s->tangled_seq = s->seq;
    if (has_tag(p->tag)) {
        s->tag = p->tag;
        s->tag_seq = s->seq;
    }
    give_back_locked(c, p);
    ns = p->prepare_ns + sync_now_ns() - began;
    count_batch_locked(c, node->size, ns);
    state_push(s, node);
    c->state = s;
    turns_owe_locked(c, node->size.bytes);
    retire_locked(c, old, &left);
    collection_new_generation_locked(c, &left);
    wake_background_locked(c);
    mutex_unlock(&c->mu);

    leftovers_release(&left);
    section_unref(wrong);
    if (tell)
        collection_event(c, MOSS_EVENT_BATCH, ns);
    p->node = NULL; /* the state has both */
    p->state = NULL;
    release(p);
}
