/*
 * Lower levels: the store and a foreign one pass the conformance test, and no
 * failure of one ever looks like missing data.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/reaper.h"
#include "support/coll.h"
#include "support/conform.h"
#include "support/flaky.h"
#include "support/mem_os.h"
#include "support/operators.h"

/* ------------------------------------------------------------ conformance */

static struct moss_lower *
open_store(void *ctx, const struct moss_merge_operator *merge)
{
    struct moss_store_options options = { .os = mem_os_base(ctx),
                                          .merge = merge };
    struct moss_store *store;
    struct moss_lower *lower;

    assert_ok(moss_store_open("/db", &options, &store, NULL));
    assert_ok(moss_store_lower(store, &lower));
    moss_store_close(store);
    return lower;
}

START_TEST(the_store_conforms)
{
    struct mem_os *os = mem_os_new();
    struct lower_kind kind = { "store", open_store, os };

    conform(&kind, test_seed(1) + (uint64_t)_i, 200);
    reaper_drain(); /* files are closed there */
    mem_os_free(os);
}
END_TEST

static struct moss_lower *
open_toy(void *ctx, const struct moss_merge_operator *merge)
{
    (void)merge;
    return toy_lower(ctx);
}

START_TEST(a_foreign_lower_level_conforms)
{
    struct toy *toy = toy_new(&merge_append);
    struct lower_kind kind = { "toy", open_toy, toy };

    conform(&kind, test_seed(1) + (uint64_t)_i, 200);
    toy_free(toy);
}
END_TEST

/* --------------------------------------------------- what an update gives */

/* A lower level that refuses every update, and writes down what it was. */
struct recorder {
    struct moss_lower base;
    const struct moss_merge_operator *merge;
    struct moss_snapshot *before; /* one reference; NULL: nothing */
    bool resolve;
    char text[512];
    enum moss_status st; /* of reading the changes */
};

static void
record(struct recorder *r, const struct moss_change *change)
{
    static const char sign[] = { '?', '=', '-', '+' };
    struct moss_snapshot *origin = NULL;
    struct moss_iterator *it = NULL;
    size_t n = strlen(r->text);
    enum moss_status st;

    st = moss_change_origin(change, r->before, &origin);
    if (st == MOSS_OK)
        st = r->resolve ? moss_change_resolve(change, r->merge, origin, &it)
                        : moss_change_iterate(change, r->merge, &it);
    moss_snapshot_unref(origin);
    if (st == MOSS_OK)
        st = moss_iterator_first(it);
    for (; st == MOSS_OK; st = moss_iterator_next(it)) {
        struct moss_slice key, value;

        moss_iterator_current(it, &key, &value);
        n += (size_t)snprintf(r->text + n, sizeof(r->text) - n, "%.*s%c%.*s ",
                              (int)key.len, (const char *)key.bytes,
                              sign[moss_change_op(it)], (int)value.len,
                              (const char *)value.bytes);
    }
    moss_iterator_free(it);
    if (r->st == MOSS_OK && st != MOSS_DONE)
        r->st = st;
    for (size_t i = 0; i < change->n_children; i++) {
        const struct moss_change *child = &change->children[i];

        n = strlen(r->text);
        (void)snprintf(r->text + n, sizeof(r->text) - n, "%.*s%s ",
                       (int)child->name.len, (const char *)child->name.bytes,
                       child->has_from ? ":" : " new:");
        record(r, child);
    }
}

static enum moss_status
recorder_update(struct moss_lower *lower, const struct moss_changes *changes,
                struct moss_snapshot **out, struct moss_error *err)
{
    struct recorder *r = container_of(lower, struct recorder, base);

    (void)err;
    *out = NULL;
    r->text[0] = '\0';
    r->st = MOSS_OK;
    record(r, changes->top);
    return r->st == MOSS_MERGE_FAILED ? r->st : MOSS_BUSY;
}

static void
recorder_close(struct moss_lower *lower)
{
    struct recorder *r = container_of(lower, struct recorder, base);

    moss_snapshot_unref(r->before);
}

static const struct moss_lower_ops recorder_ops = {
    .update = recorder_update,
    .close = recorder_close,
};

