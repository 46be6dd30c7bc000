/*
 * A store whose system fails: each call once, each allocation once, the power
 * at every change.  Whatever happens, a store that opens again holds a whole
 * state, and never less than what was acknowledged.
 */
#include <check.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/reaper.h"
#include "moss.h"
#include "support/fail_alloc.h"
#include "support/fault_os.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/stores.h"

Suite *suite_store_faults(void);

#define DIR "/store"

/* What is done to the store, and what it reads as after each step. */
struct step {
    const char *text;
    bool compact;
};
static const struct step steps[] = {
    { "a=1 kid{x=1}", false },     { "b=2 k+1", false },
    { "-a kid{deep{y=2}}", true }, { "k+2 c=3", false },
    { "k+3 !kid", true },          { "d=4 new{z=5}", false },
};
#define N_STEPS (sizeof steps / sizeof *steps)
static const char *const states[] = {
    "",
    "a=1 kid{x=1}",
    "a=1 b=2 k=1 kid{x=1}",
    "b=2 k=1 kid{x=1 deep{y=2}}",
    "b=2 c=3 k=12 kid{x=1 deep{y=2}}",
    "b=2 c=3 k=123",
    "b=2 c=3 d=4 k=123 new{z=5}",
};

static struct moss_store_options
options(struct moss_os *os, bool compact)
{
    struct moss_store_options o = { .os = os,
                                    .merge = &merge_append,
                                    .compaction = compact
                                                      ? MOSS_COMPACTION_FORCE
                                                      : MOSS_COMPACTION_ALLOW };

    return o;
}

/* Open anew for one step.  MOSS_OK: it is acknowledged. */
static enum moss_status
take_step(struct moss_os *os, const struct step *step)
{
    struct moss_store_options o = options(os, step->compact);
    struct driver d;
    enum moss_status st = driver_open(&d, DIR, &o);

    if (st == MOSS_OK)
        st = driver_apply(&d, step->text);
    driver_close(&d);
    return st;
}

/* The number of steps that the store holds; it must be one of the two. */
static size_t
steps_held(struct moss_os *os, size_t acknowledged)
{
    struct moss_store_options o = options(os, false);
    struct driver d;
    char *text;
    size_t n;

    assert_ok(driver_open(&d, DIR, &o));
    text = dump_tree(d.newest);
    n = (size_t)moss_snapshot_tag(d.newest).n;
    ck_assert_msg(n == acknowledged || n == acknowledged + 1,
                  "%zu steps acknowledged, the store holds %zu", acknowledged,
                  n);
    ck_assert_str_eq(text, states[n]);
    free(text);
    driver_close(&d);
    return n;
}

/* ------------------------------------------------------------------ */
/* Power cuts                                                         */
/* ------------------------------------------------------------------ */

/*
 * Take all steps and cut the power at the n-th change or sync; then crash as
 * told and go on to the end.  False if the power stayed on.
 */
static bool
cut_and_go_on(enum mem_cut what, unsigned n, enum mem_crash how, uint64_t seed)
{
    struct mem_os *mem = mem_os_new();
    struct moss_os *os = mem_os_base(mem);
    bool was_cut = false;

    mem_os_cut_at(mem, what, n);
    for (size_t i = 0; i < N_STEPS;) {
        enum moss_status st = take_step(os, &steps[i]);

        reaper_drain();
        if (!mem_os_is_off(mem)) {
            assert_ok(st);
            i++;
            continue;
        }
        ck_assert(!was_cut);
        was_cut = true;
        mem_os_restart(mem, how, seed);
        i = steps_held(os, st == MOSS_OK ? i + 1 : i);
    }
    mem_os_cut_at(mem, what, 0);
    ck_assert_uint_eq(steps_held(os, N_STEPS), N_STEPS);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
    return was_cut;
}

START_TEST(power_cut_at_any_change_keeps_a_whole_state)
{
    unsigned n = 1;

    while (cut_and_go_on(MEM_CUT_CHANGE, n, (enum mem_crash)_i, n))
        n++;
    ck_assert_uint_gt(n, 60);
}
END_TEST

START_TEST(torn_writes_keep_a_whole_state)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        unsigned n = 1;

        while (cut_and_go_on(MEM_CUT_SYNC, n, MEM_CRASH_TEAR, seed * 1000 + n))
            n++;
        ck_assert_uint_gt(n, 15);
    }
}
END_TEST

