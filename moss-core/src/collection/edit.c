/*
 * From a batch to an edit, and from an edit and a tree to a section.
 *
 * Applying walks the edit's children and the tree's children side by side,
 * both sorted by name.  A renamed collection keeps its id, a cleared one gets
 * another.  A subtree that the edit does not change is shared, and a tree that
 * does not change at all is given back as it is: whoever holds the same tree
 * pointer knows that an edit comes out the same.
 */
#include "collection/edit.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/mem.h"
#include "segment/segment_index.h"

/* Acquire: the stack was made before its pointer was stored. */
static struct segstack *
stack_of(const struct edit *edit)
{
    return atomic_load_explicit(&edit->stack, memory_order_acquire);
}

static void
edit_release(struct edit *edit)
{
    for (size_t i = 0; i < edit->n; i++)
        edit_release(&edit->children[i]);
    mem_free(edit->children);
    segstack_unref(stack_of(edit));
    moss_batch_free(edit->unsorted);
    mem_free((void *)(uintptr_t)edit->name.bytes);
    mem_free((void *)(uintptr_t)edit->from.bytes);
}

static int
compare_edits(const void *pa, const void *pb)
{
    const struct edit *a = pa, *b = pb;

    return slice_compare(a->name, b->name);
}

static enum moss_status
make_stack(const struct moss_batch *batch,
           const struct moss_merge_operator *merge, struct segstack **out)
{
    struct segment **segs = NULL;
    size_t n = 0;
    enum moss_status st;

    *out = NULL;
    st = batch_segments(batch, 0, moss_batch_count(batch), merge, &segs, &n);
    if (st != MOSS_OK)
        return st;
    if (n > 0)
        st = segstack_new(NULL, segs, n, out);
    for (size_t i = 0; i < n; i++)
        segment_unref(segs[i]);
    mem_free(segs);
    return st;
}

static enum moss_status
init_stack(struct edit *edit, const struct moss_batch *batch,
           const struct moss_merge_operator *merge, bool defer)
{
    struct segstack *stack;
    enum moss_status st;

    if (defer) {
        return moss_batch_count(batch) == 0
                   ? MOSS_OK
                   : batch_copy_changes(batch, &edit->unsorted);
    }
    st = make_stack(batch, merge, &stack);
    for (size_t i = 0; st == MOSS_OK && stack != NULL && i < stack->n; i++)
        stack->segs[i]->since = edit->new_id; /* nobody else knows them yet */
    if (st == MOSS_OK)
        atomic_store_explicit(&edit->stack, stack, memory_order_relaxed);
    return st;
}

enum moss_status
edit_sort(struct edit *edit)
{
    struct segstack *stack, *none = NULL;
    enum moss_status st = MOSS_OK;

    if (edit->unsorted != NULL && stack_of(edit) == NULL) {
        st = make_stack(edit->unsorted, NULL, &stack);
        if (st == MOSS_OK && !atomic_compare_exchange_strong_explicit(
                                 &edit->stack, &none, stack,
                                 memory_order_acq_rel, memory_order_acquire))
            segstack_unref(stack);
    }
    for (size_t i = 0; i < edit->n && st == MOSS_OK; i++)
        st = edit_sort(&edit->children[i]);
    return st;
}

bool
edit_may_wait(const struct moss_batch *batch)
{
    const struct batch_child *children;
    size_t n = batch_children(batch, &children);

    if (batch_has_operands(batch))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (children[i].before != BEFORE_ANY || children[i].from.len > 0 ||
            (children[i].batch != NULL && !edit_may_wait(children[i].batch)))
            return false;
    }
    return true;
}

static enum moss_status
copy_name(struct moss_slice name, struct moss_slice *out)
{
    void *copy;

    if (name.len == 0)
        return MOSS_OK;
    copy = mem_dup(name.bytes, name.len);
    if (copy == NULL)
        return MOSS_NOMEM;
    *out = moss_slice(copy, name.len);
    return MOSS_OK;
}

/* All but the batch; on failure edit_release() frees what there is. */
static enum moss_status
init_mention(struct edit *edit, const struct batch_child *child)
{
    enum moss_status st = copy_name(child->name, &edit->name);

    if (st == MOSS_OK)
        st = copy_name(child->from, &edit->from);
    edit->replaces = child->deleted;
    edit->before = child->before;
    return st;
}

