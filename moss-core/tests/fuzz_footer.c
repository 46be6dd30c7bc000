/*
 * Arbitrary bytes as a data file: opening, reading, going back in history,
 * writing on and compacting may fail, but not crash or read out of bounds.
 *
 * For libFuzzer with -DMOSS_LIBFUZZER; else a program of its own that mutates
 * stores in a seeded loop: RUNS= times, from SEED=.  The first byte of an
 * input says what the others are: 0 a whole file, 1 what follows a good first
 * page of ours, 2 the text of a footer.
 *
 * Nothing here may use check's assertions, which work inside tests only.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/coding.h"
#include "base/mem.h"
#include "base/reaper.h"
#include "segment/batch.h"
#include "stack/segstack.h"
#include "store/footer.h"
#include "store/identity.h"
#include "support/fuzz.h"
#include "support/mem_os.h"
#include "support/operators.h"

#define DIR "/store"
#define DATA DIR "/data-0000000000000001.moss"
#define NONCE 0x1234567890abcdefu

/* ------------------------------------------------------------------ */
/* What is done with a file                                           */
/* ------------------------------------------------------------------ */

static void read_tree(struct moss_snapshot *snap, int depth);

struct child_arg {
    struct moss_snapshot *snap;
    int depth;
};

static enum moss_status
read_child(void *arg, struct moss_slice name)
{
    struct child_arg *a = arg;
    struct moss_snapshot *child = NULL;

    if (moss_snapshot_child(a->snap, name, &child) == MOSS_OK)
        read_tree(child, a->depth + 1);
    moss_snapshot_unref(child);
    return MOSS_OK;
}

/* So that a sanitizer sees every byte read. */
static volatile uint8_t sink;

static void
touch(struct moss_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        sink ^= s.bytes[i];
}

static void
touch_entry(const struct moss_iterator *it)
{
    struct moss_slice key, value;

    moss_iterator_current(it, &key, &value);
    touch(key);
    touch(value);
}

static void
read_tree(struct moss_snapshot *snap, int depth)
{
    struct child_arg a = { snap, depth };
    struct moss_iterator *it = NULL;
    struct moss_slice key = moss_str("key-000010");
    struct moss_value found;
    uint64_t entries, bytes;
    int steps = 0;

    if (moss_snapshot_get(snap, key, &found) == MOSS_OK) {
        touch(found.bytes);
        moss_value_release(&found);
    }
    if (moss_snapshot_estimate(snap, &key, NULL, &entries, &bytes) < 0)
        entries = 0;
    sink ^= (uint8_t)entries;
    if (moss_snapshot_iterate(snap, NULL, NULL, &it) == MOSS_OK) {
        while (steps++ < 5000 && moss_iterator_next(it) == MOSS_OK)
            touch_entry(it);
        if (moss_iterator_last(it) == MOSS_OK)
            touch_entry(it);
        while (steps++ < 10000 && moss_iterator_prev(it) == MOSS_OK)
            touch_entry(it);
        if (moss_iterator_seek(it, key) == MOSS_OK)
            touch_entry(it);
        if (moss_iterator_seek_for_prev(it, key) == MOSS_OK)
            touch_entry(it);
        moss_iterator_free(it);
    }
    if (moss_snapshot_children(snap, read_child, &a) < 0)
        abort(); /* names are in memory */
}

static void
read_history(struct moss_store *store)
{
    struct moss_snapshot *snap = NULL, *older = NULL;
    enum moss_status st = moss_store_snapshot(store, &snap);

    for (int i = 0; i < 20 && st == MOSS_OK; i++) {
        read_tree(snap, 0);
        st = moss_store_previous(store, snap, &older, NULL);
        moss_snapshot_unref(snap);
        snap = older;
    }
    moss_snapshot_unref(snap);
}

/* Lay a change over the top level; the children go.  False if it failed. */
static bool
update(struct moss_lower *lower, unsigned i)
{
    struct moss_batch *batch = NULL;
    struct segment **segs = NULL;
    struct segstack *stack = NULL;
    struct moss_snapshot *snap = NULL;
    struct moss_change top = { .has_from = true };
    struct moss_changes changes = { { i, i }, &top };
    size_t n = 0;
    uint8_t key = (uint8_t)('a' + i);
    bool is_done;

    if (moss_batch_new(0, 0, &batch) < 0 ||
        moss_batch_set(batch, moss_slice(&key, 1), moss_str("value")) < 0 ||
        moss_batch_del(batch, moss_str("key-000001")) < 0 ||
        batch_segments(batch, 0, 2, NULL, &segs, &n) < 0 ||
        segstack_new(NULL, segs, n, &stack) < 0)
        abort();
    top.segments = stack;
    is_done = lower->ops->update(lower, &changes, &snap, NULL) == MOSS_OK;
    if (is_done)
        read_tree(snap, 0);
    moss_snapshot_unref(snap);
    segstack_unref(stack);
    for (size_t k = 0; k < n; k++)
        segment_unref(segs[k]);
    mem_free(segs);
    moss_batch_free(batch);
    return is_done;
}