/* Give r the changes of words over what toy holds, or over nothing. */
static void
give_changes(struct recorder *r, struct toy *toy, const char *words)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct moss_collection *c;
    struct moss_error err;

    r->base.ops = &recorder_ops;
    r->base.initial = toy == NULL ? NULL : toy_snapshot(toy);
    r->before = toy == NULL ? NULL : toy_snapshot(toy);
    assert_ok(moss_collection_open(&options, &r->base, &c));
    run(c, words);
    assert_status(moss_collection_flush(c, MOSS_FOREVER, &err), MOSS_BUSY);
    /* A lower level need not describe its failure. */
    assert_status(err.status, MOSS_BUSY);
    ck_assert_str_eq(err.what, "persist");
    assert_status(moss_collection_close(c, 0, NULL), MOSS_BUSY);
}

static struct toy *
toy_with(const char *words)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct toy *toy = toy_new(&merge_append);
    struct moss_collection *c;

    assert_ok(moss_collection_open(&options, toy_lower(toy), &c));
    run(c, words);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    return toy;
}

static const char changes[] =
    "a+1 b+2 b+3 c=1 c+2 -d -e e+5 kid{x+1 -y} !old old{x+9 -y} new{z+1}";

/* Over what origin holds; a collection made anew begins with nothing. */
START_TEST(resolved_changes_are_values)
{
    struct recorder r = { .merge = &merge_append, .resolve = true };
    struct toy *toy = toy_with("a=A b=B d=D e=E kid{x=X y=Y} old{x=O}");

    give_changes(&r, toy, changes);
    ck_assert_str_eq(r.text, "a=A1 b=B23 c=12 d- e=5 kid: x=X1 y- "
                             "new new: z=1 old new: x=9 ");
    assert_status(r.st, MOSS_OK);
    toy_free(toy);
}
END_TEST

START_TEST(resolved_changes_over_nothing_are_values)
{
    struct recorder r = { .merge = &merge_append, .resolve = true };

    give_changes(&r, NULL, changes);
    ck_assert_str_eq(r.text, "a=1 b=23 c=12 e=5 kid new: x=1 "
                             "new new: z=1 old new: x=9 ");
    assert_status(r.st, MOSS_OK);
}
END_TEST

START_TEST(unresolved_changes_keep_operands)
{
    struct recorder r = { .merge = &merge_append };
    struct toy *toy = toy_with("a=A b=B d=D e=E kid{x=X y=Y} old{x=O}");

    give_changes(&r, toy, changes);
    ck_assert_str_eq(r.text, "a+1 b+23 c=12 d- e=5 kid: x+1 y- "
                             "new new: z+1 old new: x+9 y- ");
    assert_status(r.st, MOSS_OK);
    toy_free(toy);
}
END_TEST

/* Also a single operand over nothing: nobody knows what it makes. */
START_TEST(changes_are_not_resolved_without_an_operator)
{
    struct recorder r = { .merge = NULL, .resolve = true };
    struct toy *toy = toy_with("a=A");

    give_changes(&r, toy, "a+1");
    assert_status(r.st, MOSS_NO_OPERATOR);
    give_changes(&r, toy, "z+1");
    assert_status(r.st, MOSS_NO_OPERATOR);
    give_changes(&r, NULL, "z+1");
    assert_status(r.st, MOSS_NO_OPERATOR);
    give_changes(&r, toy, "a=1");
    assert_status(r.st, MOSS_OK);
    toy_free(toy);
}
END_TEST

/* Refuses an operand "!", whatever it is to be combined with. */
static enum moss_status
picky_full(void *ctx, struct moss_slice key, const struct moss_slice *existing,
           const struct moss_slice *operands, size_t n, struct moss_output *out)
{
    for (size_t i = 0; i < n; i++) {
        if (operands[i].len > 0 && operands[i].bytes[0] == '!')
            return MOSS_MERGE_FAILED;
    }
    return merge_append.full(ctx, key, existing, operands, n, out);
}

