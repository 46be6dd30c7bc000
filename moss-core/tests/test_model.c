/*
 * Random operations against a model: batches with children, prepared batches
 * that are published out of order, old snapshots that must not change, states
 * by tag, failing updates, reopening.  Prints its seed; SEED= repeats a run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reaper.h"
#include "support/coll.h"
#include "support/mem_os.h"
#include "support/model_tree.h"
#include "support/operators.h"

enum below {
    IN_MEMORY,
    OVER_TOY,
    OVER_TOY_CACHED,
    OVER_STORE,
    OVER_COMPACTED,
    BELOWS
};

enum { HELD = 4, TAGS = 8 };

struct world {
    enum below below;
    struct rng rng;
    struct moss_collection_options options;
    struct heard heard;
    struct toy *toy;
    struct mem_os *os;
    struct moss_collection *c;
    struct model_tree *model;

    /* Held over the operations that follow, and what they are to be. */
    struct moss_prepared *prepared[HELD];
    char *prepared_words[HELD];
    struct moss_snapshot *snaps[HELD];
    char *snap_texts[HELD];
    uint64_t tag;
    uint64_t tags[TAGS];
    char *tag_texts[TAGS];
};

static struct moss_lower *
lower_of(struct world *w)
{
    struct moss_store_options options = {
        .merge = &merge_append,
        .compaction = w->below == OVER_COMPACTED ? MOSS_COMPACTION_FORCE
                                                 : MOSS_COMPACTION_ALLOW,
    };
    struct moss_store *store;
    struct moss_lower *lower;

    if (w->below == IN_MEMORY)
        return NULL;
    if (w->below == OVER_TOY || w->below == OVER_TOY_CACHED)
        return toy_lower(w->toy);
    options.os = mem_os_base(w->os);
    assert_ok(moss_store_open("/db", &options, &store, NULL));
    assert_ok(moss_store_lower(store, &lower));
    moss_store_close(store);
    return lower;
}

static void
world_open(struct world *w, enum below below, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    w->below = below;
    rng_init(&w->rng, seed);
    heard_init(&w->heard);
    heard_listen(&w->heard, &w->options);
    w->options.merge = &merge_append;
    w->options.cache_persisted = below == OVER_TOY_CACHED;
    w->options.max_dirty_ops = 200;
    w->toy = toy_new(&merge_append);
    w->os = mem_os_new();
    w->model = model_tree_new();
    assert_ok(moss_collection_open(&w->options, lower_of(w), &w->c));
}

/* ----------------------------------------------------------------- steps */

static void
check(struct world *w)
{
    char *want = model_tree_dump(w->model);

    assert_collection(w->c, want);
    free(want);
}

static void
remember_tag(struct world *w)
{
    size_t i = w->tag % TAGS;

    free(w->tag_texts[i]);
    w->tags[i] = w->tag;
    w->tag_texts[i] = model_tree_dump(w->model);
}

/* Words that rename children, which may not be possible. */
static void
edit_tree(struct world *w)
{
    char *words = random_tree_words(&w->rng);
    enum moss_status want = model_tree_try(w->model, words), st;
    struct moss_batch *batch;

    assert_ok(moss_batch_new(0, 0, &batch));
    st = batch_try(batch, words);
    if (st == MOSS_OK)
        st = moss_collection_execute(w->c, batch);
    /* If there are two reasons, the batch may find the second one first. */
    ck_assert_msg(
        (st == MOSS_OK) == (want == MOSS_OK) &&
            (st == MOSS_OK || st == MOSS_NOT_FOUND || st == MOSS_EXISTS),
        "%s is %s, not %s", words, moss_status_name(st),
        moss_status_name(want));
    moss_batch_free(batch);
    free(words);
}

static void
execute(struct world *w)
{
    char *words = random_words(&w->rng);

    if (rng_below(&w->rng, 2) == 0) {
        run_tagged(w->c, ++w->tag, words);
        model_tree_apply(w->model, words);
        remember_tag(w);
    } else {
        run(w->c, words);
        model_tree_apply(w->model, words);
    }
    free(words);
}