/* edit is zeroed but for what init_mention() set. */
static enum moss_status
edit_init(struct edit *edit, const struct moss_batch *batch,
          const struct moss_merge_operator *merge, bool defer, size_t depth,
          atomic_uint_fast64_t *next_id)
{
    const struct batch_child *children = NULL;
    size_t n = batch_children(batch, &children);
    enum moss_status st;

    if (depth > TREE_MAX_DEPTH)
        return MOSS_INVALID;
    edit->made = true;
    edit->clears = batch_is_cleared(batch);
    edit->new_id = atomic_fetch_add_explicit(next_id, 1, memory_order_relaxed);
    st = init_stack(edit, batch, merge, defer);
    if (st != MOSS_OK || n == 0)
        return st;
    edit->children = mem_zalloc(n, sizeof(edit->children[0]));
    if (edit->children == NULL)
        return MOSS_NOMEM;
    edit->n = n;
    for (size_t i = 0; st == MOSS_OK && i < n; i++) {
        st = init_mention(&edit->children[i], &children[i]);
        if (st == MOSS_OK && children[i].batch != NULL)
            st = edit_init(&edit->children[i], children[i].batch, merge, defer,
                           depth + 1, next_id);
    }
    if (st == MOSS_OK && n > 1)
        qsort(edit->children, n, sizeof(edit->children[0]), compare_edits);
    return st;
}

enum moss_status
edit_new(const struct moss_batch *batch,
         const struct moss_merge_operator *merge, bool defer,
         atomic_uint_fast64_t *next_id, struct edit **out)
{
    struct edit *edit = mem_zalloc(1, sizeof(*edit));
    enum moss_status st;

    *out = NULL;
    if (edit == NULL)
        return MOSS_NOMEM;
    st = edit_init(edit, batch, merge, defer, 0, next_id);
    if (st != MOSS_OK) {
        edit_free(edit);
        return st;
    }
    *out = edit;
    return MOSS_OK;
}

static enum moss_status
edit_init_change(struct edit *edit, const struct moss_change *change,
                 size_t depth, atomic_uint_fast64_t *next_id)
{
    enum moss_status st = copy_name(change->name, &edit->name);

    if (depth > TREE_MAX_DEPTH)
        return MOSS_INVALID;
    if (st != MOSS_OK)
        return st;
    edit->before = BEFORE_ANY;
    edit->replaces = change->drops;
    edit->clears = change->clears;
    edit->made =
        !change->drops || change->segments != NULL || change->n_children > 0;
    edit->new_id = atomic_fetch_add_explicit(next_id, 1, memory_order_relaxed);
    if (change->segments != NULL && change->segments->n > 0)
        atomic_store_explicit(
            &edit->stack,
            segstack_ref((struct segstack *)(uintptr_t)change->segments),
            memory_order_relaxed);
    if (change->n_children == 0)
        return MOSS_OK;
    edit->children = mem_zalloc(change->n_children, sizeof(edit->children[0]));
    if (edit->children == NULL)
        return MOSS_NOMEM;
    edit->n = change->n_children;
    for (size_t i = 0; st == MOSS_OK && i < edit->n; i++)
        st = edit_init_change(&edit->children[i], &change->children[i],
                              depth + 1, next_id);
    return st;
}

enum moss_status
edit_from_changes(const struct moss_changes *changes,
                  atomic_uint_fast64_t *next_id, struct edit **out)
{
    struct edit *edit = mem_zalloc(1, sizeof(*edit));
    enum moss_status st;

    *out = NULL;
    if (edit == NULL)
        return MOSS_NOMEM;
    st = edit_init_change(edit, changes->top, 0, next_id);
    if (st != MOSS_OK) {
        edit_free(edit);
        return st;
    }
    *out = edit;
    return MOSS_OK;
}

void
edit_free(struct edit *edit)
{
    if (edit == NULL)
        return;
    edit_release(edit);
    mem_free(edit);
}

void
edit_add_keys(const struct edit *edit, struct keyset *set)
{
    const struct segstack *stack = stack_of(edit);

    for (size_t i = 0; stack != NULL && i < stack->n; i++) {
        const struct segment *seg = stack->segs[i];

        for (size_t k = 0; k < seg->n; k++) {
            struct entry e;

            entry_decode(seg->kvs + 2 * k, seg->buf, &e);
            keyset_add(set, index_hash(e.key), edit->new_id);
        }
    }
    for (size_t i = 0; i < edit->n; i++)
        edit_add_keys(&edit->children[i], set);
}

bool
edit_is_empty(const struct edit *edit)
{
    return stack_of(edit) == NULL && edit->unsorted == NULL && edit->n == 0 &&
           !edit->clears;
}

