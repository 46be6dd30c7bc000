/*
 * To write gigabytes takes many seconds, and while an update does it, those
 * that come behind it wait, and soon the writers.  So where there is much, each
 * update writes a slice of it, and is appended to the old file as usual:
 *
 *     old file   [a][b][c] footer [d] footer [e] footer [f] footer
 *     new file       [abc.....  .......  ..] [de] footer with f
 *
 * A round writes the content of the commit point that was the newest when it
 * began.  What was appended meanwhile is the next round's, and much less, as a
 * slice is larger than an update.  When only about a slice is left, it is
 * written with the update that comes, and the new file takes the old one's
 * place (newfile.c).  So nothing depends on a compaction until its end: it can
 * be given up at any time.
 *
 * What is covered by rounds is known as a commit point, and beside it where its
 * collections' content lies in the new file.  A collection is the same as one
 * there if its oldest segments are that one's: so updates leave these as they
 * are meanwhile, whatever becomes of the collection's name.  What is not found
 * is written anew.
 *
 * Operands that the operator refuses are left to a compaction at once.
 *
 * The holder of the writer's role only.
 */
#include "store/gradual.h"

#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/newfile.h"

/* Idle times are asked for again after so many bytes. */
#define IDLE_SLICE ((uint64_t)8 << 20)
/* A slice is so many times the update, or s->slice_bytes. */
enum { SLICE_FACTOR = 4 };

/* Where a collection's content lies in the new file. */
struct copies {
    struct segment_loc *locs;
    size_t n;
};

struct gradual {
    struct newfile n;
    uint64_t process;      /* that began it */
    uint64_t identity_seq; /* of the store when it began */
    uint64_t old_number;   /* of its file */
    struct segwriter w;
    struct compaction_count count;
    uint64_t total, done;  /* bytes there were when it began; written */
    struct moss_error err; /* what the writers fill in */

    struct commit *covered; /* one reference; NULL: nothing yet */
    struct copies *copies;  /* of its collections, by index */

    /* The round that is going on. */
    struct commit *from; /* what it writes; one reference; NULL: none */
    struct plan *plan;   /* of it */
    size_t target;       /* the one being written */
    struct segstack *below;
    struct segwriting *writing; /* NULL: not begun */
};

static void
free_copies(struct copies *copies, size_t n)
{
    for (size_t i = 0; copies != NULL && i < n; i++)
        mem_free(copies[i].locs);
    mem_free(copies);
}

static void
end_round(struct gradual *g)
{
    segwriting_free(g->writing);
    segstack_unref(g->below);
    plan_free(g->plan);
    commit_unref(g->from);
    g->writing = NULL;
    g->below = NULL;
    g->plan = NULL;
    g->from = NULL;
    g->target = 0;
}

void
gradual_drop(struct moss_store *s)
{
    struct gradual *g = s->gradual;

    if (g == NULL)
        return;
    s->gradual = NULL;
    if (g->process != sync_process())
        return; /* a forked child: file and threads are the parent's */
    end_round(g);
    if (g->covered != NULL)
        free_copies(g->copies, g->covered->footer->n_colls);
    commit_unref(g->covered);
    newfile_end(s, &g->n);
    mem_free(g);
}

/* ------------------------------------------------------------------ */
/* What is covered                                                    */
/* ------------------------------------------------------------------ */

/* Does the stack begin with all segments of part, which has some? */
static bool
begins_with(const struct segstack *stack, const struct segstack *part)
{
    if (part == NULL || part->n == 0 || part->n > stack->n)
        return false;
    for (size_t i = part->n; i > 0; i--) {
        if (stack->segs[i - 1] != part->segs[i - 1])
            return false;
    }
    return true;
}

/* The covered collection that stack goes on from, most likely hint. */
static const struct copies *
find_copies(const struct gradual *g, const struct segstack *stack, size_t hint,
            size_t *keep)
{
    const struct commit *c = g->covered;
    size_t n = c == NULL ? 0 : c->footer->n_colls;

    for (size_t i = 0; i <= n && n > 0; i++) {
        size_t at = i == 0 ? hint : i - 1;

        if (at < n && begins_with(stack, c->stacks[at])) {
            *keep = c->stacks[at]->n;
            return &g->copies[at];
        }
    }
    return NULL;
}

/* Let plan make use of what is covered; false if it cannot use any of it. */
static bool
use_copies(const struct gradual *g, struct plan *plan)
{
    bool any = false;

    plan_choose_whole(plan);
    for (size_t i = 0; i < plan->n_targets; i++) {
        struct target *t = &plan->targets[i];
        const struct copies *copies =
            t->older == NULL ? NULL : find_copies(g, t->older, i, &t->keep);

        t->is_copied = true;
        t->copies = copies == NULL ? NULL : copies->locs;
        t->n_copies = copies == NULL ? 0 : copies->n;
        any = any || copies != NULL;
    }
    return any;
}

