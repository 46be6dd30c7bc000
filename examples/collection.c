/*
 * moss-core without SQLite: a collection over a store, written in atomic
 * batches, read from a snapshot backwards, closed and opened again.
 *
 *     cc collection.c -lmoss -lpthread -lm
 */
#include <stdio.h>
#include <stdlib.h>

#include "moss.h"

static void
must(const char *what, enum moss_status st)
{
    if (st == MOSS_OK)
        return;
    fprintf(stderr, "collection: %s: %s\n", what, moss_status_name(st));
    exit(1);
}

static struct moss_collection *
open_in(const char *dir)
{
    struct moss_collection *c;
    struct moss_store *store;
    struct moss_lower *lower;

    must("store", moss_store_open(dir, NULL, &store, NULL));
    must("lower", moss_store_lower(store, &lower));
    must("open", moss_collection_open(NULL, lower, &c));
    moss_store_close(store); /* the collection keeps it open */
    return c;
}

/* The keys from lo on, backwards. */
static void
print_from(struct moss_collection *c, struct moss_slice lo)
{
    struct moss_snapshot *snap;
    struct moss_iterator *it;
    struct moss_slice k, v;

    must("snapshot", moss_collection_snapshot(c, &snap));
    must("iterate", moss_snapshot_iterate(snap, &lo, NULL, &it));
    enum moss_status st = moss_iterator_last(it);
    for (; st == MOSS_OK; st = moss_iterator_prev(it)) {
        moss_iterator_current(it, &k, &v);
        printf("%.*s is %.*s\n", (int)k.len, (const char *)k.bytes, (int)v.len,
               (const char *)v.bytes);
    }
    must("prev", st == MOSS_DONE ? MOSS_OK : st);
    moss_iterator_free(it);
    moss_snapshot_unref(snap);
}

int
main(int argc, char **argv)
{
    struct moss_collection *c;
    struct moss_batch *batch;

    if (argc != 2)
        return fprintf(stderr, "usage: collection DIRECTORY\n"), 2;
    c = open_in(argv[1]);
    must("batch", moss_batch_new(0, 0, &batch));
    must("set", moss_batch_set(batch, moss_str("fern"), moss_str("green")));
    must("set", moss_batch_set(batch, moss_str("moss"), moss_str("green")));
    must("set", moss_batch_set(batch, moss_str("rose"), moss_str("red")));
    must("del", moss_batch_del(batch, moss_str("ash")));
    must("execute", moss_collection_execute(c, batch)); /* all or nothing */
    moss_batch_free(batch);
    print_from(c, moss_str("g"));
    must("close", moss_collection_close(c, MOSS_FOREVER, NULL));

    c = open_in(argv[1]); /* what was executed before close is on disk */
    print_from(c, moss_str(""));
    must("close", moss_collection_close(c, MOSS_FOREVER, NULL));
    return 0;
}
