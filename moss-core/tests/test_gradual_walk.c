/*
 * Random walks: full compactions that go on beside updates and all else that a
 * store is asked to do, with failing calls and power cuts.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss.h"
#include "support/fault_os.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/stores.h"

Suite *suite_gradual_walk(void);

#define DIR "/store"
/* The same changes without any compaction, for comparison. */
#define TWIN "/twin"

enum { STEPS = 300, HELD = 4, WALKS = 12 };

static struct mem_os *mem;
static struct fault_os *fault;
static struct driver d, twin;
static struct rng rng;

/* Snapshots of d and of twin, and what they read as. */
static struct moss_snapshot *held[HELD], *twins[HELD];
static char *texts[HELD];

static void
setup(void)
{
    mem = mem_os_new();
    fault = fault_os_new(mem_os_base(mem));
    memset(&d, 0, sizeof d);
    memset(&twin, 0, sizeof twin);
}

static bool
one_of(uint64_t n)
{
    return rng_below(&rng, n) == 0;
}

static void
drop_held(int i)
{
    moss_snapshot_unref(held[i]);
    moss_snapshot_unref(twins[i]);
    free(texts[i]);
    held[i] = twins[i] = NULL;
    texts[i] = NULL;
}

static void
teardown(void)
{
    for (int i = 0; i < HELD; i++)
        drop_held(i);
    driver_close(&d);
    driver_close(&twin);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    fault_os_free(fault);
    mem_os_free(mem);
}

static char *
newest_text(struct driver *of)
{
    struct moss_snapshot *snap = NULL;
    char *text;

    assert_ok(moss_store_snapshot(of->store, &snap));
    text = dump_tree(snap);
    moss_snapshot_unref(snap);
    return text;
}

static void
assert_same(void)
{
    char *got = newest_text(&d), *want = newest_text(&twin);

    ck_assert_msg(strcmp(got, want) == 0, "got %s\nnot %s", got, want);
    free(got);
    free(want);
}

static void
open_both(bool keep_files)
{
    struct moss_store_options o = { .os = fault_os_base(fault),
                                    .merge = &merge_append,
                                    .compaction_buffer_pages = 1,
                                    .compaction_slice_bytes = 300,
                                    .max_dead_bytes = 1,
                                    .keep_files = keep_files };
    struct moss_store_options plain = { .os = mem_os_base(mem),
                                        .merge = &merge_append,
                                        .compaction = MOSS_COMPACTION_DISABLE };

    assert_ok(driver_open(&d, DIR, &o));
    assert_ok(driver_open(&twin, TWIN, &plain));
}

/* Changes, most of them of one key, here or in one of three children. */
static void
make_text(char *text, size_t room)
{
    size_t len = 0;
    uint64_t n = 1 + rng_below(&rng, 6);

    for (uint64_t i = 0; i < n; i++) {
        unsigned kid = (unsigned)rng_below(&rng, 4);
        unsigned k = (unsigned)rng_below(&rng, 30);
        unsigned v = (unsigned)rng_below(&rng, 1000);
        char word[80];

        switch (rng_below(&rng, 8)) {
        case 0:
        case 1:
            (void)snprintf(word, sizeof word, "-k%02u", k);
            break;
        case 2:
            (void)snprintf(word, sizeof word, "k%02u+%u.", k, v);
            break;
        default:
            (void)snprintf(word, sizeof word, "k%02u=%040u", k, v);
        }
        len += kid == 0 ? (size_t)snprintf(text + len, room - len, " %s", word)
                        : (size_t)snprintf(text + len, room - len, " c%u{%s}",
                                           kid, word);
    }
}

/* An update, tried until it works. */
static void
apply(const char *text)
{
    for (int i = 0; driver_apply(&d, text) != MOSS_OK; i++) {
        ck_assert_int_lt(i, 10);
        ck_assert(fault_os_tripped(fault));
    }
    assert_ok(driver_apply(&twin, text));
}

static void
rename_some(void)
{
    char from[8], to[8];
    enum moss_status st;

    (void)snprintf(from, sizeof from, "c%u", (unsigned)rng_below(&rng, 3) + 1);
    (void)snprintf(to, sizeof to, "d%u", (unsigned)rng_below(&rng, 3) + 1);
    st = driver_rename(&twin, from, to);
    if (st != MOSS_OK)
        return;
    for (int i = 0; driver_rename(&d, from, to) != MOSS_OK; i++)
        ck_assert_int_lt(i, 10);
}

static void
hold(int i)
{
    drop_held(i);
    assert_ok(moss_store_snapshot(d.store, &held[i]));
    assert_ok(moss_store_snapshot(twin.store, &twins[i]));
    texts[i] = dump_tree(held[i]);
}

/* What was taken reads as before, whatever became of its file. */
static void
check_held(void)
{
    for (int i = 0; i < HELD; i++) {
        char *text;

        if (held[i] == NULL)
            continue;
        text = dump_tree(held[i]);
        ck_assert_str_eq(text, texts[i]);
        free(text);
    }
}

