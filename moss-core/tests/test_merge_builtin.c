/*
 * The built-in merge operators: what they make of operands, that it does not
 * matter how these are grouped, and that a collection over a store gives what
 * a model gives, children included.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/coding.h"
#include "base/reaper.h"
#include "segment/merge_op.h"
#include "support/coll.h"
#include "support/mem_os.h"

static const char *const names[] = { "add",        "min",        "max",
                                     "add_double", "min_double", "max_double" };
enum { NUMERIC = 6 };

/* ------------------------------------------------------------------ calls */

static struct moss_slice
slice_of(const struct moss_output *out)
{
    return output_slice(out);
}

/* Operands as words with spaces between; existing NULL: absent. */
static void
push_words(struct operands *list, char *words)
{
    for (char *w = strtok(words, " "); w != NULL; w = strtok(NULL, " "))
        assert_ok(operands_push(list, moss_str(strcmp(w, "_") == 0 ? "" : w)));
}

static void
assert_appended(const char *name, const char *existing, const char *operands,
                const char *want)
{
    struct moss_merge_operator op;
    struct moss_slice value = moss_str(existing == NULL ? "" : existing);
    char *words = must_alloc(strdup(operands));
    struct operands list;
    struct moss_output out;

    if (strcmp(name, "append") == 0)
        op = *moss_merge_builtin(name);
    else
        assert_ok(moss_merge_append(name, &op));
    ck_assert_str_eq(op.name, name);
    operands_init(&list);
    output_init(&out);
    push_words(&list, words);
    assert_ok(merge_op_full(&op, moss_str("k"),
                            existing == NULL ? NULL : &value, &list, &out));
    assert_slice(slice_of(&out), want);
    if (existing == NULL && list.n > 1) {
        assert_ok(merge_op_partial(&op, moss_str("k"), &list, &out));
        assert_slice(slice_of(&out), want);
    }
    output_release(&out);
    operands_release(&list);
    free(words);
}

START_TEST(append_puts_operands_behind_the_value)
{
    assert_appended("append", NULL, "a b c", "abc");
    assert_appended("append", "v", "a b c", "vabc");
    assert_appended("append", "", "a", "a");
    assert_appended("append:,", NULL, "a b c", "a,b,c");
    assert_appended("append:,", NULL, "a", "a");
    assert_appended("append:,", "v", "a b", "v,a,b");
    assert_appended("append:--", "v", "a b", "v--a--b");
    assert_appended("append:", "v", "a b", "vab");
    /* Empty is not absent. */
    assert_appended("append:,", "", "a", ",a");
    assert_appended("append:,", NULL, "_ b", ",b");
}
END_TEST

START_TEST(unknown_names_are_refused)
{
    struct moss_merge_operator op;

    ck_assert_ptr_eq(moss_merge_builtin("nosuch"), NULL);
    ck_assert_ptr_eq(moss_merge_builtin(""), NULL);
    ck_assert_ptr_eq(moss_merge_builtin("append:,"), NULL);
    assert_status(moss_merge_append("append", &op), MOSS_INVALID);
    assert_status(moss_merge_append("add", &op), MOSS_INVALID);
    ck_assert_ptr_eq(op.full, NULL);
}
END_TEST

static uint64_t
bits_of(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof(bits));
    return bits;
}

/* full() over all but the first number, which is the value if asked. */
static uint64_t
full_of(const struct moss_merge_operator *op, bool exists,
        const uint64_t *numbers, size_t n)
{
    uint8_t bytes[8][8];
    struct moss_slice first = moss_slice(bytes[0], 8);
    struct operands list;
    struct moss_output out;
    uint64_t result;

    ck_assert_uint_le(n, 8);
    operands_init(&list);
    output_init(&out);
    for (size_t i = 0; i < n; i++) {
        store_le64(bytes[i], numbers[i]);
        if (i > 0 || !exists)
            assert_ok(operands_push(&list, moss_slice(bytes[i], 8)));
    }
    assert_ok(
        merge_op_full(op, moss_str("k"), exists ? &first : NULL, &list, &out));
    ck_assert_uint_eq(out.buf.len, 8);
    result = load_le64(out.buf.bytes);
    output_release(&out);
    operands_release(&list);
    return result;
}

