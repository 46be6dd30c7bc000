/* The conformance test of lower levels. */
#include "support/conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "support/coll.h"
#include "support/model_tree.h"
#include "support/operators.h"

/* ------------------------------------------------------------ one snapshot */

enum { MAX_ENTRIES = 256 };

struct pair {
    char *key, *value; /* as text_of() gives them, which keeps the order here */
};

struct pairs {
    size_t n;
    struct pair all[MAX_ENTRIES];
};

static void
pairs_load(struct pairs *p, struct moss_snapshot *snap)
{
    struct moss_iterator *it;
    struct moss_slice key, value;
    enum moss_status st;

    p->n = 0;
    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    for (st = moss_iterator_first(it); st == MOSS_OK;
         st = moss_iterator_next(it)) {
        ck_assert_uint_lt(p->n, MAX_ENTRIES);
        moss_iterator_current(it, &key, &value);
        p->all[p->n].key = text_of(key);
        p->all[p->n].value = text_of(value);
        if (p->n > 0)
            ck_assert_str_lt(p->all[p->n - 1].key, p->all[p->n].key);
        p->n++;
    }
    assert_status(st, MOSS_DONE);
    moss_iterator_free(it);
}

static void
pairs_free(struct pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->all[i].key);
        free(p->all[i].value);
    }
}

/* The place of the first key >= text. */
static size_t
pairs_find(const struct pairs *p, const char *text)
{
    size_t i = 0;

    while (i < p->n && strcmp(p->all[i].key, text) < 0)
        i++;
    return i;
}

static bool
pairs_have(const struct pairs *p, size_t i, const char *text)
{
    return i < p->n && strcmp(p->all[i].key, text) == 0;
}

/* A key that is there, or that is not. */
static void
random_key(struct rng *rng, const struct pairs *p, char text[32])
{
    if (p->n > 0 && rng_below(rng, 2) == 0)
        (void)snprintf(text, 32, "%.20s", p->all[rng_below(rng, p->n)].key);
    else
        (void)snprintf(text, 32, "k%u", (unsigned)rng_below(rng, 40));
    if (rng_below(rng, 8) == 0)
        text[0] = '\0';
    else if (rng_below(rng, 8) == 0)
        strcat(text, "z");
}

/* it says st, and stands on entry i of [from, to) if that is one. */
static void
assert_at_place(const struct pairs *p, const struct moss_iterator *it,
                enum moss_status st, size_t i, size_t from, size_t to)
{
    struct moss_slice key, value;

    if (i < from || i >= to) {
        assert_status(st, MOSS_DONE);
        return;
    }
    assert_ok(st);
    moss_iterator_current(it, &key, &value);
    assert_slice(key, p->all[i].key);
    assert_slice(value, p->all[i].value);
}

/* Walk at random from a seek; place -1 is SIZE_MAX, which is outside, too. */
static void
walk(struct rng *rng, const struct pairs *p, struct moss_iterator *it,
     size_t from, size_t to)
{
    enum moss_status st;
    size_t i = 0;
    char text[32];

    random_key(rng, p, text);
    switch (rng_below(rng, 4)) {
    case 0:
        st = moss_iterator_first(it);
        i = from;
        break;
    case 1:
        st = moss_iterator_last(it);
        i = to - 1;
        break;
    case 2:
        st = moss_iterator_seek(it, moss_str(text));
        i = pairs_find(p, text);
        i = i < from ? from : i;
        break;
    default:
        st = moss_iterator_seek_for_prev(it, moss_str(text));
        i = pairs_find(p, text);
        i = pairs_have(p, i, text) ? i : i - 1;
        i = i != SIZE_MAX && i >= to ? to - 1 : i;
        break;
    }
    if (from >= to)
        i = SIZE_MAX;
    assert_at_place(p, it, st, i, from, to);
    for (uint64_t n = rng_below(rng, 8); st == MOSS_OK && n > 0; n--) {
        bool forward = rng_below(rng, 2) == 0;

        st = forward ? moss_iterator_next(it) : moss_iterator_prev(it);
        i += forward ? 1 : SIZE_MAX;
        assert_at_place(p, it, st, i, from, to);
    }
}