START_TEST(state_left_by_a_killed_process_is_made_durable_when_opened)
{
    /* Killed at each call; the next process only looks; the power fails. */
    bool was_killed = true;

    for (unsigned n = 1; was_killed; n++) {
        struct mem_os *mem = mem_os_new();
        struct fault_os *fault = fault_os_new(mem_os_base(mem));
        size_t held, i = 0;

        fault_os_cut_at(fault, FAULT_ANY, n);
        while (i < N_STEPS &&
               take_step(fault_os_base(fault), &steps[i]) == MOSS_OK)
            i++;
        reaper_drain();
        was_killed = fault_os_tripped(fault);
        held = steps_held(mem_os_base(mem), i);
        reaper_drain();
        mem_os_cut(mem);
        mem_os_restart(mem, MEM_CRASH_DROP, 1);
        ck_assert_uint_eq(steps_held(mem_os_base(mem), held), held);
        reaper_drain();
        fault_os_free(fault);
        mem_os_free(mem);
    }
}
END_TEST

/* ------------------------------------------------------------------ */
/* Failing calls                                                      */
/* ------------------------------------------------------------------ */

/*
 * A store's life: all steps, opened anew on the way, a look at its history,
 * another home, a revert.  What fails is tried again.
 */
struct life {
    struct moss_store_options options;
    struct moss_batch *batches[N_STEPS];
    struct driver d;
    int failures;
};

static bool
has_failed(struct life *l, enum moss_status st)
{
    if (st >= 0)
        return false;
    ck_assert_int_lt(l->failures++, 3);
    return true;
}

static void
open_again(struct life *l)
{
    driver_close(&l->d);
    while (has_failed(l, driver_open(&l->d, DIR, &l->options)))
        driver_close(&l->d);
}

static void
take_steps(struct life *l, size_t from, size_t to)
{
    for (size_t i = from; i < to;) {
        struct moss_tag tag = { i + 1, 100 * (i + 1) };
        struct moss_snapshot *before = l->d.newest;

        if (!has_failed(l, driver_apply_batch(&l->d, l->batches[i], tag)))
            i++;
        else
            ck_assert_ptr_eq(l->d.newest, before);
    }
}

static void
look_back(struct life *l)
{
    struct moss_snapshot *older = NULL;
    enum moss_status st;

    do {
        st = moss_store_previous(l->d.store, l->d.newest, &older, &l->d.err);
    } while (has_failed(l, st));
    ck_assert(st == MOSS_NOT_FOUND || moss_snapshot_tag(older).n == 2);
    moss_snapshot_unref(older);
}

static void
live(struct life *l)
{
    open_again(l);
    take_steps(l, 0, 3);
    open_again(l);
    look_back(l);
    while (has_failed(
        l, moss_store_set_home(l->d.store, "/home", 1, 2, &l->d.err)))
        continue;
    take_steps(l, 3, N_STEPS);
    l->d.lower->ops->close(l->d.lower);
    l->d.lower = NULL;
    while (has_failed(l, moss_store_revert(l->d.store, l->d.newest, &l->d.err)))
        continue;
    driver_close(&l->d);
}

static void
life_begin(struct life *l, struct moss_os *os, bool compact)
{
    memset(l, 0, sizeof *l);
    l->options = options(os, compact);
    for (size_t i = 0; i < N_STEPS; i++)
        l->batches[i] = batch_of(steps[i].text);
}

static void
life_end(struct life *l)
{
    for (size_t i = 0; i < N_STEPS; i++)
        moss_batch_free(l->batches[i]);
    reaper_drain();
}

/* Let the n-th such call fail; false if it was not reached. */
static bool
fail_and_go_on(enum fault_call call, unsigned n, bool compact)
{
    struct mem_os *mem = mem_os_new();
    struct fault_os *fault = fault_os_new(mem_os_base(mem));
    struct life l;
    bool tripped;

    life_begin(&l, fault_os_base(fault), compact);
    fault_os_tear_writes(fault, true);
    fault_os_drop_on_sync(fault, mem_file_drop_unsynced);
    fault_os_fail_nth(fault, call, n, MOSS_IO, 5);
    live(&l);
    tripped = fault_os_tripped(fault);
    fault_os_heal(fault);
    life_end(&l);
    /* What was acknowledged is durable. */
    mem_os_cut(mem);
    mem_os_restart(mem, MEM_CRASH_DROP, 1);
    ck_assert_uint_eq(steps_held(mem_os_base(mem), N_STEPS), N_STEPS);
    reaper_drain();
    fault_os_free(fault);
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
    return tripped;
}

