/*
 * A collection that keeps its content in a database of another library:
 *
 *     lower sqlite FILE        a SQLite database
 *     lower leveldb DIRECTORY  LevelDB, where it was there to build with
 *
 * Each run adds a visitor to the guest book, counts visits in a child
 * collection, and prints both.
 */
#include "lower.h"

#include <stdio.h>
#include <stdlib.h>

static void
must(enum moss_status st, const char *what)
{
    if (st < 0) {
        fprintf(stderr, "lower: %s: %s\n", what, moss_status_name(st));
        exit(1);
    }
}

static void
print_entry(struct moss_snapshot *snap, const char *key)
{
    struct moss_value value;

    must(moss_snapshot_get(snap, moss_str(key), &value), key);
    printf("%s: %.*s\n", key, (int)value.bytes.len,
           (const char *)value.bytes.bytes);
    moss_value_release(&value);
}

static void
visit(struct moss_collection *c)
{
    struct moss_snapshot *snap, *days;
    struct moss_batch *b, *kid;
    struct moss_tag tag = moss_collection_tag(c);
    char name[32];

    snprintf(name, sizeof name, "visitor %d", (int)++tag.n);
    must(moss_batch_new(0, 0, &b), "batch");
    must(moss_batch_merge(b, moss_str("guests"), moss_str(name)), "merge");
    must(moss_batch_child(b, moss_str("days"), &kid), "child");
    must(moss_batch_merge(kid, moss_str("today"), moss_str("*")), "merge");
    moss_batch_set_tag(b, tag);
    must(moss_collection_execute(c, b), "execute");
    moss_batch_free(b);

    must(moss_collection_snapshot(c, &snap), "snapshot");
    must(moss_snapshot_child(snap, moss_str("days"), &days), "days");
    print_entry(snap, "guests");
    print_entry(days, "today");
    moss_snapshot_unref(days);
    moss_snapshot_unref(snap);
}

int
main(int argc, char **argv)
{
    struct moss_collection_options options = { .merge = NULL };
    struct moss_merge_operator merge;
    struct moss_lower *lower = NULL;
    struct moss_collection *c;
    enum moss_status st = MOSS_UNSUPPORTED;

    must(argc == 3 ? MOSS_OK : MOSS_INVALID,
         "sqlite FILE or leveldb DIRECTORY");
    must(moss_merge_append("append:, ", &merge), "operator");
    options.merge = &merge;
    if (strcmp(argv[1], "sqlite") == 0)
        st = lower_sqlite_open(argv[2], &merge, &lower, NULL);
#if __has_include(<leveldb/c.h>)
    if (strcmp(argv[1], "leveldb") == 0)
        st = lower_leveldb_open(argv[2], &merge, &lower, NULL);
#endif
    must(st, argv[1]);
    must(moss_collection_open(&options, lower, &c), "collection");
    visit(c);
    must(moss_collection_close(c, MOSS_FOREVER, NULL), "close");
    return 0;
}
