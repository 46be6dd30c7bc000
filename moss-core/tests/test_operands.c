/*
 * Merge operands wherever they may be: partial() is called as soon as
 * operands meet and on all of them, no operand is lost or applied twice, in
 * children, over every kind of compaction, and when the operator refuses.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reaper.h"
#include "support/coll.h"
#include "support/conform.h"
#include "support/mem_os.h"
#include "support/operators.h"

/* ------------------------------------------------------- how it is called */

/* merge_append, which counts: calls, and the most operands of one. */
struct calls {
    atomic_uint full, partial, most_full, most_partial;
};

static void
note(atomic_uint *calls, atomic_uint *most, size_t n)
{
    unsigned old = atomic_load(most);

    atomic_fetch_add(calls, 1);
    while (old < n && !atomic_compare_exchange_weak(most, &old, (unsigned)n)) {
    }
}

static enum moss_status
counted_full(void *ctx, struct moss_slice key,
             const struct moss_slice *existing,
             const struct moss_slice *operands, size_t n,
             struct moss_output *out)
{
    struct calls *calls = ctx;

    note(&calls->full, &calls->most_full, n);
    return merge_append.full(NULL, key, existing, operands, n, out);
}

static enum moss_status
counted_partial(void *ctx, struct moss_slice key,
                const struct moss_slice *operands, size_t n,
                struct moss_output *out)
{
    struct calls *calls = ctx;

    note(&calls->partial, &calls->most_partial, n);
    return merge_append.partial(NULL, key, operands, n, out);
}

static struct moss_merge_operator
counted(struct calls *calls)
{
    memset(calls, 0, sizeof(*calls));
    return (struct moss_merge_operator){ "append", counted_full,
                                         counted_partial, calls };
}

/* A collection over a toy that holds "a=1" and takes nothing more. */
static void
over_held_toy(struct over_toy *o, struct moss_merge_operator *merge)
{
    struct moss_collection_options options = { .merge = merge };

    over_toy_open(o, &options);
    run(o->c, "a=1 kid{a=1}");
    assert_ok(moss_collection_wait_idle(o->c, MOSS_FOREVER));
    toy_hold(o->toy);
    run(o->c, "z=1");
    toy_wait_held(o->toy);
}

static void
let_go(struct over_toy *o)
{
    toy_let_go(o->toy);
    over_toy_close(o);
}

START_TEST(a_batch_combines_all_operands_of_a_key_at_once)
{
    struct calls calls;
    struct moss_merge_operator merge = counted(&calls);
    struct moss_batch *batch = batch_of("");
    struct over_toy o;

    over_held_toy(&o, &merge);
    for (int i = 0; i < 100; i++)
        batch_add(batch, "a+x kid{a+y}");
    assert_ok(moss_collection_execute(o.c, batch));
    ck_assert_uint_eq(calls.partial, 2);
    ck_assert_uint_eq(calls.most_partial, 100);
    ck_assert_uint_eq(calls.full, 0);
    moss_batch_free(batch);
    let_go(&o);
}
END_TEST

static char *
repeated(const char *first, char c, int n)
{
    char *text = must_alloc(calloc(strlen(first) + (size_t)n + 1, 1));

    strcpy(text, first);
    memset(text + strlen(first), c, (size_t)n);
    return text;
}

static void
assert_child_text(struct moss_collection *c, const char *name, const char *key,
                  int operands)
{
    char *want = repeated("1", 'y', operands);
    struct moss_snapshot *snap, *child;
    struct moss_value value;

    assert_ok(moss_collection_snapshot(c, &snap));
    assert_ok(moss_snapshot_child(snap, moss_str(name), &child));
    assert_ok(moss_snapshot_get(child, moss_str(key), &value));
    assert_slice(value.bytes, want);
    moss_value_release(&value);
    moss_snapshot_unref(child);
    moss_snapshot_unref(snap);
    free(want);
}