static void
assert_three(const char *name, uint64_t a, uint64_t b, uint64_t c,
             uint64_t want)
{
    const uint64_t numbers[] = { a, b, c };

    ck_assert_uint_eq(full_of(moss_merge_builtin(name), true, numbers, 3),
                      want);
    ck_assert_uint_eq(full_of(moss_merge_builtin(name), false, numbers, 3),
                      want);
}

START_TEST(integers_are_signed_and_wrap)
{
    const uint64_t minus_5 = (uint64_t)-5, top = INT64_MAX;

    assert_three("add", 7, minus_5, 1, 3);
    assert_three("add", top, 1, minus_5, top - 4);
    assert_three("add", top, 1, 0, (uint64_t)INT64_MIN);
    assert_three("min", 7, minus_5, 1, minus_5);
    assert_three("max", minus_5, 7, 1, 7);
    assert_three("max", (uint64_t)INT64_MIN, minus_5, (uint64_t)-9, minus_5);
    assert_three("min", top, top, top, top);
}
END_TEST

START_TEST(doubles_have_one_order)
{
    const uint64_t nan_bits = bits_of(NAN);

    assert_three("add_double", bits_of(1.5), bits_of(-4), bits_of(0.25),
                 bits_of(-2.25));
    assert_three("min_double", bits_of(1.5), bits_of(-4), bits_of(-3),
                 bits_of(-4));
    assert_three("max_double", bits_of(-8), bits_of(-4), bits_of(-5),
                 bits_of(-4));
    assert_three("min_double", bits_of(0.0), bits_of(-0.0), bits_of(0.0),
                 bits_of(-0.0));
    assert_three("max_double", bits_of(-0.0), bits_of(0.0), bits_of(-0.0),
                 bits_of(0.0));
    assert_three("min_double", nan_bits, bits_of(3), nan_bits, bits_of(3));
    assert_three("max_double", bits_of(3), nan_bits, nan_bits, bits_of(3));
    assert_three("max_double", bits_of(1), bits_of(INFINITY),
                 bits_of(-INFINITY), bits_of(INFINITY));
    assert_three("max_double", nan_bits, nan_bits, nan_bits, nan_bits);
}
END_TEST

/* What is no number is refused, as value and as operand, first or later. */
START_TEST(other_lengths_are_refused)
{
    const struct moss_merge_operator *op = moss_merge_builtin(names[_i]);
    const struct moss_slice good = moss_str("12345678"), bad = moss_str("1");
    struct operands list;
    struct moss_output out;

    operands_init(&list);
    output_init(&out);
    assert_ok(operands_push(&list, good));
    assert_status(merge_op_full(op, good, &bad, &list, &out),
                  MOSS_MERGE_FAILED);
    assert_ok(operands_push(&list, moss_str("123456789")));
    assert_status(merge_op_full(op, good, NULL, &list, &out),
                  MOSS_MERGE_FAILED);
    assert_status(merge_op_full(op, good, &good, &list, &out),
                  MOSS_MERGE_FAILED);
    if (op->partial != NULL)
        assert_status(merge_op_partial(op, good, &list, &out),
                      MOSS_MERGE_FAILED);
    output_release(&out);
    operands_release(&list);
}
END_TEST

/* ----------------------------------------------------- against the model */

enum { KEYS = 6, COLLS = 2 };

struct model_value {
    bool exists;
    uint64_t number;
};

/* A collection over a store in memory, and what it is to hold. */
struct world {
    struct rng rng;
    const struct moss_merge_operator *op;
    struct mem_os *os;
    bool compact;
    struct moss_collection *c;
    struct model_value model[COLLS][KEYS];
};