/* The round is over: what it has written is covered, too. */
static enum moss_status
cover(struct gradual *g)
{
    size_t n = g->plan->n_targets;
    struct copies *made = mem_zalloc(n, sizeof *made);

    if (made == NULL)
        return MOSS_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct target *t = &g->plan->targets[i];
        struct segment_loc *locs =
            mem_zalloc(t->n_copies + t->n_added + 1, sizeof *locs);

        if (locs == NULL) {
            free_copies(made, i);
            return MOSS_NOMEM;
        }
        if (t->n_copies > 0)
            memcpy(locs, t->copies, t->n_copies * sizeof *locs);
        if (t->n_added > 0)
            memcpy(locs + t->n_copies, t->added, t->n_added * sizeof *locs);
        made[i].locs = locs;
        made[i].n = t->n_copies + t->n_added;
    }
    if (g->covered != NULL)
        free_copies(g->copies, g->covered->footer->n_colls);
    commit_unref(g->covered);
    g->covered = commit_ref(g->from);
    g->copies = made;
    end_round(g);
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* Rounds                                                             */
/* ------------------------------------------------------------------ */

/*
 * Begin a round over what the store holds.  MOSS_DONE if no more than enough
 * bytes would be left to do; MOSS_NOT_FOUND if nothing covered is there still.
 */
static enum moss_status
begin_round(struct moss_store *s, struct gradual *g, uint64_t enough)
{
    enum moss_status st;

    g->from = store_current(s);
    st = plan_copy(g->from, &g->plan);
    if (st < 0) {
        (void)error_set(&g->err, st, "compact", s->dir, 0);
        end_round(g);
        return st;
    }
    if (!use_copies(g, g->plan) && g->covered != NULL)
        st = MOSS_NOT_FOUND;
    else if (g->covered != NULL && plan_bytes(g->plan) <= enough)
        st = MOSS_DONE;
    if (st != MOSS_OK)
        end_round(g);
    return st;
}

static enum moss_status
begin_target(struct gradual *g, const struct target *t)
{
    enum moss_status st = MOSS_OK;

    if (t->keep > 0) {
        st = segstack_new(NULL, t->older->segs, t->keep, &g->below);
        if (st < 0)
            return error_set(&g->err, st, "merge", g->n.file->path, g->w.pos);
    }
    return segwriting_new(&g->w, t->older->segs + t->keep,
                          t->older->n - t->keep, g->below, &g->writing,
                          &g->err);
}

static enum moss_status
end_target(struct gradual *g, struct target *t, const struct segment_loc *loc)
{
    enum moss_status st = target_add(t, loc);

    if (st < 0)
        return error_set(&g->err, st, "merge", g->n.file->path, g->w.pos);
    segwriting_free(g->writing);
    segstack_unref(g->below);
    g->writing = NULL;
    g->below = NULL;
    g->target++;
    return MOSS_OK;
}

/* Write up to *left bytes of the round.  MOSS_DONE: it is over. */
static enum moss_status
go_on(struct gradual *g, uint64_t *left)
{
    enum moss_status st = MOSS_OK;

    while (st == MOSS_OK && g->target<g->plan->n_targets && * left> 0) {
        struct target *t = &g->plan->targets[g->target];
        struct segment_loc loc;
        uint64_t written = 0;

        if (t->older == NULL || t->older->n == t->keep) {
            g->target++;
            continue;
        }
        if (g->writing == NULL)
            st = begin_target(g, t);
        if (st == MOSS_OK)
            st = segwriting_go_on(g->writing, *left, &written, &loc);
        *left -= written < *left ? written : *left;
        if (st == MOSS_DONE)
            st = end_target(g, t, &loc);
    }
    if (st < 0 || g->target < g->plan->n_targets)
        return st;
    st = cover(g);
    return st < 0 ? error_set(&g->err, st, "compact", g->n.file->path, 0)
                  : MOSS_DONE;
}

/*
 * Write about a slice.  MOSS_DONE: what is left is no more than that.
 * MOSS_NOT_FOUND: it is of no use any more.
 */
static enum moss_status
advance(struct moss_store *s, struct gradual *g, uint64_t slice,
        struct watch *watch)
{
    enum moss_status st = MOSS_OK;
    uint64_t left = slice;

    watch_begin(watch, g->n.file, 0);
    while (st == MOSS_OK && left > 0) {
        if (g->from == NULL)
            st = begin_round(s, g, slice);
        if (st == MOSS_OK) {
            st = go_on(g, &left);
            if (st == MOSS_DONE)
                st = MOSS_OK;
        }
    }
    g->done += slice - left;
    watch_end(watch);
    return st;
}

/* ------------------------------------------------------------------ */
/* From the beginning to the end                                      */
/* ------------------------------------------------------------------ */

static enum moss_status
begin(struct moss_store *s, uint64_t bytes, struct moss_error *err)
{
    struct gradual *g = mem_zalloc(1, sizeof *g);
    struct commit *newest;
    enum moss_status st;

    if (g == NULL)
        return error_set(err, MOSS_NOMEM, "compact", s->dir, 0);
    st = newfile_begin(s, NULL, &g->n, err);
    if (st < 0) {
        newfile_end(s, &g->n);
        mem_free(g);
        return st;
    }
    g->process = sync_process();
    newest = store_current(s);
    g->old_number = newest->number;
    commit_unref(newest);
    g->identity_seq = store_identity(s).seq;
    g->w = store_segwriter(s, g->n.file, g->n.id.nonce, FILE_PAGE);
    count_begin(&g->count, s, bytes);
    g->total = bytes;
    s->gradual = g;
    return MOSS_OK;
}