/* Nothing below is read for it. */
START_TEST(merges_combine_operands_of_many_batches)
{
    struct calls calls;
    struct moss_merge_operator merge = counted(&calls);
    struct over_toy o;

    over_held_toy(&o, &merge);
    for (int i = 0; i < 200; i++)
        run(o.c, "a+x kid{a+y}");
    ck_assert_uint_ge(calls.most_partial, 16);
    ck_assert_uint_eq(calls.full, 0);
    /* Who reads has less to do each time: then they are few. */
    for (int i = 0; i < 64; i++) {
        run(o.c, "a+x");
        assert_get(o.c, "b", "(none)");
    }
    calls.most_full = 0;
    assert_child_text(o.c, "kid", "a", 200);
    ck_assert_uint_le(calls.most_full, 16);
    let_go(&o);
}
END_TEST

START_TEST(a_read_combines_all_operands_at_once)
{
    struct calls calls;
    struct moss_merge_operator merge = counted(&calls);
    struct moss_iterator *it;
    struct moss_snapshot *snap;
    struct moss_slice key, value;
    struct over_toy o;
    char *want = repeated("1", 'x', 10);

    merge.partial = NULL; /* so that ten are there to be read */
    over_held_toy(&o, &merge);
    for (int i = 0; i < 10; i++)
        run(o.c, "a+x");
    assert_ok(moss_collection_snapshot(o.c, &snap));
    for (int backwards = 0; backwards < 2; backwards++) {
        atomic_store(&calls.full, 0);
        assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
        assert_ok(moss_iterator_seek(it, moss_str("a")));
        if (backwards) {
            assert_ok(moss_iterator_next(it));
            assert_ok(moss_iterator_prev(it));
        }
        moss_iterator_current(it, &key, &value);
        assert_slice(value, want);
        ck_assert_uint_eq(calls.full, backwards ? 2 : 1);
        moss_iterator_free(it);
    }
    moss_snapshot_unref(snap);
    atomic_store(&calls.full, 0);
    assert_get(o.c, "a", want);
    ck_assert_uint_eq(calls.full, 1);
    free(want);
    let_go(&o);
}
END_TEST

/* -------------------------------------------------------- where they are */

START_TEST(a_get_sees_what_is_below_operands)
{
    struct over_toy o;
    struct moss_collection_options options = { .merge = &merge_append };

    over_toy_open(&o, &options);
    for (int round = 0; round < 2; round++) {
        if (round == 1) {
            assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
            toy_hold(o.toy); /* now with a value of old in the lower level */
            run(o.c, "held=1");
            toy_wait_held(o.toy);
        }
        run(o.c, "a=1 b=1");
        run(o.c, "a+2 b+2");
        assert_get(o.c, "a", "12");
        run(o.c, "-a");
        assert_get(o.c, "a", "(none)");
        run(o.c, "a+3");
        run(o.c, "a+4");
        assert_get(o.c, "a", "34");
        assert_get(o.c, "b", "12");
        run(o.c, "b=5");
        assert_get(o.c, "b", "5");
    }
    let_go(&o);
}
END_TEST

/* States by tag keep their own, whatever is merged meanwhile. */
START_TEST(recent_states_keep_their_operands)
{
    struct over_toy o;
    struct moss_collection_options options = { .merge = &merge_append };
    char want[64] = "";

    over_toy_open(&o, &options);
    for (unsigned n = 1; n <= 9; n++) {
        run_tagged(o.c, n, "a+x kid{a+y}");
        if (n % 4 == 0)
            assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    }
    for (unsigned n = 1; n <= 9; n++) {
        snprintf(want, sizeof(want), "a=%.*s kid{a=%.*s}", (int)n, "xxxxxxxxx",
                 (int)n, "yyyyyyyyy");
        assert_at(o.c, n, want);
    }
    over_toy_close(&o);
}
END_TEST

