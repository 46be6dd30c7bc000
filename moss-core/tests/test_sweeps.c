/*
 * Sweeps over what a store does besides persisting: leveled and full
 * compactions on demand, forced ones, reverts, with children in all of it.
 * Each call fails once, each allocation fails once, the power is cut at each
 * change.  Whatever happens, what was acknowledged is there, whole.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss.h"
#include "support/fail_alloc.h"
#include "support/fault_os.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/stores.h"
#include "support/toy_kinds.h"

Suite *suite_sweeps(void);

#define DIR "/store"

enum kind { APPLY, LEVELED, FULL, REVERT };

/* What is done, and how many updates the store holds afterwards. */
static const struct action {
    enum kind kind;
    enum moss_compaction compaction; /* of an update */
    const char *text;
    unsigned held;
} actions[] = {
    { APPLY, MOSS_COMPACTION_DISABLE, "a=1 kid{x=1 deep{y=1}}", 1 },
    { APPLY, MOSS_COMPACTION_DISABLE, "b=2 a+2 kid{x+2}", 2 },
    { APPLY, MOSS_COMPACTION_DISABLE, "-b kid{deep{y+3 z=3}}", 3 },
    { LEVELED, MOSS_COMPACTION_ALLOW, NULL, 3 },
    { APPLY, MOSS_COMPACTION_ALLOW, "c=4 kid{-x}", 4 },
    { FULL, MOSS_COMPACTION_ALLOW, NULL, 4 },
    { APPLY, MOSS_COMPACTION_DISABLE, "a+5 !kid new{k=5}", 5 },
    { REVERT, MOSS_COMPACTION_ALLOW, NULL, 5 },
    { APPLY, MOSS_COMPACTION_FORCE, "a+6 new{k+6}", 6 },
    { APPLY, MOSS_COMPACTION_DISABLE, "d=7 new{-k}", 7 },
    { FULL, MOSS_COMPACTION_ALLOW, NULL, 7 },
};
enum { ACTIONS = sizeof actions / sizeof *actions };

static const char *const states[] = {
    "",
    "a=1 kid{x=1 deep{y=1}}",
    "a=12 b=2 kid{x=12 deep{y=1}}",
    "a=12 kid{x=12 deep{y=13 z=3}}",
    "a=12 c=4 kid{deep{y=13 z=3}}",
    "a=125 c=4 new{k=5}",
    "a=1256 c=4 new{k=56}",
    "a=1256 c=4 d=7 new{}",
};

/* Segments are of another kind with every action, not only Go moss's. */
static bool all_kinds;

static struct moss_store_options
options(struct moss_os *os, enum moss_compaction compaction, size_t i)
{
    static const char *const names[] = { "rle", NULL, "veil" };

    return (struct moss_store_options){
        .os = os,
        .merge = &merge_append,
        .compaction = compaction,
        .kinds = toy_kinds,
        .n_kinds = TOY_KINDS,
        .persist_kind = all_kinds ? names[i % 3] : NULL,
    };
}

static enum moss_status
compact(struct driver *d, enum moss_compact_kind kind)
{
    struct moss_compact_options o = { .kind = kind };

    return moss_store_compact(d->store, &o, &d->err);
}

/* The batches are made before memory is short. */
static enum moss_status
act(struct moss_os *os, const struct action *a, const struct moss_batch *batch)
{
    struct moss_store_options o =
        options(os, a->compaction, (size_t)(a - actions));
    struct driver d;
    enum moss_status st = driver_open(&d, DIR, &o);

    if (st == MOSS_OK && a->kind == APPLY)
        st = driver_apply_batch(&d, batch,
                                (struct moss_tag){ a->held, 100 * a->held });
    else if (st == MOSS_OK && a->kind == REVERT) {
        d.lower->ops->close(d.lower);
        d.lower = NULL;
        st = moss_store_revert(d.store, d.newest, &d.err);
    } else if (st == MOSS_OK) {
        st = compact(&d, a->kind == FULL ? MOSS_COMPACT_FULL
                                         : MOSS_COMPACT_LEVELED);
    }
    driver_close(&d);
    reaper_drain();
    return st;
}

/* How many updates the store holds; at least that many, at most one more. */
static unsigned
check_held(struct moss_os *os, unsigned acknowledged)
{
    struct moss_store_options o = options(os, MOSS_COMPACTION_ALLOW, 0);
    struct driver d;
    unsigned n;

    assert_ok(driver_open(&d, DIR, &o));
    n = (unsigned)moss_snapshot_tag(d.newest).n;
    ck_assert_uint_ge(n, acknowledged);
    ck_assert_uint_le(n, acknowledged + 1);
    assert_tree(d.newest, states[n]);
    driver_close(&d);
    reaper_drain();
    return n;
}

