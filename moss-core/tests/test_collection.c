/* Collections as a whole: open, execute, read, close. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/coll.h"
#include "support/forget.h"
#include "support/operators.h"

static struct moss_collection *
open_in_memory(void)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct moss_collection *c;

    assert_ok(moss_collection_open(&options, NULL, &c));
    return c;
}

static void
close_now(struct moss_collection *c)
{
    assert_ok(moss_collection_close(c, 0, NULL));
}

START_TEST(new_collection_is_empty)
{
    struct moss_collection *c = open_in_memory();

    assert_collection(c, "");
    assert_get(c, "a", "(none)");
    ck_assert(moss_tag_equal(moss_collection_tag(c), tag_of(0)));
    close_now(c);
}
END_TEST

START_TEST(get_returns_newest_value)
{
    struct moss_collection *c = open_in_memory();

    run(c, "a=1 b=1 c=1");
    run(c, "a=2 -b");
    assert_get(c, "a", "2");
    assert_get(c, "b", "(none)");
    assert_get(c, "c", "1");
    assert_collection(c, "a=2 c=1");
    close_now(c);
}
END_TEST

/* The value is the caller's: neither merges nor close touch it. */
START_TEST(value_outlives_the_collection)
{
    struct moss_collection *c = open_in_memory();
    struct moss_value value;

    run(c, "a=old");
    assert_ok(moss_collection_get(c, moss_str("a"), &value));
    run(c, "a=new");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    close_now(c);
    assert_slice(value.bytes, "old");
    moss_value_release(&value);
}
END_TEST

START_TEST(empty_value_is_found)
{
    struct moss_collection *c = open_in_memory();
    struct moss_value value;

    run(c, "a=");
    assert_ok(moss_collection_get(c, moss_str("a"), &value));
    ck_assert_uint_eq(value.bytes.len, 0);
    moss_value_release(&value);
    close_now(c);
}
END_TEST

START_TEST(snapshot_does_not_change)
{
    struct moss_collection *c = open_in_memory();
    struct moss_snapshot *snap;

    run(c, "a=1 kid{x=1}");
    assert_ok(moss_collection_snapshot(c, &snap));
    run(c, "a=2 b=2 !kid");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_tree(snap, "a=1 kid{x=1}");
    close_now(c);
    assert_tree(snap, "a=1 kid{x=1}");
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(snapshot_is_reused_until_a_batch_comes)
{
    struct moss_collection *c = open_in_memory();
    struct moss_snapshot *first, *same, *other;
    uint64_t generation;

    run(c, "a=1");
    generation = moss_collection_generation(c);
    assert_ok(moss_collection_snapshot(c, &first));
    assert_ok(moss_collection_snapshot(c, &same));
    ck_assert_ptr_eq(first, same);
    ck_assert_uint_eq(moss_collection_generation(c), generation);
    run(c, "a=2");
    ck_assert_uint_ne(moss_collection_generation(c), generation);
    assert_ok(moss_collection_snapshot(c, &other));
    ck_assert_ptr_ne(first, other);
    moss_snapshot_unref(first);
    moss_snapshot_unref(same);
    moss_snapshot_unref(other);
    close_now(c);
}
END_TEST

START_TEST(empty_batch_without_tag_changes_nothing)
{
    struct over_toy o;
    uint64_t generation;

    over_toy_open(&o, NULL);
    generation = moss_collection_generation(o.c);
    run(o.c, "");
    ck_assert_uint_eq(moss_collection_generation(o.c), generation);
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    ck_assert_uint_eq(toy_updates(o.toy), 0);
    over_toy_close(&o);
}
END_TEST

START_TEST(empty_batch_with_tag_is_persisted)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run_tagged(o.c, 7, "");
    ck_assert(moss_tag_equal(moss_collection_tag(o.c), tag_of(7)));
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    ck_assert(moss_tag_equal(moss_collection_persisted_tag(o.c), tag_of(7)));
    over_toy_reopen(&o);
    ck_assert(moss_tag_equal(moss_collection_tag(o.c), tag_of(7)));
    ck_assert(moss_tag_equal(moss_collection_persisted_tag(o.c), tag_of(7)));
    over_toy_close(&o);
}
END_TEST

/* An untagged batch keeps the newest tag; snapshots carry theirs. */
START_TEST(snapshot_carries_newest_tag)
{
    struct moss_collection *c = open_in_memory();
    struct moss_snapshot *snap;

    run_tagged(c, 1, "a=1");
    run(c, "a=2");
    assert_ok(moss_collection_snapshot(c, &snap));
    ck_assert(moss_tag_equal(moss_snapshot_tag(snap), tag_of(1)));
    moss_snapshot_unref(snap);
    close_now(c);
}
END_TEST

/*
 * A get after set, merge and delete; _i says which of them are
 * merged or persisted before the read.
 */
