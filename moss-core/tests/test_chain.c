/* Chains of segments whose keys lie apart. */
#include "stack/chain.h"

#include <stdio.h>
#include <stdlib.h>

#include "stack/segstack.h"
#include "support/fixture.h"
#include "support/segments.h"

Suite *suite_chain(void);

/*
 * Segments by their first and last keys, "ad e sz", "." for one without
 * entries, "?" for one whose keys are not known, as chains: "ad e sz | bx".
 */
static void
assert_chains(const char *segments, const char *want)
{
    struct segment *segs[16];
    struct segstack *stack;
    char got[128] = "", text[16];
    size_t n = 0;

    for (const char *at = segments; *at != '\0'; at++) {
        if (*at == ' ')
            continue;
        if (at[1] == ' ' || at[1] == '\0')
            (void)snprintf(text, sizeof(text), "%c=1", *at);
        else
            (void)snprintf(text, sizeof(text), "%c=1 %c=1", *at, at[1]);
        segs[n] =
            *at == '.' ? mapped_new(NULL, 0, NULL, 0) : segment_of(text, NULL);
        if (*at == '?')
            segs[n]->first_key = segs[n]->last_key = moss_slice(NULL, 0);
        n++;
        at += at[1] != ' ' && at[1] != '\0';
    }
    assert_ok(segstack_new(NULL, segs, n, &stack));
    for (size_t i = 0, next = 0; i < stack->n_chains; i++) {
        const struct chain *c = &stack->chains[i];

        ck_assert_uint_eq(c->first, next);
        next += c->n;
        for (size_t k = 0; k < c->n; k++) {
            const struct segment *seg = stack->by_key[c->first + k];
            int first = seg->n == 0 ? '.'
                        : seg->first_key.bytes == NULL
                            ? '?'
                            : seg->first_key.bytes[0];

            (void)snprintf(text, sizeof(text), "%s%c",
                           i == 0 && k == 0 ? ""
                           : k == 0         ? " | "
                                            : " ",
                           first);
            strcat(got, text);
            if (seg->n > 1)
                strncat(got, (const char *)seg->last_key.bytes, 1);
        }
    }
    ck_assert_str_eq(got, want);
    for (size_t i = 0; i < n; i++)
        segment_unref(segs[i]);
    segstack_unref(stack);
}

START_TEST(neighbours_that_lie_apart_are_a_chain)
{
    assert_chains("", "");
    assert_chains("ad", "ad");
    assert_chains("ad ek lr sz", "ad ek lr sz");
    assert_chains("sz lr ek ad", "ad ek lr sz");
    assert_chains("lr ad sz ek", "ad ek lr sz");
    assert_chains("a c b", "a b c");
    assert_chains("ad ek bx cd pq", "ad ek | bx | cd pq");
    assert_chains("az m n", "az | m n");
}
END_TEST

START_TEST(segments_that_touch_are_not_apart)
{
    assert_chains("ad dk", "ad | dk");
    assert_chains("dk ad", "dk | ad");
    assert_chains("a a", "a | a");
    assert_chains("ac gk eg", "ac gk | eg");
    assert_chains("ac gk ce", "ac gk | ce");
    assert_chains("ac gk df", "ac df gk");
    assert_chains("ac gk bh", "ac gk | bh");
    assert_chains("ac gk mp hn", "ac gk mp | hn");
}
END_TEST

START_TEST(a_segment_of_unknown_keys_is_alone)
{
    assert_chains("? ab", "? | ab");
    assert_chains("ab ? cd", "ab | ? | cd");
    assert_chains(". ab . cd ef .", ". | ab | . | cd ef | .");
}
END_TEST

START_TEST(the_segment_of_a_key_is_found)
{
    static const char *const text[] = { "b=1 d=1", "f=1", "h=1 k=1" };
    static const char *const keys = "abcdefghijkz";
    static const char *const want = "000001122222";
    struct segment *segs[3];

    for (int i = 0; i < 3; i++)
        segs[i] = segment_of(text[i], NULL);
    for (size_t n = 1; n <= 3; n++) {
        for (size_t i = 0; keys[i] != '\0'; i++) {
            size_t at = (size_t)(want[i] - '0');

            ck_assert_uint_eq(chain_find(segs, n, moss_slice(keys + i, 1)),
                              at < n ? at : n - 1);
        }
    }
    for (int i = 0; i < 3; i++)
        segment_unref(segs[i]);
}
END_TEST

Suite *
suite_chain(void)
{
    Suite *s = suite_create("chain");
    TCase *tc = tcase_create("chain");

    tcase_add_test(tc, neighbours_that_lie_apart_are_a_chain);
    tcase_add_test(tc, segments_that_touch_are_not_apart);
    tcase_add_test(tc, a_segment_of_unknown_keys_is_alone);
    tcase_add_test(tc, the_segment_of_a_key_is_found);
    suite_add_tcase(s, tc);
    return s;
}
