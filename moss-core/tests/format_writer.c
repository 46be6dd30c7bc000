/*
 * Makes the stores that check_format.py checks: one directory for each way of
 * writing, below the one given.  Beside each, NAME.expect says what it holds at
 * every commit point, as this library reads it back after reopening.
 *
 *     format_writer DIR
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moss.h"
#include "support/operators.h"

static void
check(enum moss_status st, const char *what)
{
    if (st != MOSS_OK) {
        (void)fprintf(stderr, "format_writer: %s: %s\n", what,
                      moss_status_name(st));
        exit(1);
    }
}

static void
check_err(enum moss_status st, const struct moss_error *err)
{
    if (st == MOSS_OK)
        return;
    (void)fprintf(stderr, "format_writer: %s %s: %s\n",
                  err->what == NULL ? "?" : err->what, err->path,
                  moss_status_name(st));
    exit(1);
}

/* ------------------------------------------------------------------ */
/* Writing                                                            */
/* ------------------------------------------------------------------ */

/* A store with a collection over it. */
struct target {
    char dir[512];
    struct moss_store_options options;
    struct moss_store *store;
    struct moss_collection *c;
    struct moss_batch *batch;
    uint64_t n;
};

static void
open_target(struct target *t)
{
    struct moss_collection_options o = { .merge = t->options.merge };
    struct moss_lower *lower = NULL;
    struct moss_error err;

    check_err(moss_store_open(t->dir, &t->options, &t->store, &err), &err);
    check(moss_store_lower(t->store, &lower), "lower");
    check(moss_collection_open(&o, lower, &t->c), "collection");
}

static void
close_target(struct target *t)
{
    struct moss_error err;

    check_err(moss_collection_close(t->c, MOSS_FOREVER, &err), &err);
    moss_store_close(t->store);
}

/* Make what is in the batch a commit point. */
static void
commit(struct target *t)
{
    struct moss_error err;

    t->n++;
    moss_batch_set_tag(t->batch, (struct moss_tag){ t->n, t->n * 7919 });
    check(moss_collection_execute(t->c, t->batch), "execute");
    check_err(moss_collection_flush(t->c, MOSS_FOREVER, &err), &err);
    moss_batch_reset(t->batch);
}

static struct moss_batch *
child(struct target *t, const char *name)
{
    struct moss_batch *b = NULL;

    check(moss_batch_child(t->batch, moss_str(name), &b), "child");
    return b;
}

static void
set(struct moss_batch *b, unsigned i, unsigned round)
{
    char key[32], value[64];

    (void)snprintf(key, sizeof key, "key-%06u", i);
    (void)snprintf(value, sizeof value, "value %u of round %u", i, round);
    check(moss_batch_set(b, moss_str(key), moss_str(value)), "set");
}

static void
del(struct moss_batch *b, unsigned i)
{
    char key[32];

    (void)snprintf(key, sizeof key, "key-%06u", i);
    check(moss_batch_del(b, moss_str(key)), "del");
}

static void
write_loads(struct target *t)
{
    for (unsigned round = 0; round < 12; round++) {
        for (unsigned i = 0; i < 300; i++)
            set(t->batch, i * 37 % 1000 + round * 50, round);
        commit(t);
    }
    check(moss_batch_set(t->batch, moss_str(""), moss_str("")), "set");
    check(moss_batch_set(t->batch, moss_str("\x01"), moss_str("")), "set");
    commit(t);
}

static void
write_deletes(struct target *t)
{
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < 200; i++)
            set(t->batch, round * 100 + i, round);
        for (unsigned i = 0; i < 50; i++)
            del(t->batch, round * 60 + i * 3);
        commit(t);
    }
}

static void
write_children(struct target *t)
{
    for (unsigned round = 0; round < 6; round++) {
        struct moss_batch *deep = NULL;

        set(t->batch, round, round);
        for (unsigned i = 0; i < 40; i++)
            set(child(t, "people"), i + round * 10, round);
        set(child(t, "<\"é\"> & \xe2\x80\xa8"), round, round);
        check(moss_batch_child(child(t, "people"), moss_str("deep"), &deep),
              "child");
        set(deep, round, round);
        if (round % 2 == 1)
            check(moss_batch_del_child(t->batch, moss_str("gone")), "del");
        else
            set(child(t, "gone"), round, round);
        commit(t);
    }
}

static void
write_compacted(struct target *t)
{
    write_children(t);
    close_target(t);
    t->options.compaction = MOSS_COMPACTION_FORCE;
    open_target(t);
    set(t->batch, 1000, 0);
    commit(t);
    del(t->batch, 2);
    commit(t);
    close_target(t);
    t->options.compaction = MOSS_COMPACTION_ALLOW;
    open_target(t);
    set(t->batch, 1001, 1);
    commit(t);
}

static void
write_only_children(struct target *t)
{
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 20; i++)
            set(child(t, "a"), i + round, round);
        set(child(t, "b"), round, round);
        commit(t);
    }
}

static void
write_emptied(struct target *t)
{
    for (unsigned i = 0; i < 100; i++)
        set(t->batch, i, 0);
    commit(t);
    for (unsigned i = 0; i < 100; i++)
        del(t->batch, i);
    commit(t);
}