START_TEST(delete_hides_set_and_operands)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct over_toy o;

    over_toy_open(&o, &options);
    for (int step = 0; step < 3; step++) {
        static const char *const texts[] = { "a=1", "a+2", "-a" };
        static const char *const gets[] = { "1", "12", "(none)" };

        run(o.c, texts[step]);
        if (_i >> step & 1)
            assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
        assert_get(o.c, "a", gets[step]);
    }
    run(o.c, "a+3");
    assert_get(o.c, "a", "3");
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_get(o.c, "a", "3");
    assert_toy(&o, "a=3");
    over_toy_close(&o);
}
END_TEST

/* The value in the lower level counts under operands above it. */
START_TEST(operands_apply_to_persisted_value)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct over_toy o;

    over_toy_open(&o, &options);
    run(o.c, "a=1");
    over_toy_reopen(&o);
    toy_hold(o.toy);
    run(o.c, "a+2");
    assert_get(o.c, "a", "12");
    toy_wait_held(o.toy); /* the operand is in base */
    run(o.c, "a+3");
    assert_get(o.c, "a", "123");
    toy_let_go(o.toy);
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    assert_get(o.c, "a", "123");
    assert_toy(&o, "a=123");
    over_toy_close(&o);
}
END_TEST

/* Neither what get keeps nor the lower level's first snapshot pins it. */
START_TEST(old_lower_snapshots_are_let_go)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "a=1");
    over_toy_reopen(&o);
    assert_get(o.c, "a", "1");
    assert_collection(o.c, "a=1");
    run(o.c, "b=2");
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    ck_assert_uint_eq(toy_nodes(o.toy), 1);
    over_toy_close(&o);
}
END_TEST

START_TEST(operand_without_operator_is_refused)
{
    struct moss_batch *batch = batch_of("a+1");
    struct moss_collection *c;

    assert_ok(moss_collection_open(NULL, NULL, &c));
    assert_status(moss_collection_execute(c, batch), MOSS_NO_OPERATOR);
    assert_collection(c, "");
    moss_batch_free(batch);
    close_now(c);
}
END_TEST

START_TEST(stats_count_children)
{
    struct moss_collection_stats stats;
    struct over_toy o;

    over_toy_open(&o, NULL);
    toy_hold(o.toy);
    run(o.c, "kid{a=1 b=2 grandkid{c=3}}");
    moss_collection_stats(o.c, &stats);
    ck_assert_uint_eq(stats.batches, 1);
    ck_assert_uint_eq(stats.ops, 3);
    ck_assert_uint_eq(stats.dirty_ops, 3);
    ck_assert_uint_gt(stats.dirty_bytes, 0);
    ck_assert_uint_eq(
        stats.top_segments + stats.mid_segments + stats.base_segments, 2);
    toy_let_go(o.toy);
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    moss_collection_stats(o.c, &stats);
    ck_assert_uint_eq(stats.dirty_ops + stats.dirty_bytes, 0);
    ck_assert_uint_eq(stats.persists, 1);
    over_toy_close(&o);
}
END_TEST

/* ---------------------------------------------------------------- close */

/* What is not persisted yet is not dropped by a close. */
START_TEST(close_persists)
{
    struct moss_collection_options options = { .persist_delay_ms = 1000000 };
    struct over_toy o;

    over_toy_open(&o, &options);
    run(o.c, "a=1 kid{b=2}");
    assert_ok(moss_collection_close(o.c, MOSS_FOREVER, NULL));
    o.c = NULL;
    assert_toy(&o, "a=1 kid{b=2}");
    ck_assert_uint_eq(toy_closes(o.toy), 1);
    ck_assert_uint_eq(o.heard.close_start, 1);
    ck_assert_uint_eq(o.heard.closed, 1);
    over_toy_close(&o);
}
END_TEST

START_TEST(close_reports_what_is_not_persisted)
{
    struct moss_error err;
    struct over_toy o;

    over_toy_open(&o, NULL);
    toy_fail_next(o.toy, UINT32_MAX, MOSS_FULL);
    run(o.c, "a=1");
    heard_wait_errors(&o.heard, 1);
    assert_status(moss_collection_close(o.c, 20, &err), MOSS_FULL);
    ck_assert_int_eq(err.status, MOSS_FULL);
    ck_assert_str_eq(err.what, "toy");
    o.c = NULL;
    assert_toy(&o, "");
    ck_assert_uint_eq(toy_closes(o.toy), 1);
    over_toy_close(&o);
}
END_TEST

START_TEST(close_keeps_trying)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    toy_fail_next(o.toy, 3, MOSS_IO);
    run(o.c, "a=1");
    assert_ok(moss_collection_close(o.c, MOSS_FOREVER, NULL));
    o.c = NULL;
    assert_toy(&o, "a=1");
    ck_assert_uint_eq(toy_updates(o.toy), 4);
    over_toy_close(&o);
}
END_TEST