static bool
may_compact(struct moss_store *s)
{
    return !s->must_rewrite &&
           !atomic_load_explicit(&s->abort, memory_order_relaxed) &&
           atomic_load_explicit(&s->compaction, memory_order_relaxed) ==
               MOSS_COMPACTION_ALLOW;
}

bool
gradual_goes_on(struct moss_store *s)
{
    struct commit *newest;
    bool is_same;

    if (s->gradual == NULL)
        return false;
    newest = store_current(s);
    is_same = newest->number == s->gradual->old_number &&
              store_identity(s).seq == s->gradual->identity_seq;
    commit_unref(newest);
    if (!is_same || !may_compact(s))
        gradual_drop(s);
    return s->gradual != NULL;
}

bool
gradual_is_half_done(const struct moss_store *s)
{
    return s->gradual != NULL && s->gradual->done >= s->gradual->total / 2;
}

bool
gradual_pays(struct moss_store *s, struct plan *plan)
{
    plan_choose_whole(plan);
    return may_compact(s) && plan_bytes(plan) > 2 * s->slice_bytes;
}

/* Write what is left together with plan, and swap the files. */
static enum moss_status
finish(struct moss_store *s, struct plan *plan, struct watch *watch,
       struct moss_snapshot **out, struct moss_error *err)
{
    struct gradual *g = s->gradual;
    struct commit *next = NULL;
    enum moss_status st;

    (void)use_copies(g, plan);
    watch_begin(watch, g->n.file, 0);
    st = plan_write(plan, &g->w, err);
    watch_end(watch);
    store_count(s, &g->w);
    g->n.written = g->w.n_bytes;
    if (st == MOSS_OK)
        st = newfile_commit(s, &g->n, plan, g->w.pos, &next, err);
    if (st == MOSS_OK)
        st = newfile_publish(s, &g->n, &g->count, &next, out, err);
    commit_unref(next);
    return st;
}

/* Operators may refuse later what they combine now: at once is as good. */
static bool
is_refusal(enum moss_status st)
{
    return st == MOSS_NO_OPERATOR || st == MOSS_MERGE_FAILED ||
           st == MOSS_TOO_BIG;
}

static enum moss_status
append(struct moss_store *s, struct plan *plan, struct watch *watch,
       struct moss_snapshot **out, struct moss_error *err)
{
    bool fits;
    enum moss_status st = plan_choose(plan, NULL, 0, &fits);

    return st < 0 ? error_set(err, st, "update", s->dir, 0)
                  : store_append(s, plan, watch, out, err);
}

enum moss_status
gradual_write(struct moss_store *s, struct plan *plan, struct watch *watch,
              struct moss_snapshot **out, struct moss_error *err)
{
    uint64_t slice = SLICE_FACTOR * plan_newer_bytes(plan);
    enum moss_status st = MOSS_OK;

    if (slice < s->slice_bytes)
        slice = s->slice_bytes;
    if (s->gradual == NULL)
        st = begin(s, plan_bytes(plan), err);
    if (st < 0)
        return st;
    st = advance(s, s->gradual, slice, watch);
    if (st == MOSS_OK)
        return append(s, plan, watch, out, err);
    if (st < 0 && err != NULL)
        *err = s->gradual->err;
    if (st == MOSS_DONE)
        st = finish(s, plan, watch, out, err);
    gradual_drop(s);
    if (!is_refusal(st) && st != MOSS_NOT_FOUND &&
        (st != MOSS_ABORTED || s->must_rewrite))
        return st;
    plan_forget(plan); /* what is in the file that was dropped */
    if (is_refusal(st))
        return compact(s, plan, NULL, watch, out, err);
    return append(s, plan, watch, out, err);
}

enum moss_status
gradual_idle(struct moss_store *s, const struct watch *asked,
             struct moss_error *err)
{
    enum moss_status st = MOSS_OK;
    struct commit *newest;
    struct plan *plan = NULL;
    struct watch watch;

    watch_init(&watch, s);
    while (st == MOSS_OK) {
        if (!asked->progress(asked->ctx, 0, 0))
            return MOSS_ABORTED; /* it goes on some other time */
        st = advance(s, s->gradual, IDLE_SLICE, &watch);
    }
    if (st < 0 && err != NULL)
        *err = s->gradual->err;
    if (st == MOSS_DONE) {
        newest = store_current(s);
        st = plan_copy(newest, &plan);
        st = st < 0 ? error_set(err, st, "compact", s->dir, 0)
                    : finish(s, plan, &watch, NULL, err);
        plan_free(plan);
        commit_unref(newest);
    }
    gradual_drop(s);
    return st > 0 || is_refusal(st) ? MOSS_OK : st;
}
