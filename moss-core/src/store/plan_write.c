/*
 * What lies over a collection becomes one segment, and the newest segments of
 * the store join in where the policy says so.  Where all of them join,
 * deletions have nothing left to hide and vanish.
 *
 * Merge operands that cannot be combined, for want of the operator or because
 * it refuses them, must not keep the rest from reaching the disk: such a
 * collection gets its segments as they are.  So do operands over a value that
 * is damaged on the disk.
 *
 * One thread, the one that may write to the store.
 */
#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/mapped.h"
#include "store/plan.h"

static size_t
height(const struct segstack *stack)
{
    return stack == NULL ? 0 : stack->n;
}

static uint64_t
stack_bytes(const struct segstack *stack, size_t from)
{
    uint64_t sum = 0;

    for (size_t i = from; i < height(stack); i++)
        sum += segment_bytes(stack->segs[i]);
    return sum;
}

/* ------------------------------------------------------------------ */
/* Choosing                                                           */
/* ------------------------------------------------------------------ */

/* The keys of some segments. */
struct range {
    struct moss_slice lo, hi;
    bool is_known;
};

static struct range
segment_range(const struct segment *seg)
{
    struct entry first, last;

    if (seg->n == 0 || segment_entry(seg, 0, &first) < 0 ||
        segment_entry(seg, seg->n - 1, &last) < 0)
        return (struct range){ .is_known = false };
    return (struct range){ first.key, last.key, true };
}

static struct range
stack_range(const struct segstack *stack)
{
    struct range all = { .is_known = false };

    for (size_t i = 0; i < height(stack); i++) {
        struct range one;

        if (stack->segs[i]->n == 0)
            continue;
        one = segment_range(stack->segs[i]);
        if (!one.is_known)
            return one;
        if (!all.is_known) {
            all = one;
            continue;
        }
        if (slice_compare(one.lo, all.lo) < 0)
            all.lo = one.lo;
        if (slice_compare(one.hi, all.hi) > 0)
            all.hi = one.hi;
    }
    return all;
}

static bool
is_apart(const struct range *update, const struct segment *seg)
{
    struct range r = segment_range(seg);

    return r.is_known && update->is_known &&
           (slice_compare(r.hi, update->lo) < 0 ||
            slice_compare(update->hi, r.lo) < 0);
}

static uint64_t
tangled_bytes(const struct segstack *stack)
{
    uint64_t sum = 0, largest = 0;

    for (size_t i = 0; i < height(stack); i++) {
        const struct segment *seg = stack->segs[i];
        struct range range = segment_range(seg);
        bool apart = seg->n == 0;

        if (!apart) {
            apart = true;
            for (size_t k = 0; k < stack->n && apart; k++)
                apart = k == i || stack->segs[k]->n == 0 ||
                        is_apart(&range, stack->segs[k]);
        }
        if (apart)
            continue;
        sum += segment_bytes(seg);
        if (segment_bytes(seg) > largest)
            largest = segment_bytes(seg);
    }
    return sum - largest;
}

uint64_t
plan_tangled_bytes(const struct plan *p)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < p->n_targets; i++)
        sum += tangled_bytes(p->targets[i].older);
    return sum;
}

/* The segments of t in the store as the policy sees them; mem_free() it. */
static enum moss_status
make_runs(const struct target *t, struct policy_run **runs)
{
    size_t n = height(t->older);
    struct range update = stack_range(t->newer);

    *runs = mem_zalloc(n + 1, sizeof **runs);
    if (*runs == NULL)
        return MOSS_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct policy_run *run = &(*runs)[i];

        const struct segment_loc *loc = mapped_segment_loc(t->older->segs[i]);

        run->bytes = segment_bytes(t->older->segs[i]);
        run->disk = loc_disk(loc);
        /* Small ones are not worth a look at their pages. */
        run->apart =
            run->bytes >= POLICY_LARGE && is_apart(&update, t->older->segs[i]);
    }
    return MOSS_OK;
}

/* The oldest n segments of t stay where they are. */
static void
keep_in_place(struct target *t, size_t n)
{
    t->keep = n;
    t->is_copied = false;
    t->copies = NULL;
    t->n_copies = 0;
}

enum moss_status
plan_choose(struct plan *p, const struct policy *policy, uint64_t budget,
            bool *fits)
{
    *fits = true;
    p->whole = p->rewrites = false;
    for (size_t i = 0; i < p->n_targets; i++) {
        struct target *t = &p->targets[i];
        struct policy_run *runs = NULL;
        size_t n = height(t->older);

        keep_in_place(t, n);
        if (t->newer == NULL || n == 0 || policy == NULL)
            continue;
        if (make_runs(t, &runs) < 0)
            return MOSS_NOMEM;
        t->keep =
            policy_keep(policy, runs, n, stack_bytes(t->newer, 0), budget);
        *fits = *fits && !policy_too_many(runs, t->keep,
                                          stack_bytes(t->older, t->keep) +
                                              stack_bytes(t->newer, 0));
        mem_free(runs);
        for (size_t k = t->keep; k < n; k++)
            budget -= loc_disk(mapped_segment_loc(t->older->segs[k]));
        p->rewrites = p->rewrites || t->keep < n;
    }
    return MOSS_OK;
}

