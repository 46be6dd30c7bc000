/*
 * Power cuts under a collection over a store: whatever was flushed is there
 * afterwards, and what is there is the state after some batch, whole, with
 * the tag of that batch.  The cut comes at each call that changes anything,
 * in turn; what was not synced is dropped, kept or torn.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "support/coll.h"
#include "support/mem_os.h"
#include "support/model_tree.h"
#include "support/operators.h"

enum { BATCHES = 12 };

/* The batches of a run and the contents after each. */
struct script {
    char *words[BATCHES + 1];
    char *texts[BATCHES + 1]; /* texts[0] is empty */
};

static void
script_init(struct script *s, uint64_t seed)
{
    struct model_tree *model = model_tree_new();
    struct rng rng;

    rng_init(&rng, seed);
    s->words[0] = NULL;
    s->texts[0] = model_tree_dump(model);
    for (int i = 1; i <= BATCHES; i++) {
        s->words[i] = random_words(&rng);
        model_tree_apply(model, s->words[i]);
        s->texts[i] = model_tree_dump(model);
    }
    model_tree_free(model);
}

static void
script_release(struct script *s)
{
    for (int i = 0; i <= BATCHES; i++) {
        free(s->words[i]);
        free(s->texts[i]);
    }
}

static enum moss_status
open_over_store(struct mem_os *os, bool compact, struct moss_collection **out)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct moss_store_options store_options = {
        .os = mem_os_base(os),
        .merge = &merge_append,
        .compaction = compact ? MOSS_COMPACTION_FORCE : MOSS_COMPACTION_ALLOW
    };
    struct moss_store *store;
    struct moss_lower *lower;
    enum moss_status st;

    *out = NULL;
    st = moss_store_open("/db", &store_options, &store, NULL);
    if (st != MOSS_OK)
        return st;
    st = moss_store_lower(store, &lower);
    moss_store_close(store);
    if (st != MOSS_OK)
        return st;
    st = moss_collection_open(&options, lower, out);
    if (st != MOSS_OK)
        lower->ops->close(lower);
    return st;
}

/*
 * Execute the batches from number first on, each flushed, until one cannot be
 * flushed.  Returns the number of the last one that was.
 */
static int
play(struct moss_collection *c, const struct script *s, int first)
{
    int flushed = first - 1;

    for (int i = first; i <= BATCHES; i++) {
        struct moss_batch *batch = batch_of(s->words[i]);
        enum moss_status st;

        moss_batch_set_tag(batch, tag_of((uint64_t)i));
        st = moss_collection_execute(c, batch);
        moss_batch_free(batch);
        if (st == MOSS_OK)
            st = moss_collection_flush(c, MOSS_FOREVER, NULL);
        if (st != MOSS_OK)
            break;
        flushed = i;
    }
    return flushed;
}

/* Open after a crash: a state of the script, not before flushed. */
static void
check_after_crash(struct mem_os *os, bool compact, const struct script *s,
                  int flushed)
{
    struct moss_collection *c;
    uint64_t n;

    assert_ok(open_over_store(os, compact, &c));
    n = moss_collection_tag(c).n;
    ck_assert_msg(n >= (uint64_t)flushed && n <= (uint64_t)flushed + 1,
                  "flushed up to %d, found %d", flushed, (int)n);
    assert_collection(c, s->texts[n]);
    /* Life goes on from there. */
    ck_assert_int_eq(play(c, s, (int)n + 1), BATCHES);
    assert_collection(c, s->texts[BATCHES]);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}

/* Cut the power at the n-th such call; false if there are fewer. */
static bool
crash_at(enum mem_cut cut, unsigned n, bool compact, enum mem_crash how,
         const struct script *s)
{
    struct mem_os *os = mem_os_new();
    struct moss_collection *c = NULL;
    int flushed = 0;
    bool is_off;

    mem_os_cut_at(os, cut, n);
    if (open_over_store(os, compact, &c) == MOSS_OK) {
        flushed = play(c, s, 1);
        is_off = mem_os_is_off(os);
        /* Nothing was left to persist, unless the power was cut. */
        ck_assert((moss_collection_close(c, 0, NULL) == MOSS_OK) ==
                  (flushed == BATCHES));
        ck_assert(is_off || flushed == BATCHES);
    }
    is_off = mem_os_is_off(os);
    reaper_drain();
    mem_os_restart(os, how, n);
    check_after_crash(os, compact, s, flushed);
    reaper_drain();
    mem_os_free(os);
    return is_off;
}

START_TEST(power_cut_keeps_what_was_flushed)
{
    enum mem_crash how = (enum mem_crash)(_i % 3);
    bool compact = _i / 3 % 2 == 1;
    enum mem_cut cut = _i / 6 == 0 ? MEM_CUT_SYNC : MEM_CUT_CHANGE;
    unsigned n = 1;
    struct script s;

    script_init(&s, test_seed(7) + (uint64_t)_i);
    while (crash_at(cut, n, compact, how, &s))
        n++;
    printf("crash: %u cuts at each %s, %s\n", n - 1,
           cut == MEM_CUT_SYNC ? "sync" : "change",
           compact ? "compacting" : "appending");
    ck_assert_uint_gt(n, 10);
    script_release(&s);
}
END_TEST

Suite *suite_crash(void);

Suite *
suite_crash(void)
{
    Suite *s = suite_create("crash");
    TCase *tc = tcase_create("crash");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, power_cut_keeps_what_was_flushed, 0, 12);
    suite_add_tcase(s, tc);
    return s;
}
