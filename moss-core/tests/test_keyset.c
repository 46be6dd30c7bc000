/* Sets of keys, and what gets pass over because of them. */
#include "stack/keyset.h"

#include <stdio.h>
#include <stdlib.h>

#include "collection/collection.h"
#include "segment/segment_index.h"
#include "stack/snapshot.h"
#include "support/coll.h"
#include "support/segments.h"

Suite *suite_keyset(void);

/* ------------------------------------------------------------------ */
/* The set                                                            */
/* ------------------------------------------------------------------ */

static uint64_t
number_hash(uint64_t i)
{
    return index_hash(moss_slice(&i, sizeof(i)));
}

static bool
has(const struct keyset *set, uint64_t hash)
{
    uint64_t newest = 0;

    return keyset_find(set, hash, &newest);
}

START_TEST(a_set_has_all_keys_and_seldom_another)
{
    static const uint64_t sizes[] = { 1, 1000, 100000, 3000000 };
    uint64_t n = sizes[_i], wrong = 0;
    struct keyset *set = keyset_new(n, 1);

    ck_assert_ptr_nonnull(set);
    for (uint64_t i = 0; i < n; i++)
        keyset_add(set, number_hash(i), 1);
    for (uint64_t i = 0; i < n; i++)
        ck_assert(has(set, number_hash(i)));
    for (uint64_t i = n; i < n + 100000; i++)
        wrong += has(set, number_hash(i));
    ck_assert_uint_lt(wrong, n == 3000000 ? 10000 : 1000);
    keyset_unref(set);
}
END_TEST

START_TEST(a_set_lives_as_long_as_its_references)
{
    struct keyset *set = keyset_new(0, 1);

    ck_assert_ptr_null(keyset_ref(NULL));
    keyset_unref(NULL);
    ck_assert_ptr_eq(keyset_ref(set), set);
    keyset_unref(set);
    keyset_add(set, 7, 1);
    ck_assert(has(set, 7));
    keyset_unref(set);
}
END_TEST

static uint64_t
newest(const struct keyset *set, uint64_t hash)
{
    uint64_t number = 0;

    ck_assert(keyset_find(set, hash, &number));
    return number;
}

START_TEST(a_set_tells_the_greatest_number)
{
    struct keyset *set = keyset_new(1, 100);
    uint64_t number = 300;

    keyset_add(set, 7, 90); /* one of before the set */
    ck_assert_uint_eq(newest(set, 7), 100);
    keyset_add(set, 7, 200);
    keyset_add(set, 7, 150);
    ck_assert_uint_eq(newest(set, 7), 200);
    ck_assert(keyset_find(set, 7, &number));
    ck_assert_uint_eq(number, 300); /* that of another set */
    keyset_add(set, 7, 100 + (uint64_t)UINT32_MAX);
    ck_assert_uint_eq(newest(set, 7), UINT64_MAX);
    keyset_unref(set);
}
END_TEST