static void
check_range(struct rng *rng, const struct pairs *p, struct moss_snapshot *snap)
{
    char lo_text[32], hi_text[32];
    struct moss_slice lo, hi;
    bool has_lo = rng_below(rng, 2) == 0, has_hi = rng_below(rng, 2) == 0;
    size_t from, to;
    uint64_t entries, bytes;
    struct moss_iterator *it;

    random_key(rng, p, lo_text);
    random_key(rng, p, hi_text);
    lo = moss_str(lo_text);
    hi = moss_str(hi_text);
    from = has_lo ? pairs_find(p, lo_text) : 0;
    to = has_hi ? pairs_find(p, hi_text) : p->n;
    assert_ok(moss_snapshot_iterate(snap, has_lo ? &lo : NULL,
                                    has_hi ? &hi : NULL, &it));
    /* The bounds were copied. */
    memset(lo_text, 'x', sizeof(lo_text) - 1);
    memset(hi_text, 'x', sizeof(hi_text) - 1);
    for (int n = 0; n < 4; n++)
        walk(rng, p, it, from, to);
    moss_iterator_free(it);
    assert_ok(moss_snapshot_estimate(snap, NULL, NULL, &entries, &bytes));
}

static void
check_gets(struct rng *rng, const struct pairs *p, struct moss_snapshot *snap)
{
    for (int n = 0; n < 8; n++) {
        char text[32];
        struct moss_value value;
        enum moss_status st;
        size_t i;

        random_key(rng, p, text);
        i = pairs_find(p, text);
        st = moss_snapshot_get(snap, moss_str(text), &value);
        assert_status(st, pairs_have(p, i, text) ? MOSS_OK : MOSS_NOT_FOUND);
        if (st == MOSS_OK) {
            assert_slice(value.bytes, p->all[i].value);
            moss_value_release(&value);
        }
    }
}

struct check {
    struct rng *rng;
    struct moss_snapshot *snap;
    struct moss_slice last; /* a name; its bytes stay */
    char last_bytes[64];
};

static void check_snapshot(struct rng *rng, struct moss_snapshot *snap);

static enum moss_status
check_child(void *arg, struct moss_slice name)
{
    struct check *c = arg;
    struct moss_snapshot *child;

    ck_assert_uint_le(name.len, sizeof(c->last_bytes));
    if (c->last.bytes != NULL)
        ck_assert_int_lt(slice_compare(c->last, name), 0);
    memcpy(c->last_bytes, name.bytes, name.len);
    c->last = moss_slice(c->last_bytes, name.len);
    assert_ok(moss_snapshot_child(c->snap, c->last, &child));
    check_snapshot(c->rng, child);
    moss_snapshot_unref(child);
    return MOSS_OK;
}

static enum moss_status
stop(void *arg, struct moss_slice name)
{
    (void)name;
    ++*(int *)arg;
    return MOSS_TIMEOUT;
}

static void
check_snapshot(struct rng *rng, struct moss_snapshot *snap)
{
    struct check c = { .rng = rng, .snap = snap };
    struct moss_snapshot *child;
    struct pairs *p = must_alloc(malloc(sizeof(*p)));
    int stopped = 0;
    enum moss_status st;

    pairs_load(p, snap);
    for (int n = 0; n < 4; n++)
        check_range(rng, p, snap);
    check_gets(rng, p, snap);
    assert_ok(moss_snapshot_children(snap, check_child, &c));
    st = moss_snapshot_children(snap, stop, &stopped);
    assert_status(st, c.last.bytes == NULL ? MOSS_OK : MOSS_TIMEOUT);
    ck_assert_int_eq(stopped, c.last.bytes == NULL ? 0 : 1);
    assert_status(moss_snapshot_child(snap, moss_str("nobody"), &child),
                  MOSS_NOT_FOUND);
    pairs_free(p);
    free(p);
}

void
assert_reads_agree(struct moss_snapshot *snap, uint64_t seed)
{
    struct rng rng;

    rng_init(&rng, seed);
    check_snapshot(&rng, snap);
}

/* ----------------------------------------------------------- a collection */

enum { HELD = 3 };

struct world {
    const struct lower_kind *kind;
    struct rng rng;
    struct moss_collection_options options;
    struct moss_merge_operator merge;
    struct moss_collection *c;
    struct model_tree *model;
    uint64_t tag;
    struct moss_snapshot *snaps[HELD];
    char *snap_texts[HELD];
};

static void
open_collection(struct world *w)
{
    struct moss_lower *lower = w->kind->open(w->kind->ctx, &w->merge);

    assert_ok(moss_collection_open(&w->options, lower, &w->c));
}