static void
reopen(void)
{
    struct moss_store_options o = d.options;

    for (int i = 0; i < HELD; i++)
        drop_held(i);
    fault_os_heal(fault);
    driver_close(&d);
    reaper_drain();
    assert_ok(driver_open(&d, DIR, &o));
}

static void
revert_one(struct driver *of, struct moss_snapshot *to)
{
    of->lower->ops->close(of->lower);
    of->lower = NULL;
    assert_ok(moss_store_revert(of->store, to, &of->err));
    assert_ok(moss_store_lower(of->store, &of->lower));
    moss_snapshot_unref(of->newest);
    of->newest = of->lower->initial;
    of->lower->initial = NULL;
}

static void
revert(int i)
{
    if (held[i] == NULL)
        return;
    fault_os_heal(fault);
    revert_one(&d, held[i]);
    revert_one(&twin, twins[i]);
}

static bool
count_down(void *arg)
{
    unsigned *left = arg;

    return *left > 0 && (*left)-- > 0;
}

static void
idle(unsigned asks)
{
    struct moss_snapshot *snap = NULL;

    (void)d.lower->ops->idle(d.lower, one_of(8), count_down, &asks, &snap,
                             &d.err);
    if (snap != NULL) {
        moss_snapshot_unref(d.newest);
        d.newest = snap;
    }
}

static void
compact(enum moss_compact_kind kind)
{
    struct moss_compact_options how = { .kind = kind };
    enum moss_status st = moss_store_compact(d.store, &how, &d.err);

    if (st != MOSS_OK)
        ck_assert(fault_os_tripped(fault));
}

static void
fail_soon(void)
{
    static const enum fault_call calls[] = {
        FAULT_WRITE, FAULT_WRITE,  FAULT_SYNC,     FAULT_OPEN,     FAULT_RENAME,
        FAULT_MAP,   FAULT_REMOVE, FAULT_SYNC_DIR, FAULT_TRUNCATE, FAULT_SIZE
    };

    fault_os_drop_on_sync(fault, one_of(2) ? mem_file_drop_unsynced : NULL);
    fault_os_tear_writes(fault, one_of(2));
    fault_os_fail_nth(fault,
                      calls[rng_below(&rng, sizeof calls / sizeof calls[0])],
                      1 + (unsigned)rng_below(&rng, 12), MOSS_IO, 28);
}

/* After the cut the last update is there, or it is not. */
static void
cut(const char *text)
{
    struct moss_store_options o = d.options, of_twin = twin.options;
    enum moss_status st = MOSS_OK;
    char *got, *want;

    fault_os_cut_at(fault, FAULT_ANY, 1 + (unsigned)rng_below(&rng, 60));
    for (int i = 0; i < HELD; i++)
        drop_held(i);
    for (int i = 0; i < 20 && st == MOSS_OK; i++) {
        st = driver_apply(&d, text);
        if (st == MOSS_OK)
            assert_ok(driver_apply(&twin, text));
    }
    driver_close(&d);
    want = newest_text(&twin);
    driver_close(&twin); /* it is durable */
    reaper_drain();
    mem_os_cut(mem);
    mem_os_restart(mem, (enum mem_crash)rng_below(&rng, 3), rng_next(&rng));
    fault_os_heal(fault);
    assert_ok(driver_open(&d, DIR, &o));
    assert_ok(driver_open(&twin, TWIN, &of_twin));
    got = newest_text(&d);
    if (strcmp(got, want) != 0)
        assert_ok(driver_apply(&twin, text));
    free(got);
    free(want);
}

static void
step(void)
{
    char text[1024];
    uint64_t what = rng_below(&rng, 100);

    make_text(text, sizeof text);
    if (what < 60)
        apply(text);
    else if (what < 65)
        rename_some();
    else if (what < 68)
        apply(one_of(2) ? "!c1 k00=1" : "!d2 !c3 c3{a=1}");
    else if (what < 76)
        hold((int)rng_below(&rng, HELD));
    else if (what < 82)
        idle((unsigned)rng_below(&rng, 8));
    else if (what < 83)
        compact(MOSS_COMPACT_FULL);
    else if (what < 86)
        compact(MOSS_COMPACT_LEVELED);
    else if (what < 88)
        assert_ok(moss_store_set_compaction(d.store,
                                            one_of(3) ? MOSS_COMPACTION_DISABLE
                                                      : MOSS_COMPACTION_ALLOW));
    else if (what < 91)
        revert((int)rng_below(&rng, HELD));
    else if (what < 93)
        reopen();
    else if (what < 98)
        fail_soon();
    else
        cut(text);
    assert_same();
    check_held();
}

START_TEST(nothing_is_lost_and_nothing_comes_back)
{
    uint64_t seed = test_seed((uint64_t)_i + 1);
    int steps = test_rounds(STEPS);

    rng_init(&rng, seed);
    open_both(one_of(3));
    for (int i = 0; i < steps; i++)
        step();
    fault_os_heal(fault);
    reopen();
    assert_same();
}
END_TEST

Suite *
suite_gradual_walk(void)
{
    Suite *s = suite_create("gradual_walk");
    TCase *tc = tcase_create("gradual_walk");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, nothing_is_lost_and_nothing_comes_back, 0, WALKS);
    suite_add_tcase(s, tc);
    return s;
}