START_TEST(overlays_combine_operands)
{
    struct over_toy o;
    struct moss_collection_options options = { .merge = &merge_append };
    struct moss_snapshot *snap, *over, *over2;
    struct moss_batch *batch = batch_of("a+3 b+1 c+1 a+4 -c c+2");

    over_toy_open(&o, &options);
    run(o.c, "a=1 c=1");
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    run(o.c, "a+2");
    assert_ok(moss_collection_snapshot(o.c, &snap));
    assert_ok(moss_snapshot_overlay(snap, batch, 0, 3, &over));
    assert_snapshot(over, "a=123 b=1 c=11");
    assert_ok(moss_snapshot_overlay(over, batch, 3, 6, &over2));
    assert_snapshot(over2, "a=1234 b=1 c=2");
    assert_snapshot(over, "a=123 b=1 c=11");
    assert_snapshot(snap, "a=12 c=1");
    assert_reads_agree(over2, 1);
    moss_snapshot_unref(over2);
    moss_snapshot_unref(over);
    moss_snapshot_unref(snap);
    moss_batch_free(batch);
    over_toy_close(&o);
}
END_TEST

/* ------------------------------------------------------ over compactions */

enum compaction { APPEND, LEVELS, FULL, LEVELED_NOW, FULL_NOW, COMPACTIONS };

struct over_disk {
    struct mem_os *os;
    struct moss_store_options options;
    struct moss_collection_options coll_options;
    struct moss_store *store;
    struct moss_collection *c;
    struct heard heard;
};

static void
over_disk_open(struct over_disk *o, enum compaction how,
               const struct moss_merge_operator *merge)
{
    struct moss_lower *lower;

    o->options.os = mem_os_base(o->os);
    o->options.merge = merge;
    o->options.compaction = how == APPEND ? MOSS_COMPACTION_DISABLE
                            : how == FULL ? MOSS_COMPACTION_FORCE
                                          : MOSS_COMPACTION_ALLOW;
    o->coll_options.merge = merge;
    assert_ok(moss_store_open("/db", &o->options, &o->store, NULL));
    assert_ok(moss_store_lower(o->store, &lower));
    assert_ok(moss_collection_open(&o->coll_options, lower, &o->c));
}

static void
over_disk_close(struct over_disk *o)
{
    assert_ok(moss_collection_close(o->c, MOSS_FOREVER, NULL));
    moss_store_close(o->store);
}

/* Bring everything to disk, and compact it. */
static void
settle(struct over_disk *o, enum compaction how)
{
    struct moss_compact_options options = { .kind = MOSS_COMPACT_FULL };

    assert_ok(moss_collection_flush(o->c, MOSS_FOREVER, NULL));
    if (how == LEVELED_NOW)
        options.kind = MOSS_COMPACT_LEVELED;
    if (how >= LEVELED_NOW)
        assert_ok(moss_store_compact(o->store, &options, NULL));
}

/* Something large at the bottom, so that not all of it is merged each time. */
static void
run_large(struct moss_collection *c)
{
    struct moss_batch *batch = batch_of("a=1 b=1 kid{a=1 b=1 grandkid{a=1}}");
    struct moss_batch *kid;
    char key[16];

    assert_ok(moss_batch_child(batch, moss_str("kid"), &kid));
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof(key), "m%04d", i);
        assert_ok(moss_batch_set(batch, moss_str(key), moss_str("large")));
        assert_ok(moss_batch_set(kid, moss_str(key), moss_str("large")));
    }
    assert_ok(moss_collection_execute(c, batch));
    moss_batch_free(batch);
}

static void
assert_child_get(struct over_disk *o, const char *path, const char *key,
                 const char *want)
{
    struct moss_snapshot *snap, *child;
    struct moss_value value;

    assert_ok(moss_collection_snapshot(o->c, &snap));
    for (const char *p = path; *p != '\0'; p += strcspn(p, "/")) {
        p += *p == '/';
        assert_ok(
            moss_snapshot_child(snap, moss_slice(p, strcspn(p, "/")), &child));
        moss_snapshot_unref(snap);
        snap = child;
    }
    assert_ok(moss_snapshot_get(snap, moss_str(key), &value));
    assert_slice(value.bytes, want);
    moss_value_release(&value);
    moss_snapshot_unref(snap);
}

