/*
 * An update gives the whole tree of collections, and for each of them where
 * its older content is and what lies over it.  A plan is that tree as a
 * footer, beside it what each collection is made from.
 *
 * Its segments are written by plan_write.c.
 *
 * One thread, the one that may write to the store.
 */
#include "store/plan.h"

#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/mapped.h"

/* ------------------------------------------------------------------ */
/* From changes                                                       */
/* ------------------------------------------------------------------ */

void
plan_free(struct plan *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n_targets; i++)
        mem_free(p->targets[i].added);
    mem_free(p->targets);
    footer_free(p->footer);
    mem_free(p);
}

static struct plan *
plan_new(void)
{
    struct plan *p = mem_zalloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    p->footer = footer_new();
    if (p->footer == NULL) {
        mem_free(p);
        return NULL;
    }
    return p;
}

static enum moss_status
number_targets(struct plan *p)
{
    enum moss_status st = footer_index(p->footer);

    if (st < 0)
        return st;
    p->targets = mem_zalloc(p->footer->n_colls, sizeof *p->targets);
    if (p->targets == NULL)
        return MOSS_NOMEM;
    p->n_targets = p->footer->n_colls;
    return MOSS_OK;
}

/* Make the collections below coll that change has. */
static enum moss_status
copy_tree(const struct moss_change *change, struct footer_coll *coll, int depth)
{
    enum moss_status st;

    if (depth > FOOTER_MAX_DEPTH)
        return MOSS_INVALID;
    st = footer_make_children(coll, change->n_children);
    for (size_t i = 0; i < change->n_children && st == MOSS_OK; i++) {
        const struct moss_change *child = &change->children[i];

        if (i > 0 && slice_compare(child[-1].name, child->name) >= 0)
            return MOSS_INVALID;
        st = footer_set_name(&coll->children[i], child->name);
        if (st == MOSS_OK)
            st = copy_tree(child, &coll->children[i], depth + 1);
    }
    return st;
}

static bool
has_entries(const struct segstack *stack)
{
    for (size_t i = 0; stack != NULL && i < stack->n; i++) {
        if (stack->segs[i]->n > 0)
            return true;
    }
    return false;
}

/*
 * Set the targets of coll and all below it.  twin is the collection of the
 * same path in older, or NULL.
 */
static enum moss_status
set_targets(struct plan *p, const struct commit *older,
            const struct moss_change *change, const struct footer_coll *coll,
            const struct footer_coll *twin)
{
    struct target *t = &p->targets[coll->index];
    const struct footer_coll *from = NULL;
    enum moss_status st = MOSS_OK;

    if (change->has_from) {
        from = &older->footer->top;
        for (size_t i = 0; i < change->n_from && from != NULL; i++)
            from = footer_child(from, change->from[i]);
        if (from == NULL)
            return MOSS_INVALID;
        t->older = older->stacks[from->index];
    }
    if (has_entries(change->segments))
        t->newer = change->segments;
    if (twin == NULL || from != twin || t->newer != NULL)
        p->is_change = true;
    for (size_t i = 0; i < coll->n_children && st == MOSS_OK; i++) {
        const struct footer_coll *child = &coll->children[i];

        st = set_targets(p, older, &change->children[i], child,
                         twin == NULL ? NULL : footer_child(twin, child->name));
    }
    return st;
}

enum moss_status
plan_changes(const struct commit *older, const struct moss_changes *changes,
             struct plan **out)
{
    struct plan *p = plan_new();
    enum moss_status st = MOSS_NOMEM;