/* Then the lower level gets it together with what is newer. */
START_TEST(a_refused_operand_can_be_overwritten)
{
    const struct moss_merge_operator picky = { "append", picky_full, NULL,
                                               NULL };
    struct moss_collection_options options = { .merge = &picky };
    struct toy *toy = toy_with("a=A b=B kid{b=K}");
    struct recorder r = { .merge = &picky, .resolve = true };
    struct moss_collection *c;

    r.base.ops = &recorder_ops;
    r.base.initial = toy_snapshot(toy);
    r.before = toy_snapshot(toy);
    assert_ok(moss_collection_open(&options, &r.base, &c));
    run_tagged(c, 1, "a+1 kid{b+!}");
    assert_status(moss_collection_flush(c, MOSS_FOREVER, NULL),
                  MOSS_MERGE_FAILED);
    run_tagged(c, 2, "a+2 b=2");
    assert_status(moss_collection_flush(c, MOSS_FOREVER, NULL),
                  MOSS_MERGE_FAILED);
    run_tagged(c, 3, "a+3 kid{b=3} more{c=1}");
    assert_status(moss_collection_flush(c, MOSS_FOREVER, NULL), MOSS_BUSY);
    assert_collection(c, "a=A123 b=2 kid{b=3} more{c=1}");
    assert_status(moss_collection_close(c, 0, NULL), MOSS_BUSY);
    /* Nobody tries again and writes it anew. */
    ck_assert_str_eq(r.text, "a=A123 b=2 kid: b=3 more new: c=1 ");
    toy_free(toy);
}
END_TEST

/* --------------------------------------------------------------- failures */

/* The lines of a report: what each read gave, or "IO". */
struct report {
    FILE *f;
    char *text;
    size_t n;
};

static void
report_open(struct report *r)
{
    r->f = must_alloc(open_memstream(&r->text, &r->n));
}

static void
report_close(struct report *r)
{
    ck_assert_int_eq(fclose(r->f), 0);
}

/* Only these may come; a failure is told as one line. */
static bool
is_failure(struct report *r, enum moss_status st)
{
    ck_assert_msg(st == MOSS_OK || st == MOSS_NOT_FOUND || st == MOSS_DONE ||
                      st == MOSS_IO,
                  "%s", moss_status_name(st));
    if (st == MOSS_IO)
        fputs("IO\n", r->f);
    return st == MOSS_IO;
}

static void
report_get(struct report *r, struct moss_snapshot *snap, const char *key)
{
    struct moss_value value;
    enum moss_status st = moss_snapshot_get(snap, moss_str(key), &value);

    if (is_failure(r, st))
        return;
    fprintf(r->f, "%.*s\n", st == MOSS_OK ? (int)value.bytes.len : 6,
            st == MOSS_OK ? (const char *)value.bytes.bytes : "(none)");
    moss_value_release(&value);
}

/* From a position on, to that end; where says how to get to the position. */
static void
report_pass(struct report *r, struct moss_snapshot *snap, int where)
{
    struct moss_slice lo = moss_str("a"), hi = moss_str("y");
    struct moss_iterator *it;
    struct moss_slice key, value;
    bool bounded = where >= 4, forward = where % 2 == 0;
    char line[256] = "";
    enum moss_status st = moss_snapshot_iterate(snap, bounded ? &lo : NULL,
                                                bounded ? &hi : NULL, &it);

    if (is_failure(r, st))
        return;
    switch (where % 4) {
    case 0:
        st = moss_iterator_first(it);
        break;
    case 1:
        st = moss_iterator_last(it);
        break;
    case 2: /* and turn round */
        st = moss_iterator_seek_for_prev(it, moss_str("bb"));
        break;
    default:
        st = moss_iterator_seek(it, moss_str("bb"));
        break;
    }
    while (st == MOSS_OK) {
        size_t n = strlen(line);

        moss_iterator_current(it, &key, &value);
        (void)snprintf(line + n, sizeof(line) - n, "%.*s=%.*s ", (int)key.len,
                       (const char *)key.bytes, (int)value.len,
                       (const char *)value.bytes);
        st = forward ? moss_iterator_next(it) : moss_iterator_prev(it);
    }
    /* What has failed does not become an end. */
    if (st == MOSS_IO)
        assert_status(moss_iterator_next(it), MOSS_IO);
    if (!is_failure(r, st))
        fprintf(r->f, "%s\n", line);
    moss_iterator_free(it);
}

static enum moss_status
report_name(void *arg, struct moss_slice name)
{
    fprintf(arg, "%.*s,", (int)name.len, (const char *)name.bytes);
    return MOSS_OK;
}