/* The i-th half without partial(). */
START_TEST(compactions_keep_operands)
{
    enum compaction how = (enum compaction)(_i % COMPACTIONS);
    struct moss_merge_operator merge = merge_append;
    struct over_disk o = { .os = mem_os_new() };
    char want[32] = "";

    if (_i >= COMPACTIONS)
        merge.partial = NULL;
    over_disk_open(&o, how, &merge);
    run_large(o.c);
    settle(&o, how);
    for (int n = 1; n <= 20; n++) {
        run(o.c, "a+x kid{a+x c+x grandkid{a+x}}");
        if (n % 3 != 0)
            settle(&o, how);
        snprintf(want, sizeof(want), "1%.*s", n, "xxxxxxxxxxxxxxxxxxxx");
        assert_child_get(&o, "", "a", want);
        assert_child_get(&o, "kid", "a", want);
        assert_child_get(&o, "kid", "c", want + 1);
        assert_child_get(&o, "kid/grandkid", "a", want);
        assert_child_get(&o, "kid", "m1999", "large");
        if (n % 7 == 0) {
            over_disk_close(&o);
            over_disk_open(&o, how, &merge);
        }
    }
    over_disk_close(&o);
    reaper_drain(); /* files are closed there */
    mem_os_free(o.os);
}
END_TEST

/* -------------------------------------------------------------- refusals */

/* merge_append, but an operand "!" is refused. */
static enum moss_status
picky_full(void *ctx, struct moss_slice key, const struct moss_slice *existing,
           const struct moss_slice *operands, size_t n, struct moss_output *out)
{
    const enum moss_status *answer = ctx;

    for (size_t i = 0; i < n; i++) {
        if (operands[i].len > 0 && operands[i].bytes[0] == '!')
            return *answer;
    }
    return merge_append.full(NULL, key, existing, operands, n, out);
}

static enum moss_status
picky_partial(void *ctx, struct moss_slice key,
              const struct moss_slice *operands, size_t n,
              struct moss_output *out)
{
    return picky_full(ctx, key, NULL, operands, n, out);
}

/* Reading fails at that key, and nowhere else; and the end is not reached. */
static void
assert_refused(struct moss_collection *c, enum moss_status answer)
{
    struct moss_snapshot *snap;
    struct moss_iterator *it;
    struct moss_value value;

    assert_ok(moss_collection_snapshot(c, &snap));
    assert_status(moss_snapshot_get(snap, moss_str("b"), &value), answer);
    assert_get(c, "a", "1");
    assert_get(c, "c", "1xx");
    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    assert_ok(moss_iterator_first(it));
    assert_status(moss_iterator_next(it), answer);
    assert_status(moss_iterator_next(it), answer);
    assert_ok(moss_iterator_last(it));
    assert_status(moss_iterator_prev(it), answer);
    moss_iterator_free(it);
    moss_snapshot_unref(snap);
}

/*
 * Refused operands reach the disk and survive compactions; with an operator
 * that takes them they are all there, once.  Whatever it answers.
 */
START_TEST(refused_operands_are_kept)
{
    static const enum moss_status answers[] = { MOSS_MERGE_FAILED,
                                                MOSS_TOO_BIG };
    enum moss_status answer = answers[_i / COMPACTIONS];
    enum compaction how = (enum compaction)(_i % COMPACTIONS);
    struct moss_merge_operator merge = { "append", picky_full, picky_partial,
                                         &answer };
    struct over_disk o = { .os = mem_os_new() };

    over_disk_open(&o, how, &merge);
    run(o.c, "a=1 b=1 c=1 kid{a=1}");
    settle(&o, how);
    run(o.c, "b+! c+x kid{a+y}");
    settle(&o, how);
    run(o.c, "b+3 c+x kid{a+y}");
    run(o.c, "b+4");
    assert_refused(o.c, answer);
    settle(&o, how);
    assert_refused(o.c, answer);
    over_disk_close(&o);
    over_disk_open(&o, how, &merge);
    assert_refused(o.c, answer);
    over_disk_close(&o);
    over_disk_open(&o, how, &merge_append);
    assert_collection(o.c, "a=1 b=1!34 c=1xx kid{a=1yy}");
    over_disk_close(&o);
    reaper_drain(); /* files are closed there */
    mem_os_free(o.os);
}
END_TEST

