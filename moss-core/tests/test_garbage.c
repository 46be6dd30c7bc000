/* The guess of how much newer entries hide. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"
#include "support/segments.h"

Suite *suite_garbage(void);

enum { VALUE = 100, ENTRY = 16 + 8 + VALUE };

/* The keys [from, to), a step apart, with values of VALUE bytes. */
static struct segment *
keys(int from, int to, int step)
{
    struct segment_builder *b = NULL;
    size_t n = (size_t)((to - from + step - 1) / step);
    char key[16], value[VALUE];

    memset(value, 'v', sizeof value);
    assert_ok(segment_builder_new(n, n * (8 + VALUE), &b));
    for (int i = from; i < to; i += step) {
        (void)snprintf(key, sizeof key, "%08d", i);
        segment_builder_add(b, MOSS_OP_SET, moss_str(key),
                            moss_slice(value, VALUE));
    }
    return segment_builder_finish(b);
}

/* What is guessed for a commit point with these stacks; takes them over. */
static uint64_t
guess(struct segstack **stacks, size_t n, uint64_t live, uint64_t enough)
{
    struct footer footer = { .n_colls = n };
    struct commit c = { .footer = &footer,
                        .live_bytes = live,
                        .stacks = stacks };
    uint64_t hidden = garbage_hidden(&c, enough);

    for (size_t i = 0; i < n; i++)
        segstack_unref(stacks[i]);
    return hidden;
}

/* Takes over the segments, oldest first, up to the first NULL. */
static struct segstack *
stack_of(struct segment *a, struct segment *b, struct segment *c)
{
    struct segment *segs[] = { a, b, c };
    struct segstack *stack = NULL;
    size_t n = 0;

    while (n < 3 && segs[n] != NULL)
        n++;
    assert_ok(segstack_new(NULL, segs, n, &stack));
    for (size_t i = 0; i < n; i++)
        segment_unref(segs[i]);
    return stack;
}

static uint64_t
guess_one(struct segstack *stack)
{
    return guess(&stack, 1, UINT64_MAX, 0);
}

/* Within a tenth of that many entries. */
static void
assert_about(uint64_t got, uint64_t entries)
{
    uint64_t want = entries * ENTRY;

    ck_assert_msg(got >= want - want / 10 && got <= want + want / 10,
                  "%llu bytes, not about %llu", (unsigned long long)got,
                  (unsigned long long)want);
}

START_TEST(new_keys_hide_nothing)
{
    ck_assert_uint_eq(guess_one(stack_of(keys(0, 5000, 1), NULL, NULL)), 0);
    ck_assert_uint_eq(
        guess_one(stack_of(keys(0, 5000, 1), keys(5000, 9000, 1), NULL)), 0);
    /* Between the others. */
    ck_assert_uint_eq(
        guess_one(stack_of(keys(0, 9000, 3), keys(1, 9000, 3), NULL)), 0);
}
END_TEST

START_TEST(overwriting_hides_what_was_there)
{
    assert_about(
        guess_one(stack_of(keys(0, 5000, 1), keys(1000, 4000, 1), NULL)), 3000);
    /* Every second one is new. */
    assert_about(guess_one(stack_of(keys(0, 9000, 2), keys(0, 9000, 1), NULL)),
                 4500);
    /* Through one segment to the next. */
    assert_about(guess_one(stack_of(keys(0, 5000, 1), keys(6000, 7000, 1),
                                    keys(0, 5000, 1))),
                 5000);
}
END_TEST

START_TEST(collections_add_up)
{
    struct segstack *stacks[] = {
        stack_of(keys(0, 3000, 1), keys(0, 3000, 1), NULL),
        stack_of(keys(0, 3000, 1), NULL, NULL),
        stack_of(keys(0, 3000, 1), keys(0, 1000, 1), NULL),
    };

    assert_about(guess(stacks, 3, UINT64_MAX, 0), 4000);
}
END_TEST

START_TEST(never_more_than_there_is)
{
    struct segstack *stack = stack_of(keys(0, 3000, 1), keys(0, 3000, 1), NULL);

    ck_assert_uint_eq(guess(&stack, 1, 1000, 0), 1000);
}
END_TEST

/* Then nobody needs to know. */
START_TEST(no_look_is_taken_where_there_cannot_be_enough)
{
    const uint64_t above = (uint64_t)3000 * ENTRY;
    struct segstack *stack = stack_of(keys(0, 3000, 1), keys(0, 3000, 1), NULL);

    ck_assert_uint_eq(guess((struct segstack *[]){ segstack_ref(stack) }, 1,
                            UINT64_MAX, above),
                      0);
    assert_about(guess(&stack, 1, UINT64_MAX, above - 1), 3000);
}
END_TEST

/* It is not here that damage is told. */
START_TEST(what_cannot_be_read_hides_nothing)
{
    const uint64_t far[] = { (uint64_t)MOSS_OP_SET << ENTRY_OP_SHIFT | 5,
                             UINT64_MAX };
    struct segment *bad = mapped_new(far, 1, "abc", 3);
    struct segment *empty = mapped_new(far, 0, "", 0);

    bad->totals.value_bytes = 5;
    ck_assert_uint_eq(
        guess_one(stack_of(keys(0, 10, 1), segment_ref(bad), empty)), 0);
    /* As one that is searched. */
    ck_assert_uint_eq(guess_one(stack_of(bad, keys(0, 10, 1), NULL)), 0);
}
END_TEST

Suite *
suite_garbage(void)
{
    Suite *s = suite_create("garbage");
    TCase *tc = tcase_create("garbage");

    tcase_add_test(tc, new_keys_hide_nothing);
    tcase_add_test(tc, overwriting_hides_what_was_there);
    tcase_add_test(tc, collections_add_up);
    tcase_add_test(tc, never_more_than_there_is);
    tcase_add_test(tc, no_look_is_taken_where_there_cannot_be_enough);
    tcase_add_test(tc, what_cannot_be_read_hides_nothing);
    suite_add_tcase(s, tc);
    return s;
}
