/* Changes that are segments already, laid over a collection. */
#include <stdlib.h>

#include "base/mem.h"
#include "segment/batch.h"
#include "stack/segstack.h"
#include "support/coll.h"
#include "support/operators.h"

Suite *suite_prepare_changes(void);

/* The changes of batch_of() as segments; children are not looked at. */
static struct segstack *
stack_of(const char *text)
{
    struct moss_batch *batch = batch_of(text);
    struct segment **segs = NULL;
    struct segstack *stack = NULL;
    size_t n = 0;

    assert_ok(batch_segments(batch, 0, moss_batch_count(batch), &merge_append,
                             &segs, &n));
    assert_ok(segstack_new(NULL, segs, n, &stack));
    for (size_t i = 0; i < n; i++)
        segment_unref(segs[i]);
    mem_free(segs);
    moss_batch_free(batch);
    return stack;
}

/* Changes of the top level and of two children, one of them nested. */
struct laid {
    struct segstack *top, *kid, *deep;
    struct moss_change kids[2], deeper, root;
    struct moss_changes changes;
};

static void
laid_init(struct laid *l, const char *top, const char *kid, const char *deep)
{
    memset(l, 0, sizeof *l);
    l->top = stack_of(top);
    l->kid = stack_of(kid);
    l->deep = stack_of(deep);
    l->deeper.name = moss_str("deep");
    l->deeper.segments = l->deep;
    l->kids[0].name = moss_str("kid");
    l->kids[0].segments = l->kid;
    l->kids[0].children = &l->deeper;
    l->kids[0].n_children = 1;
    l->kids[1].name = moss_str("none");
    l->root.segments = l->top;
    l->root.children = l->kids;
    l->root.n_children = 2;
    l->changes.tag = tag_of(7);
    l->changes.top = &l->root;
}

static void
laid_release(struct laid *l)
{
    segstack_unref(l->top);
    segstack_unref(l->kid);
    segstack_unref(l->deep);
}

/* In memory, over a toy, or over a store. */
enum below { NOTHING, A_TOY, A_STORE, BELOWS };

struct place {
    struct over_toy toy;
    struct over_store store;
    struct moss_collection *c;
};

static void
open_at(struct place *p, enum below below)
{
    static const struct moss_collection_options o = { .merge = &merge_append };

    memset(p, 0, sizeof *p);
    if (below == A_TOY) {
        over_toy_open(&p->toy, &o);
        p->c = p->toy.c;
    } else if (below == A_STORE) {
        over_store_open(&p->store, &o);
        p->c = p->store.c;
    } else {
        assert_ok(moss_collection_open(&o, NULL, &p->c));
    }
}

static void
close_at(struct place *p, enum below below)
{
    if (below == A_TOY)
        over_toy_close(&p->toy);
    else if (below == A_STORE)
        over_store_close(&p->store);
    else
        assert_ok(moss_collection_close(p->c, 0, NULL));
}

START_TEST(segments_are_laid_over_the_collections_of_their_names)
{
    static const char want[] =
        "a=2 k=12 new=1 kid{x=2 y=1 deep{z=1}} none{} other{o=1}";
    struct moss_prepared *p = NULL;
    struct place at;
    struct laid l;

    open_at(&at, (enum below)_i);
    run(at.c, "a=1 b=1 k=1 kid{x=1 y=1} other{o=1}");
    if (_i != NOTHING)
        assert_ok(moss_collection_flush(at.c, MOSS_FOREVER, NULL));
    laid_init(&l, "a=2 -b k+2 new=1", "x=2", "z=1");
    assert_ok(moss_collection_prepare_changes(at.c, &l.changes, 0, &p));
    laid_release(&l); /* what they are of is the prepared batch's, too */
    ck_assert(moss_tag_equal(moss_prepared_tag(p), tag_of(7)));
    assert_collection(at.c, "a=1 b=1 k=1 kid{x=1 y=1} other{o=1}");
    moss_prepared_publish(p);
    assert_collection(at.c, want);
    ck_assert(moss_tag_equal(moss_collection_tag(at.c), tag_of(7)));
    assert_ok(moss_collection_notify_merger(at.c, true, MOSS_FOREVER));
    assert_collection(at.c, want);
    if (_i != NOTHING)
        assert_ok(moss_collection_flush(at.c, MOSS_FOREVER, NULL));
    assert_collection(at.c, want);
    if (_i == A_STORE) {
        over_store_reopen(&at.store);
        at.c = at.store.c;
        assert_collection(at.c, want);
    }
    close_at(&at, (enum below)_i);
}
END_TEST