START_TEST(failed_open_leaves_the_lower_level_alone)
{
    struct moss_collection_options options = { .recent_snapshots = SIZE_MAX };
    struct toy *toy = toy_new(NULL);
    struct moss_lower *lower = toy_lower(toy);
    struct moss_collection *c;

    assert_status(moss_collection_open(&options, lower, &c), MOSS_NOMEM);
    ck_assert_uint_eq(toy_closes(toy), 0);
    assert_ok(moss_collection_open(NULL, lower, &c));
    close_now(c);
    toy_free(toy);
}
END_TEST

/* ----------------------------------------------------------------- fork */

/* The exit status of a child process that calls work(). */
static int
in_child(int (*work)(struct over_toy *o), struct over_toy *o)
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(work(o));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
use_in_child(struct over_toy *o)
{
    struct moss_batch *batch = batch_of("b=2");
    struct moss_snapshot *snap;
    struct moss_prepared *p;
    struct moss_value value;

    if (moss_collection_execute(o->c, batch) != MOSS_FORKED ||
        moss_collection_prepare(o->c, batch, 0, &p) != MOSS_FORKED ||
        moss_collection_snapshot(o->c, &snap) != MOSS_FORKED ||
        moss_collection_get(o->c, moss_str("a"), &value) != MOSS_FORKED ||
        moss_collection_flush(o->c, 0, NULL) != MOSS_FORKED ||
        moss_collection_wait_idle(o->c, 0) != MOSS_FORKED)
        return 1;
    moss_batch_free(batch);
    if (moss_collection_close(o->c, MOSS_FOREVER, NULL) != MOSS_FORKED)
        return 2;
    return toy_updates(o->toy) == 0 && toy_closes(o->toy) == 0 ? 0 : 3;
}

START_TEST(forked_child_is_refused)
{
    struct moss_collection_options options = { .persist_delay_ms = 1000000 };
    struct over_toy o;

    over_toy_open(&o, &options);
    run(o.c, "a=1");
    ck_assert_int_eq(in_child(use_in_child, &o), 0);
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    ck_assert_uint_eq(toy_updates(o.toy), 1);
    assert_toy(&o, "a=1");
    over_toy_close(&o);
}
END_TEST

/* A snapshot taken before the fork can be read and released in the child. */
static struct moss_snapshot *inherited;

static int
read_in_child(struct over_toy *o)
{
    struct moss_value value;

    (void)o;
    if (moss_snapshot_get(inherited, moss_str("a"), &value) != MOSS_OK)
        return 1;
    moss_value_release(&value);
    moss_snapshot_unref(inherited);
    return 0;
}

START_TEST(forked_child_reads_snapshots)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "a=1");
    assert_ok(moss_collection_snapshot(o.c, &inherited));
    ck_assert_int_eq(in_child(read_in_child, &o), 0);
    moss_snapshot_unref(inherited);
    over_toy_close(&o);
}
END_TEST

/* ----------------------------------------------------------------- exit */

/* A process that opens a store, changes it, and exits without closing. */
START_TEST(exit_persists_what_was_not_closed)
{
    char *dir = temp_dir_new();
    struct moss_snapshot *snap;
    struct moss_store *store;

    forget_in_child(dir);
    assert_ok(moss_store_open(dir, NULL, &store, NULL));
    assert_ok(moss_store_snapshot(store, &snap));
    assert_tree(snap, "a=1");
    moss_snapshot_unref(snap);
    moss_store_close(store);
    temp_dir_remove(dir);
}
END_TEST

Suite *suite_collection(void);

Suite *
suite_collection(void)
{
    Suite *s = suite_create("collection");
    TCase *tc = tcase_create("read");

    tcase_add_test(tc, new_collection_is_empty);
    tcase_add_test(tc, get_returns_newest_value);
    tcase_add_test(tc, value_outlives_the_collection);
    tcase_add_test(tc, empty_value_is_found);
    tcase_add_test(tc, snapshot_does_not_change);
    tcase_add_test(tc, snapshot_is_reused_until_a_batch_comes);
    tcase_add_test(tc, empty_batch_without_tag_changes_nothing);
    tcase_add_test(tc, empty_batch_with_tag_is_persisted);
    tcase_add_test(tc, snapshot_carries_newest_tag);
    tcase_add_loop_test(tc, delete_hides_set_and_operands, 0, 8);
    tcase_add_test(tc, operands_apply_to_persisted_value);
    tcase_add_test(tc, old_lower_snapshots_are_let_go);
    tcase_add_test(tc, operand_without_operator_is_refused);
    tcase_add_test(tc, stats_count_children);
    suite_add_tcase(s, tc);

    tc = tcase_create("close");
    tcase_add_test(tc, close_persists);
    tcase_add_test(tc, close_reports_what_is_not_persisted);
    tcase_add_test(tc, close_keeps_trying);
    tcase_add_test(tc, failed_open_leaves_the_lower_level_alone);
    suite_add_tcase(s, tc);

    tc = tcase_create("process");
    tcase_add_test(tc, forked_child_is_refused);
    tcase_add_test(tc, forked_child_reads_snapshots);
    tcase_add_test(tc, exit_persists_what_was_not_closed);
    suite_add_tcase(s, tc);
    return s;
}