enum moss_status
plan_choose_leveled(struct plan *p)
{
    p->whole = p->rewrites = false;
    for (size_t i = 0; i < p->n_targets; i++) {
        struct target *t = &p->targets[i];
        struct policy_run *runs = NULL;

        if (make_runs(t, &runs) < 0)
            return MOSS_NOMEM;
        t->keep = policy_keep_leveled(runs, height(t->older));
        mem_free(runs);
        p->rewrites = p->rewrites || t->keep < height(t->older);
    }
    return MOSS_OK;
}

void
plan_choose_whole(struct plan *p)
{
    p->whole = true;
    p->rewrites = false;
    for (size_t i = 0; i < p->n_targets; i++)
        keep_in_place(&p->targets[i], 0);
}

void
plan_forget(struct plan *p)
{
    for (size_t i = 0; i < p->n_targets; i++) {
        mem_free(p->targets[i].added);
        p->targets[i].added = NULL;
        p->targets[i].n_added = 0;
    }
}

uint64_t
plan_newer_bytes(const struct plan *p)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < p->n_targets; i++)
        sum += stack_bytes(p->targets[i].newer, 0);
    return sum;
}

uint64_t
plan_bytes(const struct plan *p)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < p->n_targets; i++) {
        const struct target *t = &p->targets[i];

        sum += stack_bytes(t->older, t->keep) + stack_bytes(t->newer, 0);
    }
    return sum;
}

/* ------------------------------------------------------------------ */
/* Writing                                                            */
/* ------------------------------------------------------------------ */

enum moss_status
target_add(struct target *t, const struct segment_loc *loc)
{
    struct segment_loc *more;

    if (loc->kvs_bytes == 0)
        return MOSS_OK;
    more = mem_resize(t->added, t->n_added + 1, sizeof *more);
    if (more == NULL)
        return MOSS_NOMEM;
    t->added = more;
    t->added[t->n_added++] = *loc;
    return MOSS_OK;
}

/* The segments of t above the kept ones, oldest first; mem_free() it. */
static enum moss_status
gather(const struct target *t, struct segment ***segs, size_t *n)
{
    size_t n_older = height(t->older) - t->keep;

    *n = n_older + height(t->newer);
    *segs = mem_zalloc(*n + 1, sizeof **segs);
    if (*segs == NULL)
        return MOSS_NOMEM;
    for (size_t i = 0; i < n_older; i++)
        (*segs)[i] = t->older->segs[t->keep + i];
    for (size_t i = n_older; i < *n; i++)
        (*segs)[i] = t->newer->segs[i - n_older];
    return MOSS_OK;
}

static enum moss_status
write_merged(struct target *t, struct segment *const *segs, size_t n,
             struct segwriter *w, struct moss_error *err)
{
    struct segstack *below = NULL;
    struct segment_loc loc;
    enum moss_status st = MOSS_OK;

    if (t->keep > 0)
        st = segstack_new(NULL, t->older->segs, t->keep, &below);
    if (st < 0)
        return error_set(err, st, "merge", w->file->path, w->pos);
    st = segwriter_merge(w, segs, n, below, &loc, err);
    segstack_unref(below);
    if (st == MOSS_OK) {
        st = target_add(t, &loc);
        if (st < 0)
            (void)error_set(err, st, "merge", w->file->path, w->pos);
    }
    return st;
}

static enum moss_status
write_unmerged(struct target *t, struct segment *const *segs, size_t n,
               struct segwriter *w, struct moss_error *err)
{
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; i < n && st == MOSS_OK; i++) {
        struct segment_loc loc;

        st = segwriter_copy(w, segs[i], &loc, err);
        if (st == MOSS_OK) {
            st = target_add(t, &loc);
            if (st < 0)
                (void)error_set(err, st, "segment", w->file->path, w->pos);
        }
    }
    return st;
}

static bool
needs_operator(struct segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (segs[i]->totals.n_merge > 0)
            return true;
    }
    return false;
}

/* What operators answer that do not combine operands. */
static bool
is_refusal(enum moss_status st)
{
    return st == MOSS_NO_OPERATOR || st == MOSS_MERGE_FAILED ||
           st == MOSS_TOO_BIG;
}

static enum moss_status
write_target(struct target *t, bool whole, struct segwriter *w,
             struct moss_error *err)
{
    struct segment **segs = NULL;
    size_t n;
    enum moss_status st = gather(t, &segs, &n);

    if (st < 0)
        goto failed;
    if (n > 0 && w->merge == NULL && needs_operator(segs, n))
        st = MOSS_NO_OPERATOR;
    else if (n > 0)
        st = write_merged(t, segs, n, w, err);
    if (is_refusal(st) ||
        (st == MOSS_CORRUPT && !whole && t->keep == height(t->older))) {
        mem_free(segs);
        segs = NULL;
        if (!t->is_copied)
            t->keep = whole ? 0 : height(t->older);
        st = gather(t, &segs, &n);
        if (st < 0)
            goto failed;
        st = write_unmerged(t, segs, n, w, err);
    }
    mem_free(segs);
    return st;

failed:
    return error_set(err, st, "merge", w->file->path, w->pos);
}

enum moss_status
plan_write(struct plan *p, struct segwriter *w, struct moss_error *err)
{
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; i < p->n_targets && st == MOSS_OK; i++)
        st = write_target(&p->targets[i], p->whole, w, err);
    return st;
}