START_TEST(any_failed_call_is_reported_and_overcome)
{
    unsigned n = 1;

    while (fail_and_go_on(FAULT_ANY, n, _i == 1))
        n++;
    ck_assert_uint_gt(n, 30);
}
END_TEST

START_TEST(failed_sync_moves_the_store_to_a_new_file)
{
    struct mem_os *mem = mem_os_new();
    struct fault_os *fault = fault_os_new(mem_os_base(mem));
    struct moss_store_options o = options(fault_os_base(fault), false);
    struct driver d;

    o.compaction = MOSS_COMPACTION_DISABLE;
    assert_ok(driver_open(&d, DIR, &o));
    assert_ok(driver_apply(&d, "a=1 kid{b=2}"));
    fault_os_fail_nth(fault, FAULT_SYNC, (unsigned)_i + 1, MOSS_IO, 5);
    assert_status(driver_apply(&d, "c=3"), MOSS_IO);
    ck_assert_str_eq(driver_stats(&d).data_file, "data-0000000000000001.moss");
    assert_ok(driver_apply(&d, "c=3"));
    ck_assert_str_eq(driver_stats(&d).data_file, "data-0000000000000002.moss");
    assert_ok(driver_apply(&d, "d=4"));
    ck_assert_str_eq(driver_stats(&d).data_file, "data-0000000000000002.moss");
    driver_close(&d);
    assert_store(o.os, DIR, "a=1 c=3 d=4 kid{b=2}");
    reaper_drain();
    fault_os_free(fault);
    mem_os_free(mem);
}
END_TEST

START_TEST(history_leaves_out_what_was_not_acknowledged)
{
    struct mem_os *mem = mem_os_new();
    struct fault_os *fault = fault_os_new(mem_os_base(mem));
    struct moss_store_options o = options(fault_os_base(fault), false);
    struct moss_snapshot *older = NULL;
    struct driver d;

    o.keep_files = true;
    assert_ok(driver_open(&d, DIR, &o));
    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(driver_apply(&d, "a=2"));
    /* Its footer is in the file, whole. */
    fault_os_fail_nth(fault, FAULT_SYNC, 2, MOSS_IO, 5);
    assert_status(driver_apply(&d, "a=3"), MOSS_IO);
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    for (int i = 0; i < 2; i++) {
        moss_snapshot_unref(d.newest);
        assert_ok(moss_store_snapshot(d.store, &d.newest));
        assert_tree(d.newest, "a=2");
        assert_ok(moss_store_previous(d.store, d.newest, &older, &d.err));
        assert_tree(older, "a=2");
        moss_snapshot_unref(d.newest);
        d.newest = older;
        assert_ok(moss_store_previous(d.store, d.newest, &older, &d.err));
        assert_tree(older, "a=1");
        moss_snapshot_unref(older);
        driver_close(&d);
        assert_ok(driver_open(&d, DIR, &o));
    }
    driver_close(&d);
    reaper_drain();
    fault_os_free(fault);
    mem_os_free(mem);
}
END_TEST

START_TEST(home_can_change_after_a_failed_sync)
{
    struct mem_os *mem = mem_os_new();
    struct fault_os *fault = fault_os_new(mem_os_base(mem));
    struct moss_store_options o = options(fault_os_base(fault), false);
    struct moss_store_identity id;
    struct driver d;

    assert_ok(driver_open(&d, DIR, &o));
    assert_ok(driver_apply(&d, "a=1 kid{b=2}"));
    fault_os_fail_nth(fault, FAULT_SYNC, 1, MOSS_IO, 5);
    assert_status(driver_apply(&d, "c=3"), MOSS_IO);
    assert_ok(moss_store_set_home(d.store, "/new", 1, 2, &d.err));
    ck_assert_str_eq(driver_stats(&d).data_file, "data-0000000000000002.moss");
    assert_ok(driver_apply(&d, "d=4"));
    driver_close(&d);
    assert_ok(driver_open(&d, DIR, &o));
    moss_store_identity(d.store, &id);
    ck_assert_str_eq(id.home_path, "/new");
    assert_tree(d.newest, "a=1 d=4 kid{b=2}");
    driver_close(&d);
    reaper_drain();
    fault_os_free(fault);
    mem_os_free(mem);
}
END_TEST