/* How many of the three updates succeeded. */
static unsigned
write_on(struct moss_store *store)
{
    struct moss_snapshot *snap = NULL;
    struct moss_lower *lower = NULL;
    unsigned done = 0;

    /* Copies or compacts everything, the children included. */
    if (moss_store_snapshot(store, &snap) == MOSS_OK &&
        moss_store_revert(store, snap, NULL) == MOSS_OK)
        read_history(store);
    moss_snapshot_unref(snap);
    if (moss_store_lower(store, &lower) < 0)
        return 0;
    for (unsigned i = 1; i <= 3; i++)
        done += update(lower, i);
    lower->ops->close(lower);
    return done;
}

/* What was acknowledged is there, whatever lies below it. */
static void
find_again(const struct moss_store_options *o)
{
    struct moss_store *store = NULL;
    struct moss_snapshot *snap = NULL;
    struct moss_value value;

    if (moss_store_open(DIR, o, &store, NULL) < 0 ||
        moss_store_snapshot(store, &snap) < 0 ||
        moss_snapshot_get(snap, moss_str("d"), &value) != MOSS_OK ||
        value.bytes.len != 5 || memcmp(value.bytes.bytes, "value", 5) != 0)
        abort();
    moss_value_release(&value);
    read_tree(snap, 0);
    moss_snapshot_unref(snap);
    moss_store_close(store);
}

static void
put_file(struct moss_os *os, const uint8_t *bytes, size_t n)
{
    struct moss_file *f = NULL;

    if (os->ops->mkdir(os, DIR) < 0 ||
        os->ops->open(os, DATA, MOSS_OPEN_WRITE | MOSS_OPEN_CREATE, &f) < 0 ||
        (n > 0 && f->ops->write(f, 0, bytes, n) < 0))
        abort();
    f->ops->close(f);
}

static void
try_file(const uint8_t *bytes, size_t n)
{
    for (int way = 0; way < 3; way++) {
        struct mem_os *mem = mem_os_new();
        struct moss_store_options o = { .os = mem_os_base(mem),
                                        .merge = &merge_add,
                                        .readonly = way == 0,
                                        .no_mmap = way == 1,
                                        .compaction =
                                            way == 2 ? MOSS_COMPACTION_FORCE
                                                     : MOSS_COMPACTION_ALLOW };
        struct moss_store *store = NULL;
        unsigned done = 0;

        put_file(o.os, bytes, n);
        if (moss_store_open(DIR, &o, &store, NULL) == MOSS_OK) {
            read_history(store);
            if (way > 0)
                done = write_on(store);
        }
        moss_store_close(store);
        if (done == 3)
            find_again(&o);
        reaper_drain();
        mem_os_free(mem);
    }
}

/* ------------------------------------------------------------------ */
/* Other inputs                                                       */
/* ------------------------------------------------------------------ */

static void
try_behind_our_header(const uint8_t *bytes, size_t n)
{
    struct identity id = { .is_there = true, .seq = 1, .nonce = NONCE };
    uint8_t *file = malloc(FILE_PAGE + n);

    if (file == NULL || identity_first_page(&id, 0, file) < 0)
        abort();
    memcpy(file + FILE_PAGE, bytes, n);
    try_file(file, FILE_PAGE + n);
    free(file);
}

/* What is accepted must be written again as something that is accepted. */
static void
try_text(const uint8_t *text, size_t n)
{
    struct footer *f = footer_new(), *g = footer_new();
    struct buf b;

    buf_init(&b);
    if (f == NULL || g == NULL)
        abort();
    f->off = g->off = (uint64_t)1 << 40;
    if (footer_get_json(f, text, n) == MOSS_OK) {
        f->is_ours = true;
        for (size_t c = 0; c < f->n_colls; c++) {
            for (size_t i = 0; i < f->colls[c]->n_locs; i++) {
                /* Only those with room for it can have it. */
                f->colls[c]->locs[i].has_extras = false;
            }
        }
        if (footer_put_json(f, &b) < 0 ||
            footer_get_json(g, b.bytes, b.len) < 0 || g->n_locs != f->n_locs ||
            g->n_colls != f->n_colls || g->prev != f->prev ||
            g->older_file != f->older_file || g->older_off != f->older_off)
            abort();
    }
    buf_release(&b);
    footer_free(f);
    footer_free(g);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    switch (data[0] % 3) {
    case 0:
        try_file(data + 1, n - 1);
        break;
    case 1:
        try_behind_our_header(data + 1, n - 1);
        break;
    default:
        try_text(data + 1, n - 1);
        break;
    }
    return 0;
}