static void
world_reopen(struct world *w)
{
    struct moss_collection_options options = { .merge = w->op };
    struct moss_store_options store_options = {
        .os = mem_os_base(w->os),
        .merge = w->op,
        .compaction =
            w->compact ? MOSS_COMPACTION_FORCE : MOSS_COMPACTION_ALLOW,
    };
    struct moss_store *store;
    struct moss_lower *lower;

    if (w->c != NULL)
        assert_ok(moss_collection_close(w->c, MOSS_FOREVER, NULL));
    assert_ok(moss_store_open("/db", &store_options, &store, NULL));
    assert_ok(moss_store_lower(store, &lower));
    assert_ok(moss_collection_open(&options, lower, &w->c));
    moss_store_close(store);
}

static uint64_t
random_number(struct world *w)
{
    /* Sums of these fractions have digits that depend on the order. */
    if (strstr(w->op->name, "double") != NULL)
        return bits_of((double)rng_below(&w->rng, 1000) / 7.0 - 50);
    return rng_next(&w->rng);
}

static void
change(struct world *w, struct moss_batch *batch, struct model_value *model)
{
    uint64_t k = rng_below(&w->rng, KEYS), what = rng_below(&w->rng, 8);
    uint64_t number = random_number(w), pair[2];
    struct model_value *m = &model[k];
    uint8_t key = (uint8_t)('a' + k), bytes[8];

    store_le64(bytes, number);
    if (what == 0) {
        assert_ok(
            moss_batch_set(batch, moss_slice(&key, 1), moss_slice(bytes, 8)));
        *m = (struct model_value){ true, number };
    } else if (what == 1) {
        assert_ok(moss_batch_del(batch, moss_slice(&key, 1)));
        m->exists = false;
    } else {
        assert_ok(
            moss_batch_merge(batch, moss_slice(&key, 1), moss_slice(bytes, 8)));
        pair[0] = m->number;
        pair[1] = number;
        *m = (struct model_value){ true, m->exists
                                             ? full_of(w->op, true, pair, 2)
                                             : number };
    }
}

static void
check_value(struct moss_snapshot *snap, uint8_t key,
            const struct model_value *want)
{
    struct moss_value value;
    enum moss_status st = moss_snapshot_get(snap, moss_slice(&key, 1), &value);

    assert_status(st, want->exists ? MOSS_OK : MOSS_NOT_FOUND);
    if (st == MOSS_OK) {
        ck_assert_uint_eq(value.bytes.len, 8);
        ck_assert_uint_eq(load_le64(value.bytes.bytes), want->number);
        moss_value_release(&value);
    }
}

/* Forward from the front, or back from the end: what is not there is not. */
static void
check_scan(struct moss_snapshot *snap, const struct model_value *want,
           bool backwards)
{
    struct moss_iterator *it;
    struct moss_slice key, value;

    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    for (size_t i = 0; i < KEYS; i++) {
        size_t k = backwards ? KEYS - 1 - i : i;

        if (!want[k].exists)
            continue;
        assert_ok(backwards ? moss_iterator_prev(it) : moss_iterator_next(it));
        moss_iterator_current(it, &key, &value);
        ck_assert_uint_eq(key.bytes[0], 'a' + k);
        ck_assert_uint_eq(load_le64(value.bytes), want[k].number);
    }
    assert_status(backwards ? moss_iterator_prev(it) : moss_iterator_next(it),
                  MOSS_DONE);
    moss_iterator_free(it);
}

static void
check(struct world *w)
{
    struct moss_snapshot *snaps[COLLS];

    assert_ok(moss_collection_snapshot(w->c, &snaps[0]));
    assert_ok(moss_snapshot_child(snaps[0], moss_str("kid"), &snaps[1]));
    for (size_t c = 0; c < COLLS; c++) {
        for (size_t k = 0; k < KEYS; k++)
            check_value(snaps[c], (uint8_t)('a' + k), &w->model[c][k]);
        check_scan(snaps[c], w->model[c], false);
        check_scan(snaps[c], w->model[c], true);
    }
    moss_snapshot_unref(snaps[1]);
    moss_snapshot_unref(snaps[0]);
}