START_TEST(full_disk_does_not_grow_the_file)
{
    struct mem_os *mem = mem_os_new();
    struct fault_os *fault = fault_os_new(mem_os_base(mem));
    struct moss_store_options o = options(fault_os_base(fault), false);
    struct driver d;
    struct moss_file *f = NULL;
    uint64_t before, after;
    char *path;

    o.compaction = MOSS_COMPACTION_DISABLE; /* which would be left out */
    assert_ok(driver_open(&d, DIR, &o));
    assert_ok(driver_apply(&d, "a=1"));
    path = driver_data_path(&d);
    assert_ok(o.os->ops->open(o.os, path, MOSS_OPEN_READ, &f));
    assert_ok(f->ops->size(f, &before));
    for (unsigned n = 1; n <= 3; n++) {
        /* The entries, the bytes, the footer. */
        fault_os_fail_nth(fault, FAULT_WRITE, n, MOSS_FULL, 28);
        assert_status(driver_apply(&d, "b=2"), MOSS_FULL);
        assert_ok(f->ops->size(f, &after));
        ck_assert_uint_eq(after, before);
        assert_tree(d.newest, "a=1");
    }
    assert_ok(driver_apply(&d, "b=2"));
    driver_close(&d);
    assert_store(o.os, DIR, "a=1 b=2");
    f->ops->close(f);
    free(path);
    reaper_drain();
    fault_os_free(fault);
    mem_os_free(mem);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Memory                                                             */
/* ------------------------------------------------------------------ */

START_TEST(any_failed_allocation_is_reported_and_overcome)
{
    bool tripped = true;
    uint64_t n;

    fail_alloc_install();
    for (n = 1; tripped; n++) {
        struct mem_os *mem = mem_os_new();
        struct life l;

        /* Batches are made before memory is short. */
        life_begin(&l, mem_os_base(mem), _i == 1);
        fail_alloc_nth(n);
        live(&l);
        tripped = fail_alloc_tripped();
        fail_alloc_nth(0);
        life_end(&l);
        ck_assert_uint_eq(steps_held(mem_os_base(mem), N_STEPS), N_STEPS);
        reaper_drain();
        ck_assert_uint_eq(mem_os_open_files(mem), 0);
        mem_os_free(mem);
    }
    ck_assert_uint_gt(n, 300);
    fail_alloc_remove();
}
END_TEST

static void
do_nothing(struct reap *r)
{
    (void)r;
}

START_TEST(nothing_is_leaked)
{
    struct reap r;
    int64_t before = 0;

    /* The reaper's thread frees what it was started with. */
    reaper_defer(&r, do_nothing);
    reaper_drain();
    fail_alloc_install();
    /* The first round makes what is kept for the process. */
    for (int round = 0; round < 2; round++) {
        struct mem_os *mem = mem_os_new();
        struct life l;

        before = fail_alloc_live();
        life_begin(&l, mem_os_base(mem), _i == 1);
        live(&l);
        life_end(&l);
        arena_trim();
        mem_os_free(mem);
    }
    ck_assert_int_eq(fail_alloc_live(), before);
    fail_alloc_remove();
}
END_TEST

Suite *
suite_store_faults(void)
{
    Suite *s = suite_create("store_faults");
    TCase *tc = tcase_create("power"), *calls = tcase_create("calls");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, power_cut_at_any_change_keeps_a_whole_state, 0, 3);
    tcase_add_test(tc, torn_writes_keep_a_whole_state);
    tcase_add_test(tc,
                   state_left_by_a_killed_process_is_made_durable_when_opened);
    suite_add_tcase(s, tc);
    tcase_set_timeout(calls, 120);
    tcase_add_loop_test(calls, any_failed_call_is_reported_and_overcome, 0, 2);
    tcase_add_loop_test(calls, failed_sync_moves_the_store_to_a_new_file, 0, 2);
    tcase_add_test(calls, home_can_change_after_a_failed_sync);
    tcase_add_test(calls, history_leaves_out_what_was_not_acknowledged);
    tcase_add_test(calls, full_disk_does_not_grow_the_file);
    tcase_add_loop_test(calls, any_failed_allocation_is_reported_and_overcome,
                        0, 2);
    tcase_add_loop_test(calls, nothing_is_leaked, 0, 2);
    suite_add_tcase(s, calls);
    return s;
}