static void
prepare_or_publish(struct world *w)
{
    size_t i = rng_below(&w->rng, HELD);

    if (w->prepared[i] == NULL) {
        struct moss_batch *batch;

        w->prepared_words[i] = random_words(&w->rng);
        batch = batch_of(w->prepared_words[i]);
        assert_ok(moss_collection_prepare(w->c, batch, MOSS_FOREVER,
                                          &w->prepared[i]));
        moss_batch_free(batch);
        return;
    }
    if (rng_below(&w->rng, 4) == 0) {
        moss_prepared_free(w->prepared[i]);
    } else {
        moss_prepared_publish(w->prepared[i]);
        model_tree_apply(w->model, w->prepared_words[i]);
    }
    w->prepared[i] = NULL;
    free(w->prepared_words[i]);
    w->prepared_words[i] = NULL;
}

static void
snapshot_or_check_it(struct world *w)
{
    size_t i = rng_below(&w->rng, HELD);

    if (w->snaps[i] == NULL) {
        assert_ok(moss_collection_snapshot(w->c, &w->snaps[i]));
        w->snap_texts[i] = model_tree_dump(w->model);
        return;
    }
    assert_tree(w->snaps[i], w->snap_texts[i]);
    moss_snapshot_unref(w->snaps[i]);
    w->snaps[i] = NULL;
    free(w->snap_texts[i]);
}

static void
check_tag(struct world *w)
{
    size_t i = rng_below(&w->rng, TAGS);

    if (w->tag_texts[i] != NULL)
        assert_at(w->c, w->tags[i], w->tag_texts[i]);
}

static void
drop_prepared(struct world *w)
{
    for (size_t i = 0; i < HELD; i++) {
        moss_prepared_free(w->prepared[i]);
        w->prepared[i] = NULL;
        free(w->prepared_words[i]);
        w->prepared_words[i] = NULL;
    }
}

/* Only the newest state is there afterwards. */
static void
forget_tags(struct world *w)
{
    for (size_t i = 0; i < TAGS; i++) {
        free(w->tag_texts[i]);
        w->tag_texts[i] = NULL;
    }
}

static void
reopen(struct world *w)
{
    if (w->below == IN_MEMORY)
        return;
    drop_prepared(w);
    assert_ok(moss_collection_close(w->c, MOSS_FOREVER, NULL));
    assert_ok(moss_collection_open(&w->options, lower_of(w), &w->c));
    forget_tags(w);
    ck_assert_uint_eq(moss_collection_tag(w->c).n, w->tag);
}

static void
step(struct world *w)
{
    uint64_t what = rng_below(&w->rng, 100);

    if (what < 25)
        execute(w);
    else if (what < 50)
        edit_tree(w);
    else if (what < 65)
        prepare_or_publish(w);
    else if (what < 80)
        snapshot_or_check_it(w);
    else if (what < 88)
        check_tag(w);
    else if (what < 91)
        assert_ok(moss_collection_wait_idle(w->c, MOSS_FOREVER));
    else if (what < 94)
        assert_ok(moss_collection_flush(w->c, MOSS_FOREVER, NULL));
    else if (what < 96)
        reopen(w);
    else
        check(w);
}

static void
world_close(struct world *w)
{
    drop_prepared(w);
    check(w);
    assert_ok(moss_collection_close(w->c, MOSS_FOREVER, NULL));
    for (size_t i = 0; i < HELD; i++) {
        if (w->snaps[i] == NULL)
            continue;
        assert_tree(w->snaps[i], w->snap_texts[i]); /* outlives it */
        moss_snapshot_unref(w->snaps[i]);
        free(w->snap_texts[i]);
    }
    forget_tags(w);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(w->os), 0);
    model_tree_free(w->model);
    toy_free(w->toy);
    mem_os_free(w->os);
    heard_release(&w->heard);
}

START_TEST(collection_behaves_as_the_model)
{
    uint64_t seed = test_seed(1) + (uint64_t)_i;
    struct world w;

    printf("model: below %d, seed %llu\n", _i % BELOWS,
           (unsigned long long)seed);
    world_open(&w, (enum below)(_i % BELOWS), seed);
    for (int n = 0; n < 600; n++)
        step(&w);
    world_close(&w);
}
END_TEST

Suite *suite_model(void);

Suite *
suite_model(void)
{
    Suite *s = suite_create("model");
    TCase *tc = tcase_create("model");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, collection_behaves_as_the_model, 0, 3 * BELOWS);
    suite_add_tcase(s, tc);
    return s;
}