static void
write_merges(struct target *t)
{
    for (unsigned round = 0; round < 6; round++) {
        for (uint8_t i = 0; i < 20; i++) {
            uint8_t operand[8] = { i, (uint8_t)round };
            struct moss_slice key = moss_slice(&i, 1);
            struct moss_slice v = moss_slice(operand, sizeof operand);

            check(moss_batch_merge(t->batch, key, v), "merge");
            check(moss_batch_merge(child(t, "sums"), key, v), "merge");
        }
        commit(t);
    }
}

static void
write_reverted(struct target *t)
{
    struct moss_snapshot *now = NULL, *older = NULL;
    struct moss_error err;

    write_deletes(t);
    close_target(t);
    check_err(moss_store_open(t->dir, &t->options, &t->store, &err), &err);
    check(moss_store_snapshot(t->store, &now), "snapshot");
    check_err(moss_store_previous(t->store, now, &older, &err), &err);
    check_err(moss_store_revert(t->store, older, &err), &err);
    moss_snapshot_unref(now);
    moss_snapshot_unref(older);
    moss_store_close(t->store);
    open_target(t);
    set(t->batch, 5000, 1);
    commit(t);
}

/* Nothing is written at all. */
static void
write_new(struct target *t)
{
    (void)t;
}

/* Segments that begin at large offsets, written in several pieces. */
static void
write_large(struct target *t)
{
    char *value = malloc(100000);

    if (value == NULL)
        check(MOSS_NOMEM, "value");
    for (unsigned i = 0; i < 120; i++) {
        char key[32];

        memset(value, 'a' + (int)(i % 26), 100000);
        (void)snprintf(key, sizeof key, "large-%03u", i);
        check(
            moss_batch_set(t->batch, moss_str(key), moss_slice(value, 100000)),
            "set");
    }
    free(value);
    commit(t);
}

/* ------------------------------------------------------------------ */
/* What it reads as                                                   */
/* ------------------------------------------------------------------ */

static void
print_hex(FILE *out, struct moss_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        (void)fprintf(out, "%02x", s.bytes[i]);
}

struct printer {
    FILE *out;
    struct moss_snapshot *snap;
    const char *path;
};

static void print_tree(FILE *out, struct moss_snapshot *snap, const char *path);

static enum moss_status
print_child(void *arg, struct moss_slice name)
{
    struct printer *p = arg;
    struct moss_snapshot *kid = NULL;
    char path[512];

    check(moss_snapshot_child(p->snap, name, &kid), "child");
    (void)snprintf(path, sizeof path, "%s/%.*s", p->path, (int)name.len,
                   (const char *)name.bytes);
    print_tree(p->out, kid, path);
    moss_snapshot_unref(kid);
    return MOSS_OK;
}

static void
print_tree(FILE *out, struct moss_snapshot *snap, const char *path)
{
    struct printer p = { out, snap, path };
    struct moss_iterator *it = NULL;
    enum moss_status st;

    check(moss_snapshot_iterate(snap, NULL, NULL, &it), "iterate");
    for (st = moss_iterator_next(it); st == MOSS_OK;
         st = moss_iterator_next(it)) {
        struct moss_slice key, value;

        moss_iterator_current(it, &key, &value);
        (void)fprintf(out, "%s\t", path);
        print_hex(out, key);
        (void)fputc('\t', out);
        print_hex(out, value);
        (void)fputc('\n', out);
    }
    if (st != MOSS_DONE)
        check(st, "iterate");
    moss_iterator_free(it);
    check(moss_snapshot_children(snap, print_child, &p), "children");
}

static void
print_history(struct target *t)
{
    struct moss_snapshot *snap = NULL, *older = NULL;
    struct moss_error err;
    char path[600];
    enum moss_status st;
    FILE *out;

    (void)snprintf(path, sizeof path, "%s.expect", t->dir);
    out = fopen(path, "w");
    if (out == NULL)
        check(MOSS_IO, path);
    t->options.readonly = true;
    check_err(moss_store_open(t->dir, &t->options, &t->store, &err), &err);
    st = moss_store_snapshot(t->store, &snap);
    for (int i = 0; st == MOSS_OK; i++) {
        (void)fprintf(out, "@%d\n", i);
        print_tree(out, snap, "");
        st = moss_store_previous(t->store, snap, &older, &err);
        moss_snapshot_unref(snap);
        snap = older;
    }
    if (st != MOSS_NOT_FOUND)
        check_err(st, &err);
    moss_store_close(t->store);
    if (fclose(out) != 0)
        check(MOSS_IO, path);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*write)(struct target *t);
    } kinds[] = {
        { "loads", write_loads },
        { "deletes", write_deletes },
        { "children", write_children },
        { "compacted", write_compacted },
        { "onlychildren", write_only_children },
        { "emptied", write_emptied },
        { "merges", write_merges },
        { "reverted", write_reverted },
        { "new", write_new },
        { "large", write_large },
    };

    if (argc != 2) {
        (void)fprintf(stderr, "usage: format_writer DIR\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct target t = { .options = { .merge = &merge_add } };

        (void)snprintf(t.dir, sizeof t.dir, "%s/%s", argv[1], kinds[i].name);
        check(moss_batch_new(0, 0, &t.batch), "batch");
        open_target(&t);
        kinds[i].write(&t);
        close_target(&t);
        print_history(&t);
        moss_batch_free(t.batch);
    }
    return 0;
}