/* When the last file is closed: a file that a compaction left is, later. */
static void
free_os(struct mem_os *os)
{
    while (mem_os_open_files(os) > 0)
        reaper_drain();
    mem_os_free(os);
}

static void
execute(struct world *w)
{
    struct moss_batch *batch, *kid;

    assert_ok(moss_batch_new(0, 0, &batch));
    assert_ok(moss_batch_child(batch, moss_str("kid"), &kid));
    for (uint64_t n = rng_below(&w->rng, 6); n > 0; n--)
        change(w, batch, w->model[0]);
    for (uint64_t n = rng_below(&w->rng, 6); n > 0; n--)
        change(w, kid, w->model[1]);
    assert_ok(moss_collection_execute(w->c, batch));
    moss_batch_free(batch);
}

START_TEST(collections_give_what_the_model_gives)
{
    uint64_t seed = test_seed(1) + (uint64_t)_i;
    struct world w = { .op = moss_merge_builtin(names[_i % NUMERIC]),
                       .compact = _i >= NUMERIC };

    printf("%s%s: seed %llu\n", w.op->name, w.compact ? ", compacted" : "",
           (unsigned long long)seed);
    rng_init(&w.rng, seed);
    w.os = mem_os_new();
    world_reopen(&w);
    execute(&w);
    for (int n = 0; n < 300; n++) {
        uint64_t what = rng_below(&w.rng, 40);

        if (what < 30)
            execute(&w);
        else if (what < 35)
            check(&w);
        else if (what < 38)
            assert_ok(moss_collection_flush(w.c, MOSS_FOREVER, NULL));
        else if (what < 39)
            assert_ok(moss_collection_wait_idle(w.c, MOSS_FOREVER));
        else
            world_reopen(&w);
    }
    check(&w);
    assert_ok(moss_collection_close(w.c, MOSS_FOREVER, NULL));
    free_os(w.os);
}
END_TEST

/* The name is recorded: another operator is refused, none is accepted. */
START_TEST(a_store_remembers_its_operator)
{
    struct mem_os *os = mem_os_new();
    struct moss_store_options options = { .os = mem_os_base(os) };
    struct moss_merge_operator comma, colon;
    struct moss_store *store;
    struct moss_collection *c;
    struct moss_lower *lower;

    assert_ok(moss_merge_append("append:,", &comma));
    assert_ok(moss_merge_append("append::", &colon));
    options.merge = &comma;
    assert_ok(moss_store_open("/db", &options, &store, NULL));
    assert_ok(moss_store_lower(store, &lower));
    assert_ok(moss_collection_open(
        &(struct moss_collection_options){ .merge = &comma }, lower, &c));
    moss_store_close(store);
    run(c, "a+1 a+2");
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    options.merge = &colon;
    assert_status(moss_store_open("/db", &options, &store, NULL), MOSS_INVALID);
    options.merge = &comma;
    assert_ok(moss_store_open("/db", &options, &store, NULL));
    moss_store_close(store);
    free_os(os);
}
END_TEST

Suite *suite_merge_builtin(void);

Suite *
suite_merge_builtin(void)
{
    Suite *s = suite_create("merge_builtin");
    TCase *tc = tcase_create("merge_builtin");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, append_puts_operands_behind_the_value);
    tcase_add_test(tc, unknown_names_are_refused);
    tcase_add_test(tc, integers_are_signed_and_wrap);
    tcase_add_test(tc, doubles_have_one_order);
    tcase_add_loop_test(tc, other_lengths_are_refused, 0, NUMERIC);
    tcase_add_test(tc, a_store_remembers_its_operator);
    tcase_add_loop_test(tc, collections_give_what_the_model_gives, 0,
                        2 * NUMERIC);
    suite_add_tcase(s, tc);
    return s;
}