START_TEST(they_can_be_laid_over_twice_and_dropped)
{
    struct moss_prepared *p = NULL, *q = NULL;
    struct place at;
    struct laid l;

    open_at(&at, NOTHING);
    laid_init(&l, "k+1", "x=1", "z=1");
    assert_ok(moss_collection_prepare_changes(at.c, &l.changes, 0, &p));
    assert_ok(moss_collection_prepare_changes(at.c, &l.changes, 0, &q));
    moss_prepared_publish(p);
    moss_prepared_publish(q);
    assert_ok(moss_collection_prepare_changes(at.c, &l.changes, 0, &p));
    moss_prepared_free(p);
    laid_release(&l);
    assert_collection(at.c, "k=11 kid{x=1 deep{z=1}} none{}");
    close_at(&at, NOTHING);
}
END_TEST

/* It counts as much as a batch would, and so waits for room. */
START_TEST(bounds_hold_for_them)
{
    struct moss_collection_options o = { .max_dirty_ops = 4 };
    struct moss_prepared *p = NULL, *q = NULL;
    struct over_toy toy;
    struct laid l;

    over_toy_open(&toy, &o);
    toy_hold(toy.toy);
    laid_init(&l, "a=1", "x=1", "z=1");
    assert_ok(moss_collection_prepare_changes(toy.c, &l.changes, 0, &p));
    moss_prepared_publish(p);
    assert_status(moss_collection_prepare_changes(toy.c, &l.changes, 0, &q),
                  MOSS_TIMEOUT);
    ck_assert_ptr_null(q);
    toy_let_go(toy.toy);
    assert_ok(moss_collection_flush(toy.c, MOSS_FOREVER, NULL));
    assert_ok(moss_collection_prepare_changes(toy.c, &l.changes, 0, &q));
    moss_prepared_free(q);
    laid_release(&l);
    assert_toy(&toy, "a=1 kid{x=1 deep{z=1}} none{}");
    over_toy_close(&toy);
}
END_TEST

START_TEST(what_is_too_deep_or_read_only_is_refused)
{
    struct moss_collection_options o = { .read_only = true };
    struct moss_change chain[34] = { 0 };
    struct moss_changes changes = { { 0, 0 }, chain };
    struct moss_prepared *p = NULL;
    struct place at;

    for (size_t i = 0; i + 1 < 34; i++) {
        chain[i].children = &chain[i + 1];
        chain[i].n_children = 1;
        chain[i + 1].name = moss_str("n");
    }
    open_at(&at, NOTHING);
    assert_status(moss_collection_prepare_changes(at.c, &changes, 0, &p),
                  MOSS_INVALID);
    ck_assert_ptr_null(p);
    changes.top = &chain[1]; /* one less */
    assert_ok(moss_collection_prepare_changes(at.c, &changes, 0, &p));
    moss_prepared_free(p);
    close_at(&at, NOTHING);
    assert_ok(moss_collection_open(&o, NULL, &at.c));
    assert_status(moss_collection_prepare_changes(at.c, &changes, 0, &p),
                  MOSS_READONLY);
    close_at(&at, NOTHING);
}
END_TEST

Suite *
suite_prepare_changes(void)
{
    Suite *s = suite_create("prepare_changes");
    TCase *tc = tcase_create("prepare_changes");

    tcase_add_loop_test(
        tc, segments_are_laid_over_the_collections_of_their_names, 0, BELOWS);
    tcase_add_test(tc, they_can_be_laid_over_twice_and_dropped);
    tcase_add_test(tc, bounds_hold_for_them);
    tcase_add_test(tc, what_is_too_deep_or_read_only_is_refused);
    suite_add_tcase(s, tc);
    return s;
}