#ifndef MOSS_LIBFUZZER

/* ------------------------------------------------------------------ */
/* The seeded loop                                                    */
/* ------------------------------------------------------------------ */

/* A whole file behind one byte; to be freed. */
static uint8_t *
get_file(struct moss_os *os, const char *path, size_t *n)
{
    struct moss_file *f = NULL;
    uint64_t size;
    uint8_t *input;

    if (os->ops->open(os, path, MOSS_OPEN_READ, &f) < 0 ||
        f->ops->size(f, &size) < 0)
        abort();
    input = malloc((size_t)size + 1);
    if (input == NULL || f->ops->read(f, 0, input + 1, (size_t)size) < 0)
        abort();
    f->ops->close(f);
    input[0] = 0;
    *n = (size_t)size + 1;
    return input;
}

/* A data file to begin with. */
static uint8_t *
seed_file(int which, size_t *n)
{
    static const char *const fixtures[] = { "children", "merge", "emptied",
                                            "childonly", "history" };
    struct mem_os *mem;
    struct moss_store_options o = { 0 };
    struct moss_store *store = NULL;
    uint8_t *input;
    char path[128];

    if (which < 5) {
        (void)snprintf(
            path, sizeof path,
            "moss-core/tests/fixtures/%s/data-000000000000000%d.moss",
            fixtures[which], which == 2 ? 2 : 1);
        return get_file(moss_os_posix(), path, n);
    }
    mem = mem_os_new();
    o.os = mem_os_base(mem);
    if (moss_store_open(DIR, &o, &store, NULL) < 0)
        abort();
    write_on(store);
    moss_store_close(store);
    input = get_file(o.os, DATA, n);
    reaper_drain();
    mem_os_free(mem);
    return input;
}

/* The footer's text in place of the file, behind its one byte. */
static size_t
keep_text(uint8_t *input, size_t n)
{
    for (size_t off = (n - 2) / 4096 * 4096; off > 0; off -= 4096) {
        const uint8_t *f = input + 1 + off;
        size_t len = load_le32(f + 16);

        if (memcmp(f, "0m1o2s0m1o2s", 12) == 0 && len < n - off && len > 44) {
            input[0] = 2;
            memmove(input + 1, f + 20, len - 44);
            return len - 44 + 1;
        }
    }
    return n;
}

static size_t
mutate(struct rng *r, uint8_t *input, size_t n)
{
    static const char *const words[] = {
        "0m1o2s0m1o2s",
        "3s4p5s3s4p5s",
        "\"Ext\":{",
        "null",
        "[]",
        "{}",
        "0",
        "18446744073709551615",
        "4096",
        "PrevFooterOffset",
        "\\ufffd",
        ",",
    };
    uint64_t times = rng_below(r, 6);

    for (uint64_t i = 0; i < times && n > 2; i++) {
        size_t at = 1 + (size_t)rng_below(r, n - 1);
        const char *word = words[rng_below(r, 12)];
        size_t len = strlen(word);

        switch (rng_below(r, 5)) {
        case 0:
            input[at] = (uint8_t)rng_next(r);
            break;
        case 1:
            n = at + 1;
            break;
        case 2:
            if (at + len < n)
                memcpy(input + at, word, len);
            break;
        case 3: /* a large or small number in an entry */
            if (at + 8 < n)
                store_le64(input + at, UINT64_MAX >> rng_below(r, 64));
            break;
        default:
            input[at] ^= (uint8_t)(1u << rng_below(r, 8));
            break;
        }
    }
    return n;
}

static uint8_t *
mutated_file(struct rng *r, size_t *n)
{
    uint8_t *input = seed_file((int)rng_below(r, 6), n);

    if (rng_below(r, 3) == 0) {
        *n = keep_text(input, *n);
    } else if (rng_below(r, 3) == 0 && *n > 4097) {
        input[0] = 1;
        memmove(input + 1, input + 4097, *n - 4097);
        *n -= 4096;
    }
    *n = mutate(r, input, *n);
    return input;
}

int
main(void)
{
    return fuzz_main("footer", 1500, mutated_file);
}

#endif