struct size
edit_size(const struct edit *edit)
{
    const struct segstack *stack = stack_of(edit);
    struct size size = { 0, 0 };

    if (edit->unsorted != NULL) {
        size.ops = moss_batch_count(edit->unsorted);
        size.bytes = 16 * size.ops + moss_batch_bytes(edit->unsorted);
    } else if (stack != NULL) {
        size = stack_size(stack);
    }
    for (size_t i = 0; i < edit->n; i++)
        size = size_add(size, edit_size(&edit->children[i]));
    return size;
}

static size_t
count_stacks(const struct edit *edit)
{
    size_t count = stack_of(edit) != NULL;

    for (size_t i = 0; i < edit->n; i++)
        count += count_stacks(&edit->children[i]);
    return count;
}

/* Applying an edit to a tree. */
struct application {
    struct section *section; /* gets the segments */
    bool strict;
};

static enum moss_status apply(const struct edit *edit, struct tree *old,
                              struct application *a, struct tree **out);

/* Is what the batch takes for granted so? */
static enum moss_status
check_before(const struct edit *edit, const struct tree *was)
{
    if (edit->before == BEFORE_PRESENT && was == NULL)
        return MOSS_NOT_FOUND;
    if (edit->before == BEFORE_ABSENT && was != NULL)
        return MOSS_EXISTS;
    return MOSS_OK;
}

/* What the child is laid over; NULL: nothing.  was has its name. */
static struct tree *
find_base(const struct edit *child, const struct tree *parent, struct tree *was)
{
    struct tree *source = NULL;

    if (child->from.len > 0 && parent != NULL)
        source = tree_find(parent, child->from);
    if (source != NULL)
        return source;
    /* A rename whose collection is gone, and not made here, does nothing. */
    if (child->from.len > 0 && child->before == BEFORE_ABSENT && !child->made)
        return was;
    return child->replaces ? NULL : was;
}

/*
 * The next child of the collection that was parent before: was or child may
 * be NULL, not both.  *out is NULL if there is none of that name any more.
 */
static enum moss_status
apply_child(const struct edit *child, const struct tree *parent,
            struct tree *was, struct application *a, struct tree **out)
{
    struct tree *base;
    enum moss_status st;

    *out = NULL;
    if (child == NULL) {
        *out = tree_ref(was);
        return MOSS_OK;
    }
    st = a->strict ? check_before(child, was) : MOSS_OK;
    if (st != MOSS_OK || (!child->made && child->from.len == 0))
        return st;
    base = find_base(child, parent, was);
    return base == NULL && !child->made ? MOSS_OK : apply(child, base, a, out);
}

/* old is the collection as it was, NULL if it begins here. */
static enum moss_status
apply(const struct edit *edit, struct tree *old, struct application *a,
      struct tree **out)
{
    bool is_new = old == NULL || edit->clears;
    uint64_t id = is_new ? edit->new_id : old->id;
    size_t n_old = old == NULL ? 0 : old->n, i = 0, k = 0;
    bool changed = is_new || !slice_equal(edit->name, old->name);
    struct segstack *stack = stack_of(edit);
    struct tree *tree = NULL;
    enum moss_status st;

    *out = NULL;
    if (stack != NULL)
        section_add(a->section, id, stack);
    if (!changed && edit->n == 0) {
        *out = tree_ref(old);
        return MOSS_OK;
    }
    st = tree_new(edit->name, id, n_old + edit->n, &tree);
    while (st == MOSS_OK && (i < n_old || k < edit->n)) {
        int c = i == n_old     ? 1
                : k == edit->n ? -1
                               : slice_compare(old->children[i]->name,
                                               edit->children[k].name);
        struct tree *was = c <= 0 ? old->children[i++] : NULL;
        const struct edit *child = c >= 0 ? &edit->children[k++] : NULL;
        struct tree *is;

        st = apply_child(child, old, was, a, &is);
        changed = changed || is != was;
        if (is != NULL)
            tree_add(tree, is);
    }
    if (st == MOSS_OK)
        *out = changed ? tree_ref(tree) : tree_ref(old);
    tree_unref(tree);
    return st;
}

enum moss_status
edit_apply(const struct edit *edit, struct tree *tree, bool strict,
           struct section **out)
{
    struct application a = { NULL, strict };
    struct tree *after = NULL;
    enum moss_status st;

    *out = NULL;
    st = section_new(count_stacks(edit), &a.section);
    if (st != MOSS_OK)
        return st;
    st = apply(edit, tree, &a, &after);
    if (st == MOSS_OK) {
        section_seal(a.section, after);
        *out = a.section;
        a.section = NULL;
    }
    tree_unref(after);
    section_unref(a.section);
    return st;
}
