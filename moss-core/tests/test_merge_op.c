/* What becomes of a merge operator's answers. */
#include "segment/merge_op.h"

#include <stdlib.h>

#include "base/base.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"
#include "support/operators.h"

/* An operator that appends as told, and answers as told. */
struct script {
    size_t len;
    enum moss_status answer;
};

static enum moss_status
play(void *ctx, struct moss_slice key, const struct moss_slice *operands,
     size_t n, struct moss_output *out)
{
    const struct script *s = ctx;
    static const uint8_t bytes[1];

    (void)key, (void)operands, (void)n;
    /* What append says is of no interest to this one. */
    if (moss_output_append(out, bytes, s->len) < 0)
        return s->answer;
    return s->answer;
}

static enum moss_status
play_full(void *ctx, struct moss_slice key, const struct moss_slice *existing,
          const struct moss_slice *operands, size_t n, struct moss_output *out)
{
    (void)existing;
    return play(ctx, key, operands, n, out);
}

static enum moss_status
full(size_t len, enum moss_status answer)
{
    struct script script = { len, answer };
    struct moss_merge_operator op = { "script", play_full, play, &script };
    struct moss_output out;
    struct operands list;
    enum moss_status st;

    output_init(&out);
    operands_init(&list);
    assert_ok(operands_push(&list, moss_str("x")));
    st = merge_op_full(&op, moss_str("k"), NULL, &list, &out);
    operands_release(&list);
    output_release(&out);
    return st;
}

static enum moss_status
partial(size_t len, enum moss_status answer)
{
    struct script script = { len, answer };
    struct moss_merge_operator op = { "script", play_full, play, &script };
    struct moss_output out;
    struct operands list;
    enum moss_status st;

    output_init(&out);
    operands_init(&list);
    st = merge_op_partial(&op, moss_str("k"), &list, &out);
    output_release(&out);
    return st;
}

START_TEST(answers_of_full_are_judged)
{
    assert_status(full(1, MOSS_OK), MOSS_OK);
    assert_status(full(1, MOSS_NOMEM), MOSS_NOMEM);
    assert_status(full(1, MOSS_NOT_FOUND), MOSS_MERGE_FAILED);
    assert_status(full(1, MOSS_DONE), MOSS_MERGE_FAILED);
    assert_status(full(1, MOSS_TOO_BIG), MOSS_TOO_BIG);
    /* Of others, somebody might think that they came from elsewhere. */
    assert_status(full(1, MOSS_IO), MOSS_MERGE_FAILED);
}
END_TEST

START_TEST(answers_of_partial_are_judged)
{
    assert_status(partial(1, MOSS_OK), MOSS_OK);
    assert_status(partial(1, MOSS_NOT_FOUND), MOSS_NOT_FOUND);
    assert_status(partial(1, MOSS_DONE), MOSS_MERGE_FAILED);
    assert_status(partial(1, MOSS_MERGE_FAILED), MOSS_MERGE_FAILED);
}
END_TEST

START_TEST(a_failed_append_cannot_be_swallowed)
{
    assert_status(full(MOSS_MAX_VALUE + 1, MOSS_OK), MOSS_TOO_BIG);
    fail_alloc_install();
    fail_alloc_nth(1);
    assert_status(full(1, MOSS_OK), MOSS_NOMEM);
    fail_alloc_nth(1);
    assert_status(partial(1, MOSS_OK), MOSS_NOMEM);
    fail_alloc_remove();
}
END_TEST

START_TEST(without_full_there_is_no_operator)
{
    struct moss_merge_operator none = { "none", NULL, NULL, NULL };
    struct moss_output out;
    struct operands list;

    output_init(&out);
    operands_init(&list);
    assert_status(merge_op_full(&none, moss_str("k"), NULL, &list, &out),
                  MOSS_NO_OPERATOR);
    assert_status(merge_op_full(NULL, moss_str("k"), NULL, &list, &out),
                  MOSS_NO_OPERATOR);
    assert_status(merge_op_partial(NULL, moss_str("k"), &list, &out),
                  MOSS_NO_OPERATOR);
    assert_status(merge_op_partial(&merge_add, moss_str("k"), &list, &out),
                  MOSS_NOT_FOUND);
}
END_TEST

/* _i operands: as many as fit without memory, and more. */
START_TEST(operands_are_reversed)
{
    static const uint8_t digits[] = "0123456789";
    struct operands list;

    operands_init(&list);
    for (int i = 0; i < _i; i++)
        assert_ok(operands_push(&list, moss_slice(digits + i, 1)));
    operands_reverse(&list);
    for (int i = 0; i < _i; i++)
        ck_assert_ptr_eq(list.slices[i].bytes, digits + _i - 1 - i);
    operands_release(&list);
    ck_assert_uint_eq(list.n, 0);
}
END_TEST

Suite *suite_merge_op(void);

Suite *
suite_merge_op(void)
{
    Suite *s = suite_create("merge_op");
    TCase *tc = tcase_create("merge_op");

    tcase_add_test(tc, answers_of_full_are_judged);
    tcase_add_test(tc, answers_of_partial_are_judged);
    tcase_add_test(tc, a_failed_append_cannot_be_swallowed);
    tcase_add_test(tc, without_full_there_is_no_operator);
    tcase_add_loop_test(tc, operands_are_reversed, 0, 10);
    suite_add_tcase(s, tc);
    return s;
}