static void
make_batches(struct moss_batch **batches)
{
    for (size_t i = 0; i < ACTIONS; i++)
        batches[i] = actions[i].text == NULL ? NULL : batch_of(actions[i].text);
}

static void
free_batches(struct moss_batch **batches)
{
    for (size_t i = 0; i < ACTIONS; i++)
        moss_batch_free(batches[i]);
}

/* False if the power stayed on. */
static bool
cut_power_at(unsigned n, enum mem_crash how)
{
    struct mem_os *mem = mem_os_new();
    struct moss_os *os = mem_os_base(mem);
    struct moss_batch *batches[ACTIONS];
    bool was_cut = false;
    unsigned held = 0;

    make_batches(batches);
    mem_os_cut_at(mem, MEM_CUT_CHANGE, n);
    for (size_t i = 0; i < ACTIONS; i++) {
        enum moss_status st = act(os, &actions[i], batches[i]);

        if (mem_os_is_off(mem)) {
            was_cut = true;
            mem_os_restart(mem, how, n);
            held = check_held(os, st == MOSS_OK ? actions[i].held : held);
            st = held == actions[i].held && actions[i].kind == APPLY
                     ? MOSS_OK
                     : act(os, &actions[i], batches[i]);
        }
        assert_ok(st);
        held = actions[i].held;
    }
    mem_os_cut_at(mem, MEM_CUT_CHANGE, 0);
    ck_assert_uint_eq(check_held(os, 7), 7);
    free_batches(batches);
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
    return was_cut;
}

START_TEST(power_cut_during_compactions_keeps_a_whole_state)
{
    unsigned n = 1;

    all_kinds = _i >= 3;
    while (cut_power_at(n, (enum mem_crash)(_i % 3)))
        n++;
    printf("sweeps: %u power cuts\n", n - 1);
    ck_assert_uint_gt(n, 100);
}
END_TEST

/* Do all of it; what fails is tried again, unless it is found to be there. */
static void
live(struct moss_os *os, struct moss_batch **batches)
{
    unsigned held = 0;
    int failures = 0;

    for (size_t i = 0; i < ACTIONS; i++) {
        while (act(os, &actions[i], batches[i]) != MOSS_OK) {
            ck_assert_int_lt(failures++, 2);
            held = check_held(os, held);
            if (held == actions[i].held && actions[i].kind == APPLY)
                break;
        }
        held = actions[i].held;
    }
}

static bool
fail_call(unsigned n)
{
    struct mem_os *mem = mem_os_new();
    struct fault_os *fault = fault_os_new(mem_os_base(mem));
    struct moss_batch *batches[ACTIONS];
    bool tripped;

    make_batches(batches);
    fault_os_tear_writes(fault, true);
    fault_os_drop_on_sync(fault, mem_file_drop_unsynced);
    fault_os_fail_nth(fault, FAULT_ANY, n, MOSS_IO, 5);
    live(fault_os_base(fault), batches);
    tripped = fault_os_tripped(fault);
    free_batches(batches);
    /* What was acknowledged is durable. */
    mem_os_cut(mem);
    mem_os_restart(mem, MEM_CRASH_DROP, 1);
    ck_assert_uint_eq(check_held(mem_os_base(mem), 7), 7);
    fault_os_free(fault);
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
    return tripped;
}

START_TEST(failed_call_during_compactions_is_overcome)
{
    unsigned n = 1;

    all_kinds = _i == 1;
    while (fail_call(n))
        n++;
    printf("sweeps: %u failed calls\n", n - 1);
    ck_assert_uint_gt(n, 100);
}
END_TEST

START_TEST(failed_allocation_during_compactions_is_overcome)
{
    bool tripped = true;
    uint64_t n;

    all_kinds = _i == 1;
    reaper_drain();
    for (n = 1; tripped; n++) {
        struct mem_os *mem = mem_os_new();
        struct moss_batch *batches[ACTIONS];

        make_batches(batches);
        fail_alloc_install();
        fail_alloc_nth(n);
        live(mem_os_base(mem), batches);
        tripped = fail_alloc_tripped();
        fail_alloc_remove();
        free_batches(batches);
        ck_assert_uint_eq(check_held(mem_os_base(mem), 7), 7);
        ck_assert_uint_eq(mem_os_open_files(mem), 0);
        mem_os_free(mem);
    }
    printf("sweeps: %llu failed allocations\n", (unsigned long long)n - 2);
    ck_assert_uint_gt(n, 300);
}
END_TEST

Suite *
suite_sweeps(void)
{
    Suite *s = suite_create("sweeps");
    TCase *tc = tcase_create("sweeps");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, power_cut_during_compactions_keeps_a_whole_state, 0,
                        6);
    tcase_add_loop_test(tc, failed_call_during_compactions_is_overcome, 0, 2);
    tcase_add_loop_test(tc, failed_allocation_during_compactions_is_overcome, 0,
                        2);
    suite_add_tcase(s, tc);
    return s;
}