/* A rename may be refused, then nothing has happened. */
static void
execute(struct world *w)
{
    bool edits = rng_below(&w->rng, 3) == 0;
    char *words = edits ? random_tree_words(&w->rng) : random_words(&w->rng);
    bool tagged = rng_below(&w->rng, 3) > 0;
    struct moss_batch *batch;
    enum moss_status st;

    assert_ok(moss_batch_new(0, 0, &batch));
    st = batch_try(batch, words);
    if (tagged)
        moss_batch_set_tag(batch, tag_of(w->tag + 1));
    if (st == MOSS_OK)
        st = moss_collection_execute(w->c, batch);
    ck_assert_msg(st == MOSS_OK ||
                      (edits && (st == MOSS_NOT_FOUND || st == MOSS_EXISTS)),
                  "%s: %s", words, moss_status_name(st));
    if (st == MOSS_OK) {
        assert_ok(model_tree_try(w->model, words));
        w->tag += tagged;
    }
    moss_batch_free(batch);
    free(words);
}

static void
check(struct world *w)
{
    char *want = model_tree_dump(w->model);
    struct moss_snapshot *snap;

    assert_ok(moss_collection_snapshot(w->c, &snap));
    assert_tree(snap, want);
    assert_reads_agree(snap, rng_next(&w->rng));
    moss_snapshot_unref(snap);
    free(want);
}

static void
drop_snapshot(struct world *w, size_t i)
{
    if (w->snaps[i] == NULL)
        return;
    assert_tree(w->snaps[i], w->snap_texts[i]);
    moss_snapshot_unref(w->snaps[i]);
    w->snaps[i] = NULL;
    free(w->snap_texts[i]);
}

static void
take_snapshot(struct world *w)
{
    size_t i = rng_below(&w->rng, HELD);

    drop_snapshot(w, i);
    assert_ok(moss_collection_snapshot(w->c, &w->snaps[i]));
    w->snap_texts[i] = model_tree_dump(w->model);
}

/* The lower level alone: what it has, and that it knows its tag. */
static void
check_alone(struct world *w)
{
    struct moss_lower *lower = w->kind->open(w->kind->ctx, &w->merge);
    char *want = model_tree_dump(w->model);

    ck_assert_ptr_ne(lower->initial, NULL);
    ck_assert(moss_tag_equal(moss_snapshot_tag(lower->initial),
                             w->tag == 0 ? (struct moss_tag){ 0, 0 }
                                         : tag_of(w->tag)));
    assert_tree(lower->initial, want);
    assert_reads_agree(lower->initial, rng_next(&w->rng));
    lower->ops->close(lower);
    free(want);
}

static void
reopen(struct world *w)
{
    assert_ok(moss_collection_close(w->c, MOSS_FOREVER, NULL));
    /* Snapshots outlive it; then they go, for they may hold a lock. */
    for (size_t i = 0; i < HELD; i++)
        drop_snapshot(w, i);
    check_alone(w);
    open_collection(w);
    ck_assert_uint_eq(moss_collection_tag(w->c).n, w->tag);
    check(w);
}

static void
step(struct world *w)
{
    uint64_t what = rng_below(&w->rng, 40);

    if (what < 20)
        execute(w);
    else if (what < 26)
        assert_ok(moss_collection_flush(w->c, MOSS_FOREVER, NULL));
    else if (what < 28)
        assert_ok(moss_collection_wait_idle(w->c, MOSS_FOREVER));
    else if (what < 34)
        take_snapshot(w);
    else if (what < 38)
        check(w);
    else
        reopen(w);
}

void
conform(const struct lower_kind *kind, uint64_t seed, int steps)
{
    struct world w = { .kind = kind, .merge = merge_append };

    printf("%s: seed %llu\n", kind->name, (unsigned long long)seed);
    rng_init(&w.rng, seed);
    if (rng_below(&w.rng, 2) == 0)
        w.merge.partial = NULL; /* then operands come one by one */
    w.options.merge = &w.merge;
    w.options.cache_persisted = rng_below(&w.rng, 2) == 0;
    w.model = model_tree_new();
    open_collection(&w);
    for (int n = 0; n < steps; n++)
        step(&w);
    reopen(&w);
    assert_ok(moss_collection_close(w.c, MOSS_FOREVER, NULL));
    model_tree_free(w.model);
}