static void
report_estimate(struct report *r, struct moss_snapshot *snap)
{
    uint64_t entries, bytes;
    enum moss_status st =
        moss_snapshot_estimate(snap, NULL, NULL, &entries, &bytes);

    if (!is_failure(r, st))
        fprintf(r->f, "%llu %llu\n", (unsigned long long)entries,
                (unsigned long long)bytes);
}

static void
report_snapshot(struct report *r, struct moss_snapshot *snap)
{
    static const char *const keys[] = { "a", "b", "c", "d", "e", "x", "y" };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        report_get(r, snap, keys[i]);
    for (int where = 0; where < 8; where++)
        report_pass(r, snap, where);
    report_estimate(r, snap);
}

static void
report_child(struct report *r, struct moss_snapshot *snap, const char *name)
{
    struct moss_snapshot *child;
    enum moss_status st = moss_snapshot_child(snap, moss_str(name), &child);

    if (st == MOSS_OK) {
        report_snapshot(r, child);
        moss_snapshot_unref(child);
        return;
    }
    ck_assert_msg(st == MOSS_IO, "%s", moss_status_name(st));
    /* As many lines as there would be. */
    for (int i = 0; i < 16; i++)
        fputs("IO\n", r->f);
}

/* Everything that can be read of the collection. */
static void
report_all(struct report *r, struct moss_collection *c)
{
    struct moss_snapshot *snap, *over;
    struct moss_batch *batch = batch_of("a+7 d+8 -e");
    struct moss_value value;
    enum moss_status st;

    report_open(r);
    st = moss_collection_get(c, moss_str("d"), &value);
    if (!is_failure(r, st))
        fprintf(r->f, "%.*s\n", (int)value.bytes.len,
                (const char *)value.bytes.bytes);
    moss_value_release(&value);
    assert_ok(moss_collection_snapshot(c, &snap));
    report_snapshot(r, snap);
    st = moss_snapshot_children(snap, report_name, r->f);
    if (!is_failure(r, st))
        fputc('\n', r->f);
    report_child(r, snap, "kid");
    report_child(r, snap, "other");
    /* Operands of one key meet here: they are combined, or read below. */
    st = moss_snapshot_overlay(snap, batch, 0, moss_batch_count(batch), &over);
    assert_ok(st);
    report_snapshot(r, over);
    moss_snapshot_unref(over);
    moss_snapshot_unref(snap);
    moss_batch_free(batch);
    report_close(r);
}

/* Line by line the same, or "IO"; the number of those. */
static int
count_failures(const char *want, const char *got)
{
    int n = 0;

    while (*want != '\0' && *got != '\0') {
        size_t w = strcspn(want, "\n"), g = strcspn(got, "\n");
        bool same = w == g && memcmp(want, got, w) == 0;
        bool failed = g == 2 && memcmp(got, "IO", 2) == 0;

        ck_assert_msg(same || failed, "%.*s instead of %.*s", (int)g, got,
                      (int)w, want);
        n += !same;
        want += w + 1;
        got += g + 1;
    }
    ck_assert_msg(*want == *got, "more or less was read");
    return n;
}

/* A collection whose lower level is flaky, with changes that stay above. */
struct over_flaky {
    struct toy *toy;
    struct flaky flaky;
    struct moss_collection_options options;
    struct moss_collection *c;
};

static void
over_flaky_open(struct over_flaky *o)
{
    memset(o, 0, sizeof(*o));
    o->toy = toy_with("a=1 b=2 c=3 d=4 y=5 kid{a=1 x=2 y=3} other{d=1}");
    o->options.merge = &merge_append;
    o->options.persist_delay_ms = MOSS_FOREVER;
    assert_ok(moss_collection_open(
        &o->options, flaky_lower(&o->flaky, toy_lower(o->toy)), &o->c));
    run(o->c, "a+6 b=7 -c e+8 kid{x+9 -y}");
}

static void
over_flaky_close(struct over_flaky *o)
{
    flaky_fail_nth(&o->flaky, 0);
    assert_ok(moss_collection_close(o->c, MOSS_FOREVER, NULL));
    toy_free(o->toy);
}