START_TEST(other_keys_only_make_a_number_greater)
{
    enum { N = 100000 };
    struct keyset *set = keyset_new(N, 1);
    uint64_t greater = 0;

    for (uint64_t i = 1; i <= N; i++)
        keyset_add(set, number_hash(i), i);
    for (uint64_t i = 1; i <= N; i++) {
        ck_assert_uint_ge(newest(set, number_hash(i)), i);
        greater += newest(set, number_hash(i)) > i;
    }
    ck_assert_uint_lt(greater, N / 10 * 9);
    keyset_unref(set);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Stacks                                                             */
/* ------------------------------------------------------------------ */

static uint64_t
text_hash(const char *key)
{
    return index_hash(moss_str(key));
}

/* Of a lower level "a=0 b=0", and "a=1", "b=1" over it. */
static struct segstack *
known_stack(struct keyset *newer, struct keyset *older)
{
    struct segment *segs[] = { segment_of("a=0 b=0 c=0", NULL),
                               segment_of("a=1 d=1", NULL),
                               segment_of("b=1", NULL) };
    struct segstack *stack;

    assert_ok(segstack_new(NULL, segs, 3, &stack));
    for (int i = 0; i < 3; i++)
        segment_unref(segs[i]);
    stack->n_lower = stack->known_from = 1;
    stack->n_known = 3;
    stack->known[0] = newer;
    stack->known[1] = older;
    return stack;
}

static void
assert_value(struct moss_snapshot *snap, const char *key, const char *want)
{
    struct moss_value value;
    enum moss_status st = moss_snapshot_get(snap, moss_str(key), &value);

    if (want == NULL) {
        assert_status(st, MOSS_NOT_FOUND);
        return;
    }
    assert_ok(st);
    assert_slice(value.bytes, want);
    moss_value_release(&value);
}

/* The sets are wrong, to show where a get has looked. */
START_TEST(a_get_passes_over_what_lacks_the_key)
{
    struct moss_snapshot *snap =
        snapshot_of_stack(known_stack(keyset_new(1, 1), NULL));

    assert_value(snap, "a", "0");
    assert_value(snap, "c", "0");
    assert_value(snap, "d", NULL);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(a_key_of_either_set_is_looked_for)
{
    struct keyset *newer = keyset_new(1, 1), *older = keyset_new(1, 1);
    struct moss_snapshot *snap;

    keyset_add(newer, text_hash("a"), 1);
    keyset_add(older, text_hash("b"), 1);
    snap = snapshot_of_stack(known_stack(newer, older));
    assert_value(snap, "a", "1");
    assert_value(snap, "b", "1");
    assert_value(snap, "c", "0");
    assert_value(snap, "e", NULL);
    moss_snapshot_unref(snap);
}
END_TEST

/* What came after the batch that the set tells of is passed over, too. */
START_TEST(a_get_begins_with_the_batch_that_has_the_key)
{
    struct keyset *set = keyset_new(1, 1);
    struct segstack *stack = known_stack(set, NULL);
    struct moss_snapshot *snap;

    stack->segs[1]->since = 5;
    stack->segs[2]->since = 9;
    keyset_add(set, text_hash("a"), 5);
    keyset_add(set, text_hash("b"), 8); /* it is in 9: the set is wrong */
    keyset_add(set, text_hash("d"), 4);
    snap = snapshot_of_stack(stack);
    assert_value(snap, "a", "1");
    assert_value(snap, "b", "0");
    assert_value(snap, "d", NULL);
    moss_snapshot_unref(snap);
}
END_TEST

/* One with an unknown number might have any key. */
START_TEST(merged_segments_have_the_least_number)
{
    static const uint64_t numbers[][3] = {
        { 5, 9, 5 }, { 9, 5, 5 }, { 0, 9, 0 }, { 9, 0, 0 }
    };
    struct segment *segs[] = { segment_of("a=1", NULL),
                               segment_of("b=1", NULL) };
    struct segment *merged;

    segs[0]->since = numbers[_i][0];
    segs[1]->since = numbers[_i][1];
    assert_ok(segstack_merge(segs, 2, NULL, NULL, &merged));
    ck_assert_uint_eq(merged->since, numbers[_i][2]);
    segment_unref(merged);
    for (int i = 0; i < 2; i++)
        segment_unref(segs[i]);
}
END_TEST

/* An overlay's own segments are always looked at, the others as before. */
START_TEST(an_overlay_knows_what_lies_below_it)
{
    struct moss_snapshot *snap =
        snapshot_of_stack(known_stack(keyset_new(1, 1), keyset_new(1, 1)));
    struct moss_snapshot *over;
    struct moss_batch *batch = batch_of("c=2 -b");

    assert_ok(moss_snapshot_overlay(snap, batch, 0, 2, &over));
    assert_value(over, "a", "0");
    assert_value(over, "b", NULL);
    assert_value(over, "c", "2");
    moss_batch_free(batch);
    moss_snapshot_unref(over);
    moss_snapshot_unref(snap);
}
END_TEST

/* More segments than a get asks for at once, above and in the lower level. */
START_TEST(a_known_stack_may_be_high)
{
    struct segment *segs[40];
    struct segstack *stack;
    struct moss_snapshot *snap;
    char text[32];

    for (int i = 0; i < 40; i++) {
        (void)snprintf(text, sizeof(text), "k%02d=%d z=%d", i, i, i);
        segs[i] = segment_of(text, NULL);
    }
    assert_ok(segstack_new(NULL, segs, 40, &stack));
    stack->n_lower = stack->known_from = 20;
    stack->n_known = 40;
    stack->known[0] = keyset_new(1, 1);
    for (int i = 0; i < 40; i++) {
        segment_unref(segs[i]);
        (void)snprintf(text, sizeof(text), "k%02d", i);
        if (i >= 30)
            keyset_add(stack->known[0], text_hash(text), 1);
    }
    snap = snapshot_of_stack(stack);
    assert_value(snap, "k00", "0");
    assert_value(snap, "k19", "19");
    assert_value(snap, "k25", NULL);
    assert_value(snap, "k30", "30");
    assert_value(snap, "k39", "39");
    assert_value(snap, "z", "19");
    moss_snapshot_unref(snap);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Collections                                                        */
/* ------------------------------------------------------------------ */

static bool
knows(struct moss_collection *c)
{
    struct state *s = collection_state(c);
    bool known = state_knows_keys(s);

    state_unref(s);
    return known;
}

static void
flush(struct moss_collection *c)
{
    assert_ok(moss_collection_flush(c, MOSS_FOREVER, NULL));
}

/* Two updates beside reads: then the sets have all that is in memory. */
static void
learn(struct moss_collection *c)
{
    for (int i = 0; i < 3; i++) {
        run(c, "a=1 kid{k=1}");
        assert_get(c, "a", "1");
        flush(c);
    }
    ck_assert(knows(c));
}

/* Hold the toy at its next update, whose content becomes base. */
static void
hold(struct over_toy *o)
{
    toy_hold(o->toy);
    run(o->c, "h=1");
    toy_wait_held(o->toy);
}

START_TEST(who_reads_beside_writes_gets_sets)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    for (int i = 0; i < 3; i++) {
        run(o.c, "a=1");
        flush(o.c);
    }
    ck_assert(!knows(o.c));
    learn(o.c);
    run(o.c, "b=2");
    ck_assert(knows(o.c));
    assert_collection(o.c, "a=1 b=2 kid{k=1}");
    run(o.c, "-a kid{k=2}");
    assert_get(o.c, "a", "(none)");
    assert_get(o.c, "b", "2");
    assert_collection(o.c, "b=2 kid{k=2}");
    over_toy_close(&o);
}
END_TEST

/* Its keys are in the set of before the update, or in none. */
START_TEST(a_batch_is_found_that_was_prepared_before_an_update)
{
    struct moss_prepared *p[4];
    struct over_toy o;

    over_toy_open(&o, NULL);
    p[0] = prepared_of(o.c, "p=0");
    learn(o.c);
    for (int i = 1; i < 4; i++) {
        static const char *const text[] = { NULL, "p=1", "p=2 q=2", "p=3" };

        p[i] = prepared_of(o.c, text[i]);
        run(o.c, "b=1");
        assert_get(o.c, "b", "1");
        flush(o.c);
    }
    toy_hold(o.toy);
    for (int i = 0; i < 4; i++) {
        moss_prepared_publish(p[i]);
        assert_get(o.c, "p", i == 0 ? "0" : i == 1 ? "1" : i == 2 ? "2" : "3");
    }
    assert_get(o.c, "q", "2");
    assert_get(o.c, "a", "1");
    toy_let_go(o.toy);
    learn(o.c);
    assert_get(o.c, "q", "2");
    over_toy_close(&o);
}
END_TEST

/* What is kept as a cache is not passed over. */
START_TEST(a_cache_is_read_beside_sets)
{
    struct moss_collection_options options = { .cache_persisted = true };
    struct moss_snapshot *snap;
    const struct segstack *stack;
    struct over_toy o;

    over_toy_open(&o, &options);
    learn(o.c);
    hold(&o);
    assert_ok(moss_collection_snapshot(o.c, &snap));
    stack = snapshot_segments(snap);
    ck_assert_uint_eq(stack->n_lower, 0);
    ck_assert_uint_eq(stack->known_from, 1);
    ck_assert_uint_eq(stack->n_known, 2);
    assert_value(snap, "a", "1");
    moss_snapshot_unref(snap);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

/* What comes as segments has its keys in no set. */
START_TEST(changes_are_found_beside_sets)
{
    struct segment *seg = segment_of("s=1", NULL);
    struct moss_change top = { .n_children = 0 };
    struct moss_changes changes = { .top = &top };
    struct moss_prepared *p;
    struct segstack *stack;
    struct over_toy o;

    over_toy_open(&o, NULL);
    learn(o.c);
    assert_ok(segstack_new(NULL, &seg, 1, &stack));
    top.segments = stack;
    assert_ok(moss_collection_prepare_changes(o.c, &changes, 0, &p));
    toy_hold(o.toy);
    moss_prepared_publish(p);
    ck_assert(!knows(o.c));
    assert_get(o.c, "s", "1");
    toy_let_go(o.toy);
    learn(o.c);
    segstack_unref(stack);
    segment_unref(seg);
    over_toy_close(&o);
}
END_TEST

START_TEST(what_is_sorted_later_is_found_beside_sets)
{
    struct moss_collection_options options = { .deferred_sort = true };
    struct over_toy o;

    over_toy_open(&o, &options);
    for (int i = 0; i < 4; i++) {
        run(o.c, "a=1");
        assert_get(o.c, "a", "1");
        flush(o.c);
        run(o.c, "b=1");
        assert_get(o.c, "b", "1");
        run(o.c, "-b");
        assert_get(o.c, "b", "(none)");
    }
    over_toy_close(&o);
}
END_TEST

/* The same keys again and again, in a child, too, read at all ages. */
START_TEST(gets_find_the_newest_and_the_old_beside_sets)
{
    enum { ROUNDS = 200, KEYS = 7 };
    struct moss_snapshot *old[ROUNDS];
    struct over_toy o;
    char text[64], want[16];

    over_toy_open(&o, NULL);
    learn(o.c);
    hold(&o);
    for (int i = 0; i < ROUNDS; i++) {
        (void)snprintf(text, sizeof(text), "k%d=%d x%d=%d kid{k%d=%d}",
                       i % KEYS, i, i, i, i % KEYS, i);
        run(o.c, text);
        assert_ok(moss_collection_snapshot(o.c, &old[i]));
        ck_assert(knows(o.c));
    }
    for (int i = KEYS; i < ROUNDS; i++) {
        struct moss_snapshot *kid;

        assert_ok(moss_snapshot_child(old[i], moss_str("kid"), &kid));
        for (int k = 0; k < KEYS; k++) {
            (void)snprintf(text, sizeof(text), "k%d", k);
            (void)snprintf(want, sizeof(want), "%d",
                           i - (i % KEYS - k + KEYS) % KEYS);
            assert_value(old[i], text, want);
            assert_value(kid, text, want);
        }
        (void)snprintf(text, sizeof(text), "x%d", i);
        (void)snprintf(want, sizeof(want), "%d", i);
        assert_value(old[i], text, want);
        assert_value(old[i - 1], text, NULL);
        moss_snapshot_unref(kid);
    }
    for (int i = 0; i < ROUNDS; i++)
        moss_snapshot_unref(old[i]);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

/* Readers pass over it, so that writers copy it less often. */
START_TEST(top_is_merged_four_at_a_time)
{
    struct moss_collection_stats before, after;
    struct over_toy o;
    char text[32];

    over_toy_open(&o, NULL);
    learn(o.c);
    hold(&o);
    moss_collection_stats(o.c, &before);
    for (int i = 0; i < 64; i++) {
        (void)snprintf(text, sizeof(text), "k%02d=%d", i, i);
        run(o.c, text);
        assert_get(o.c, "k00", "0");
        moss_collection_stats(o.c, &after);
        ck_assert_uint_le(after.top_segments, 12);
    }
    ck_assert_uint_le(after.merged_ops - before.merged_ops, 3 * 64);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

/* It is not for the writer to copy them before the merger does. */
START_TEST(large_nodes_are_left_to_the_merger)
{
    struct moss_collection_stats before, after;
    size_t n = 150000;
    char *value = calloc(1, n);
    struct over_toy o;

    ck_assert_ptr_nonnull(value);
    over_toy_open(&o, NULL);
    learn(o.c);
    hold(&o);
    moss_collection_stats(o.c, &before);
    for (uint64_t i = 0; i < 6; i++) {
        struct moss_batch *batch;

        assert_ok(moss_batch_new(0, 0, &batch));
        assert_ok(moss_batch_set(batch, moss_slice(&i, sizeof(i)),
                                 moss_slice(value, n)));
        assert_ok(moss_collection_execute(o.c, batch));
        moss_batch_free(batch);
        assert_get(o.c, "a", "1");
    }
    moss_collection_stats(o.c, &after);
    ck_assert_uint_eq(after.merged_ops, before.merged_ops);
    ck_assert_uint_eq(after.top_segments, 6);
    toy_let_go(o.toy);
    over_toy_close(&o);
    free(value);
}
END_TEST

START_TEST(mid_is_merged_four_at_a_time)
{
    static const uint64_t want[] = { 1, 2, 3, 1, 2, 3, 4, 2 };
    size_t n = (size_t)5 << 18;
    char *value = calloc(1, n);
    struct over_toy o;

    over_toy_open(&o, NULL);
    learn(o.c);
    hold(&o);
    for (uint64_t i = 0; i < 8; i++) {
        struct moss_collection_stats stats;
        struct moss_batch *batch;

        assert_ok(moss_batch_new(0, 0, &batch));
        assert_ok(moss_batch_set(batch, moss_slice(&i, sizeof(i)),
                                 moss_slice(value, n)));
        assert_ok(moss_collection_execute(o.c, batch));
        moss_batch_free(batch);
        assert_ok(moss_collection_notify_merger(o.c, false, MOSS_FOREVER));
        moss_collection_stats(o.c, &stats);
        ck_assert_uint_eq(stats.mid_segments, want[i]);
    }
    toy_let_go(o.toy);
    over_toy_close(&o);
    free(value);
}
END_TEST

/*
 * A set is given up only when all that it alone has is in the lower level:
 * the update of batch 10 ends after batch 12 came, which has its keys in the
 * older set, and batch 15, which has none.
 */
START_TEST(a_set_is_kept_as_long_as_it_is_needed)
{
    struct keyset *one = keyset_new(1, 1), *two = keyset_new(1, 1);
    struct keyset *three = keyset_new(1, 1);
    struct state *s, *now;
    struct over_toy o;

    over_toy_open(&o, NULL);
    now = collection_state(o.c);
    assert_ok(state_new(&s));
    state_inherit(s, now);
    ck_assert(!state_knows_keys(s));
    s->seq = 5;
    state_note_keys(s, NULL);
    ck_assert(state_turn_keys(s, one));
    ck_assert(!state_knows_keys(s));
    s->lower->seq = 5;
    ck_assert(state_knows_keys(s));
    s->seq = 10;
    ck_assert(state_turn_keys(s, two));
    ck_assert_ptr_eq(s->keys[1], one);
    s->seq = 12;
    state_note_keys(s, one);
    s->lower->seq = 10;
    ck_assert(!state_turn_keys(s, three));
    ck_assert_ptr_eq(s->keys[1], one);
    ck_assert(state_knows_keys(s));
    s->seq = 13;
    state_note_keys(s, two);
    s->lower->seq = 12;
    ck_assert(state_turn_keys(s, three));
    ck_assert_ptr_eq(s->keys[0], three);
    ck_assert_ptr_eq(s->keys[1], two);
    s->seq = 15;
    state_note_keys(s, NULL);
    ck_assert(!state_knows_keys(s));
    s->lower->seq = 15;
    ck_assert(state_knows_keys(s));
    s->lower->seq = 0; /* it is shared */
    state_unref(s);
    state_unref(now);
    over_toy_close(&o);
}
END_TEST

Suite *
suite_keyset(void)
{
    Suite *s = suite_create("keyset");
    TCase *tc = tcase_create("keyset");

    tcase_add_loop_test(tc, a_set_has_all_keys_and_seldom_another, 0, 4);
    tcase_add_test(tc, a_set_lives_as_long_as_its_references);
    tcase_add_test(tc, a_set_tells_the_greatest_number);
    tcase_add_test(tc, other_keys_only_make_a_number_greater);
    tcase_add_test(tc, a_get_begins_with_the_batch_that_has_the_key);
    tcase_add_loop_test(tc, merged_segments_have_the_least_number, 0, 4);
    tcase_add_test(tc, a_get_passes_over_what_lacks_the_key);
    tcase_add_test(tc, a_key_of_either_set_is_looked_for);
    tcase_add_test(tc, an_overlay_knows_what_lies_below_it);
    tcase_add_test(tc, a_known_stack_may_be_high);
    suite_add_tcase(s, tc);
    tc = tcase_create("collection");
    tcase_add_test(tc, who_reads_beside_writes_gets_sets);
    tcase_add_test(tc, a_batch_is_found_that_was_prepared_before_an_update);
    tcase_add_test(tc, a_cache_is_read_beside_sets);
    tcase_add_test(tc, changes_are_found_beside_sets);
    tcase_add_test(tc, what_is_sorted_later_is_found_beside_sets);
    tcase_add_test(tc, gets_find_the_newest_and_the_old_beside_sets);
    tcase_add_test(tc, top_is_merged_four_at_a_time);
    tcase_add_test(tc, large_nodes_are_left_to_the_merger);
    tcase_add_test(tc, mid_is_merged_four_at_a_time);
    tcase_add_test(tc, a_set_is_kept_as_long_as_it_is_needed);
    suite_add_tcase(s, tc);
    return s;
}
