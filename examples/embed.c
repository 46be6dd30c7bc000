/*
 * A program with the extension linked in, which uses moss both ways: it
 * writes a store through the C library and reads it with SQL.
 *
 *     cc embed.c -lmoss_sqlite -lmoss -lsqlite3 -lpthread -lm
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "moss.h"

/* The extension's entry point, for sqlite3_auto_extension(). */
int sqlite3_moss_init(sqlite3 *db, char **err, const void *api);

static void
must(bool is_done, const char *what)
{
    if (!is_done) {
        fprintf(stderr, "embed: %s\n", what);
        exit(1);
    }
}

static int
print_row(void *arg, int n, char **values, char **names)
{
    (void)arg;
    for (int i = 0; i < n; i++)
        printf("%s=%s%c", names[i], values[i], i + 1 < n ? ' ' : '\n');
    return 0;
}

static void
write_colours(const char *dir)
{
    struct moss_store *store;
    struct moss_lower *lower;
    struct moss_collection *c;
    struct moss_batch *b;

    must(!moss_store_open(dir, NULL, &store, NULL), "store");
    must(!moss_store_lower(store, &lower), "lower");
    must(!moss_collection_open(NULL, lower, &c), "collection");
    must(!moss_batch_new(0, 0, &b), "batch");
    must(!moss_batch_set(b, moss_str("moss"), moss_str("green")), "set");
    must(!moss_batch_set(b, moss_str("rose"), moss_str("red")), "set");
    must(!moss_collection_execute(c, b), "execute");
    moss_batch_free(b);
    must(!moss_collection_close(c, MOSS_FOREVER, NULL), "close");
    moss_store_close(store);
}

int
main(int argc, char **argv)
{
    static const char sql[] =
        "CREATE VIRTUAL TABLE colour USING moss(store='colours', codec=raw);"
        "CREATE VIRTUAL TABLE stock USING moss;"
        "CREATE TABLE sale(plant, n);"
        "BEGIN;" /* one commit, whatever kind the tables are */
        "INSERT INTO stock VALUES('moss', 7), ('rose', 12), ('fern', 1);"
        "INSERT INTO sale VALUES('moss', 2), ('rose', 5);"
        "COMMIT;"
        "SELECT stock.key AS plant, CAST(colour.value AS TEXT) AS colour,"
        " stock.value - n AS n FROM stock JOIN sale ON plant = stock.key"
        " JOIN colour ON colour.key = CAST(plant AS BLOB) ORDER BY plant DESC";
    char path[512];
    sqlite3 *db;

    must(argc == 2, "usage: embed DIRECTORY");
    snprintf(path, sizeof(path), "%s/colours", argv[1]);
    write_colours(path);
    snprintf(path, sizeof(path), "%s/garden.db", argv[1]);
    sqlite3_auto_extension((void (*)(void))sqlite3_moss_init);
    must(sqlite3_open(path, &db) == SQLITE_OK, "open");
    must(!sqlite3_exec(db, sql, print_row, NULL, NULL), sqlite3_errmsg(db));
    must(sqlite3_close(db) == SQLITE_OK, "close");
    return 0;
}