/* A set puts an end to it. */
START_TEST(refused_operands_can_be_overwritten)
{
    enum compaction how = (enum compaction)_i;
    enum moss_status answer = MOSS_MERGE_FAILED;
    struct moss_merge_operator merge = { "append", picky_full, picky_partial,
                                         &answer };
    struct over_disk o = { .os = mem_os_new() };

    over_disk_open(&o, how, &merge);
    run(o.c, "a=1 b=1");
    run(o.c, "b+!");
    run(o.c, "b+2");
    settle(&o, how);
    run(o.c, "b=5");
    settle(&o, how);
    run(o.c, "b+6");
    assert_collection(o.c, "a=1 b=56");
    over_disk_close(&o);
    reaper_drain(); /* files are closed there */
    mem_os_free(o.os);
}
END_TEST

/* The other collections are merged as ever. */
START_TEST(a_refusal_stops_merges_of_its_collection_only)
{
    enum moss_status answer = MOSS_MERGE_FAILED;
    struct moss_merge_operator merge = { "append", picky_full, picky_partial,
                                         &answer };
    struct moss_collection_options options = { .merge = &merge };
    struct moss_collection_stats stats;
    struct moss_collection *c;
    struct heard heard;

    heard_init(&heard);
    heard_listen(&heard, &options);
    assert_ok(moss_collection_open(&options, NULL, &c));
    for (int i = 0; i < 10; i++) {
        run(c, "bad{a+!} good{a+x}");
        assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    }
    moss_collection_stats(c, &stats);
    ck_assert_uint_eq(stats.mid_segments, 11);
    ck_assert_uint_ge(heard.errors, 1);
    assert_status(heard.last_error.status, MOSS_MERGE_FAILED);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    heard_release(&heard);
}
END_TEST

/* A batch that the operator refuses is told at once, and changes nothing. */
START_TEST(a_refused_batch_is_not_executed)
{
    enum moss_status answer = MOSS_MERGE_FAILED;
    struct moss_merge_operator merge = { "append", picky_full, picky_partial,
                                         &answer };
    struct moss_collection_options options = { .merge = &merge };
    struct moss_batch *batch = batch_of("a=1 b=1 b+!");
    struct moss_collection *c;

    assert_ok(moss_collection_open(&options, NULL, &c));
    run(c, "a=0");
    assert_status(moss_collection_execute(c, batch), MOSS_MERGE_FAILED);
    assert_collection(c, "a=0");
    moss_batch_free(batch);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

Suite *suite_operands(void);

Suite *
suite_operands(void)
{
    Suite *s = suite_create("operands");
    TCase *tc = tcase_create("operands");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_batch_combines_all_operands_of_a_key_at_once);
    tcase_add_test(tc, merges_combine_operands_of_many_batches);
    tcase_add_test(tc, a_read_combines_all_operands_at_once);
    tcase_add_test(tc, a_get_sees_what_is_below_operands);
    tcase_add_test(tc, recent_states_keep_their_operands);
    tcase_add_test(tc, overlays_combine_operands);
    tcase_add_loop_test(tc, compactions_keep_operands, 0, 2 * COMPACTIONS);
    tcase_add_loop_test(tc, refused_operands_are_kept, 0, 2 * COMPACTIONS);
    tcase_add_loop_test(tc, refused_operands_can_be_overwritten, 0,
                        COMPACTIONS);
    tcase_add_test(tc, a_refusal_stops_merges_of_its_collection_only);
    tcase_add_test(tc, a_refused_batch_is_not_executed);
    suite_add_tcase(s, tc);
    return s;
}