/* Each call of the lower level fails once, while all is read. */
START_TEST(no_failure_looks_like_missing_data)
{
    struct over_flaky o;
    struct report good, bad;
    unsigned n;

    over_flaky_open(&o);
    report_all(&good, o.c);
    ck_assert_ptr_eq(strstr(good.text, "IO"), NULL);
    for (n = 1;; n++) {
        int failures;

        flaky_fail_nth(&o.flaky, n);
        report_all(&bad, o.c);
        failures = count_failures(good.text, bad.text);
        free(bad.text);
        if (!atomic_load(&o.flaky.tripped))
            break;
        ck_assert_msg(failures > 0, "call %u failed, nobody noticed", n);
    }
    ck_assert_uint_gt(n, 100);
    free(good.text);
    over_flaky_close(&o);
}
END_TEST

/* The tree of collections is read when one is opened. */
START_TEST(opening_reports_failures)
{
    struct toy *toy = toy_with("a=1 kid{a=1 grandkid{}} other{d=1}");
    struct moss_collection_options options = { .merge = NULL };
    struct flaky flaky;
    unsigned n;

    for (n = 1;; n++) {
        struct moss_lower *lower = flaky_lower(&flaky, toy_lower(toy));
        struct moss_collection *c;
        enum moss_status st;

        flaky_fail_nth(&flaky, n);
        st = moss_collection_open(&options, lower, &c);
        if (st != MOSS_OK) {
            assert_status(st, MOSS_IO);
            ck_assert(atomic_load(&flaky.tripped));
            lower->ops->close(lower);
            continue;
        }
        ck_assert(!atomic_load(&flaky.tripped));
        flaky_fail_nth(&flaky, 0);
        assert_collection(c, "a=1 kid{a=1 grandkid{}} other{d=1}");
        assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
        break;
    }
    ck_assert_uint_gt(n, 4);
    toy_free(toy);
}
END_TEST

/*
 * The merger reads below for operands that do not combine, and updates fail:
 * nothing is lost or applied twice, and the failure is heard of.
 */
START_TEST(background_failures_lose_no_operands)
{
    const struct moss_merge_operator one_by_one = { "append", merge_append.full,
                                                    NULL, NULL };

    for (unsigned n = 1;; n++) {
        struct toy *toy = toy_with("a=1 kid{a=2}");
        struct moss_collection_options options = { .merge = &one_by_one };
        struct flaky flaky;
        struct heard heard;
        struct moss_collection *c;
        bool tripped;

        heard_init(&heard);
        heard_listen(&heard, &options);
        flaky_fail_nth(&flaky, 0);
        assert_ok(moss_collection_open(
            &options, flaky_lower(&flaky, toy_lower(toy)), &c));
        flaky_fail_nth(&flaky, n);
        run(c, "a+x kid{a+y}");
        run(c, "a+z b+1 kid{a+w}");
        run(c, "a+q b+2 kid{a+v}");
        while (moss_collection_flush(c, MOSS_FOREVER, NULL) != MOSS_OK) {
        }
        tripped = atomic_load(&flaky.tripped);
        assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
        if (tripped)
            heard_wait_errors(&heard, 1);
        flaky_fail_nth(&flaky, 0);
        assert_collection(c, "a=1xzq b=12 kid{a=2ywv}");
        assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
        heard_release(&heard);
        toy_free(toy);
        if (!tripped)
            break;
    }
}
END_TEST

Suite *suite_lower(void);

Suite *
suite_lower(void)
{
    Suite *s = suite_create("lower");
    TCase *tc = tcase_create("conformance");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, the_store_conforms, 0, 4);
    tcase_add_loop_test(tc, a_foreign_lower_level_conforms, 0, 4);
    suite_add_tcase(s, tc);
    tc = tcase_create("changes");
    tcase_add_test(tc, resolved_changes_are_values);
    tcase_add_test(tc, resolved_changes_over_nothing_are_values);
    tcase_add_test(tc, unresolved_changes_keep_operands);
    tcase_add_test(tc, changes_are_not_resolved_without_an_operator);
    tcase_add_test(tc, a_refused_operand_can_be_overwritten);
    suite_add_tcase(s, tc);
    tc = tcase_create("failures");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, no_failure_looks_like_missing_data);
    tcase_add_test(tc, opening_reports_failures);
    tcase_add_test(tc, background_failures_lose_no_operands);
    suite_add_tcase(s, tc);
    return s;
}