    *out = NULL;
    if (p != NULL)
        st = copy_tree(changes->top, &p->footer->top, 0);
    if (st == MOSS_OK)
        st = number_targets(p);
    if (st == MOSS_OK)
        st = set_targets(p, older, changes->top, &p->footer->top,
                         &older->footer->top);
    if (st < 0) {
        plan_free(p);
        return st;
    }
    if (p->footer->n_colls != older->footer->n_colls)
        p->is_change = true;
    /* Without a tag of its own it is still as far as the older one. */
    p->footer->tag = moss_tag_equal(changes->tag, (struct moss_tag){ 0, 0 })
                         ? older->tag
                         : changes->tag;
    *out = p;
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* From a commit point                                                */
/* ------------------------------------------------------------------ */

static enum moss_status
copy_colls(const struct footer_coll *from, struct footer_coll *to)
{
    enum moss_status st = footer_make_children(to, from->n_children);

    for (size_t i = 0; i < from->n_children && st == MOSS_OK; i++) {
        st = footer_set_name(&to->children[i], from->children[i].name);
        if (st == MOSS_OK)
            st = copy_colls(&from->children[i], &to->children[i]);
    }
    return st;
}

enum moss_status
plan_copy(const struct commit *older, struct plan **out)
{
    struct plan *p = plan_new();
    enum moss_status st = p == NULL ? MOSS_NOMEM : MOSS_OK;

    *out = NULL;
    if (st == MOSS_OK && older != NULL)
        st = copy_colls(&older->footer->top, &p->footer->top);
    if (st == MOSS_OK)
        st = number_targets(p);
    if (st < 0) {
        plan_free(p);
        return st;
    }
    p->is_change = true;
    if (older != NULL) {
        p->footer->tag = older->tag;
        for (size_t i = 0; i < p->n_targets; i++)
            p->targets[i].older = older->stacks[i];
    }
    *out = p;
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* The commit point                                                   */
/* ------------------------------------------------------------------ */

/* Tell the footer where the segments of its collections lie. */
static enum moss_status
set_locs(struct plan *p)
{
    p->footer->n_locs = 0;
    for (size_t i = 0; i < p->n_targets; i++) {
        struct footer_coll *coll = p->footer->colls[i];
        const struct target *t = &p->targets[i];
        size_t n_below = t->is_copied ? t->n_copies : t->keep;
        size_t n = n_below + t->n_added;

        coll->locs = mem_zalloc(n + 1, sizeof *coll->locs);
        if (coll->locs == NULL)
            return MOSS_NOMEM;
        for (size_t k = 0; k < n_below; k++)
            coll->locs[k] = t->is_copied
                                ? t->copies[k]
                                : *mapped_segment_loc(t->older->segs[k]);
        for (size_t k = 0; k < t->n_added; k++)
            coll->locs[n_below + k] = t->added[k];
        coll->n_locs = n;
        p->footer->n_locs += n;
    }
    return MOSS_OK;
}

/*
 * trust: what was written is young, and read from where it was written to.
 * What a full compaction writes stays for long: it is checked at its first
 * use, like what other processes wrote.
 */
static enum moss_status
set_stack(const struct target *t, bool trust, const struct commit_env *env,
          const struct commit_place *place, struct mapping *written,
          struct segstack **out, struct moss_error *err)
{
    size_t n = 0, max = t->keep + t->n_copies + t->n_added;
    struct segment **segs = mem_zalloc(max + 1, sizeof *segs);
    enum moss_status st = MOSS_OK;

    if (segs == NULL)
        return MOSS_NOMEM;
    for (size_t k = 0; !t->is_copied && k < t->keep; k++)
        segs[n++] = segment_ref(t->older->segs[k]);
    for (size_t k = 0; st == MOSS_OK && k < t->n_copies; k++)
        st = commit_segment(env, place, written, &t->copies[k], true,
                            &segs[n++], err);
    for (size_t k = 0; st == MOSS_OK && k < t->n_added; k++) {
        st = commit_segment(env, place, written, &t->added[k], true, &segs[n],
                            err);
        if (st == MOSS_OK && trust && !loc_is_encoded(&t->added[k]))
            mapped_segment_written(segs[n]);
        n++;
    }
    if (st == MOSS_OK)
        st = segstack_new(NULL, segs, n, out);
    for (size_t k = 0; k < n; k++)
        segment_unref(segs[k]);
    mem_free(segs);
    return st;
}

static uint64_t
last_byte(const struct plan *p)
{
    uint64_t end = 0;

    for (size_t i = 0; i < p->n_targets; i++) {
        const struct target *t = &p->targets[i];

        for (size_t k = 0; k < t->n_copies; k++)
            end = loc_end(&t->copies[k]) > end ? loc_end(&t->copies[k]) : end;
        for (size_t k = 0; k < t->n_added; k++)
            end = loc_end(&t->added[k]) > end ? loc_end(&t->added[k]) : end;
    }
    return end;
}

enum moss_status
plan_commit(struct plan *p, const struct commit_env *env,
            const struct commit_place *place, uint64_t start,
            struct commit **out, struct moss_error *err)
{
    struct mapping *written = NULL;
    struct commit *c = NULL;
    uint64_t end = last_byte(p);
    enum moss_status st = set_locs(p);

    *out = NULL;
    if (st == MOSS_OK)
        st = commit_new(env, place, p->footer, &c);
    if (st < 0)
        goto done;
    p->footer = NULL;
    if (end > 0 && !env->no_mmap)
        st = mapping_new(place->file, start, (size_t)(end - start), false,
                         &written, err);
    for (size_t i = 0; i < p->n_targets && st == MOSS_OK; i++)
        st = set_stack(&p->targets[i], !p->whole && written != NULL, env, place,
                       written, &c->stacks[i], err);
    if (st == MOSS_OK) {
        *out = c;
        c = NULL;
    }

done:
    if (st == MOSS_NOMEM)
        (void)error_set(err, st, "commit point", place->file->path, start);
    commit_unref(c);
    mapping_unref(written);
    return st;
}
