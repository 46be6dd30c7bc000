/*
 * The example lower levels: that they conform, that their failures are
 * reported and what is retried is not done twice, and what is their own.  The
 * last line counts the tests.
 */
#include "../../examples/lower.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "support/coll.h"
#include "support/conform.h"
#include "support/operators.h"

/* The thread sanitizer does not see what keeps LevelDB's own threads apart. */
#if __has_include(<leveldb/c.h>) && !defined(__SANITIZE_THREAD__)
#define HAVE_LEVELDB 1
#else
#define HAVE_LEVELDB 0
#endif

typedef enum moss_status
opener(const char *path, const struct moss_merge_operator *merge,
       struct moss_lower **out, struct moss_error *err);

struct example {
    const char *name;
    opener *open;
};

static const struct example examples[] = {
    { "SQLite", lower_sqlite_open },
#if HAVE_LEVELDB
    { "LevelDB", lower_leveldb_open },
#endif
};
enum { EXAMPLES = 1 + HAVE_LEVELDB };

/* A place for one, and the collection over it. */
struct place {
    const struct example *example;
    char *dir, *path;
    struct heard heard;
    struct moss_collection_options options;
    struct moss_collection *c;
};

static void
place_open(struct place *p)
{
    struct moss_lower *lower;

    assert_ok(p->example->open(p->path, p->options.merge, &lower, NULL));
    assert_ok(moss_collection_open(&p->options, lower, &p->c));
}

static void
place_init(struct place *p, const struct example *example,
           const struct moss_merge_operator *merge)
{
    memset(p, 0, sizeof(*p));
    p->example = example;
    p->dir = temp_dir_new();
    p->path = path_join(p->dir, "db");
    heard_init(&p->heard);
    heard_listen(&p->heard, &p->options);
    p->options.merge = merge;
    place_open(p);
}

static void
place_close(struct place *p)
{
    if (p->c != NULL)
        assert_ok(moss_collection_close(p->c, MOSS_FOREVER, NULL));
    temp_dir_remove(p->dir);
    free(p->path);
    heard_release(&p->heard);
}

/* ------------------------------------------------------------ conformance */

static struct moss_lower *
open_there(void *ctx, const struct moss_merge_operator *merge)
{
    const struct place *p = ctx;
    struct moss_lower *lower;

    assert_ok(p->example->open(p->path, merge, &lower, NULL));
    return lower;
}

START_TEST(examples_conform)
{
    struct place p = { .example = &examples[_i % EXAMPLES] };
    struct lower_kind kind = { p.example->name, open_there, &p };

    p.dir = temp_dir_new();
    p.path = path_join(p.dir, "db");
    conform(&kind, test_seed(1) + (uint64_t)_i, 150);
    temp_dir_remove(p.dir);
    free(p.path);
}
END_TEST

/* --------------------------------------------------------------- failures */

START_TEST(what_cannot_be_opened_is_reported)
{
    struct moss_lower *lower;
    struct moss_error err;

    ck_assert_int_lt(
        examples[_i].open("/nonexistent/dir/db", NULL, &lower, &err), 0);
    ck_assert_ptr_eq(lower, NULL);
    ck_assert_int_lt(err.status, 0);
    ck_assert_str_eq(err.path, "/nonexistent/dir/db");
}
END_TEST

/* The changes stay, and reach the lower level once there is an operator. */
START_TEST(operands_without_an_operator_are_not_lost)
{
    struct place p;
    struct moss_lower *lower;
    struct moss_error err;

    place_init(&p, &examples[_i], &merge_append);
    run_tagged(p.c, 1, "a=1 b=1");
    assert_ok(moss_collection_flush(p.c, MOSS_FOREVER, NULL));
    assert_ok(moss_collection_close(p.c, MOSS_FOREVER, NULL));
    /* The collection has one, the lower level has not. */
    assert_ok(p.example->open(p.path, NULL, &lower, NULL));
    assert_ok(moss_collection_open(&p.options, lower, &p.c));
    run_tagged(p.c, 2, "a+2");
    assert_status(moss_collection_flush(p.c, MOSS_FOREVER, &err),
                  MOSS_NO_OPERATOR);
    assert_status(err.status, MOSS_NO_OPERATOR);
    assert_get(p.c, "a", "12");
    assert_status(moss_collection_close(p.c, 0, NULL), MOSS_NO_OPERATOR);
    place_open(&p);
    ck_assert_uint_eq(moss_collection_tag(p.c).n, 1);
    assert_collection(p.c, "a=1 b=1");
    place_close(&p);
}
END_TEST

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

START_TEST(a_refused_operand_can_be_overwritten)
{
    const struct moss_merge_operator picky = { "append", picky_full, NULL,
                                               NULL };
    struct place p;

    place_init(&p, &examples[_i], &picky);
    run_tagged(p.c, 1, "a=1 b=1 kid{b=1}");
    assert_ok(moss_collection_flush(p.c, MOSS_FOREVER, NULL));
    run_tagged(p.c, 2, "a+2 kid{b+!}");
    assert_status(moss_collection_flush(p.c, MOSS_FOREVER, NULL),
                  MOSS_MERGE_FAILED);
    run_tagged(p.c, 3, "a+3 kid{b=3} b+3");
    assert_ok(moss_collection_flush(p.c, MOSS_FOREVER, NULL));
    run_tagged(p.c, 4, "a+4");
    assert_ok(moss_collection_close(p.c, MOSS_FOREVER, NULL));
    place_open(&p);
    assert_collection(p.c, "a=1234 b=13 kid{b=3}");
    ck_assert_uint_eq(moss_collection_tag(p.c).n, 4);
    place_close(&p);
}
END_TEST

/* ---------------------------------------------------------------- reading */

START_TEST(estimates_count)
{
    struct place p;
    struct moss_snapshot *snap;
    struct moss_slice lo = moss_str("b"), hi = moss_str("d");
    uint64_t entries, bytes;

    place_init(&p, &examples[_i], NULL);
    run(p.c, "a=1 b=22 c=333 d=4444 kid{b=1}");
    assert_ok(moss_collection_wait_idle(p.c, MOSS_FOREVER));
    assert_ok(moss_collection_snapshot(p.c, &snap));
    assert_ok(moss_snapshot_estimate(snap, NULL, NULL, &entries, &bytes));
    ck_assert(entries == 4 && bytes == 14);
    assert_ok(moss_snapshot_estimate(snap, &lo, &hi, &entries, &bytes));
    ck_assert(entries == 2 && bytes == 7);
    moss_snapshot_unref(snap);
    place_close(&p);
}
END_TEST

/* Empty keys and values, and bytes of all kinds. */
START_TEST(any_bytes_are_kept)
{
    const uint8_t bytes[] = { 0, 0xff, 'k', 0 };
    struct place p;
    struct moss_batch *batch;

    place_init(&p, &examples[_i], NULL);
    assert_ok(moss_batch_new(0, 0, &batch));
    for (size_t n = 0; n <= sizeof(bytes); n++)
        assert_ok(moss_batch_set(batch, moss_slice(bytes, n),
                                 moss_slice(bytes + n, sizeof(bytes) - n)));
    assert_ok(moss_collection_execute(p.c, batch));
    moss_batch_free(batch);
    assert_ok(moss_collection_close(p.c, MOSS_FOREVER, NULL));
    place_open(&p);
    assert_collection(p.c, "=\\x00\\xffk\\x00 \\x00=\\xffk\\x00"
                           " \\x00\\xff=k\\x00 \\x00\\xffk=\\x00"
                           " \\x00\\xffk\\x00=");
    place_close(&p);
}
END_TEST

START_TEST(a_snapshot_outlives_the_lower_level)
{
    struct place p;
    struct moss_snapshot *snap;

    place_init(&p, &examples[_i], NULL);
    run(p.c, "a=1 kid{b=2}");
    assert_ok(moss_collection_flush(p.c, MOSS_FOREVER, NULL));
    assert_ok(moss_collection_snapshot(p.c, &snap));
    run(p.c, "a=2 !kid");
    assert_ok(moss_collection_close(p.c, MOSS_FOREVER, NULL));
    p.c = NULL;
    assert_tree(snap, "a=1 kid{b=2}");
    moss_snapshot_unref(snap);
    place_close(&p);
}
END_TEST

/* ----------------------------------------------------------- SQLite alone */

static sqlite3 *
other_connection(const struct place *p, const char *sql)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(p->path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

/* Operands are applied once, however often the update was tried. */
START_TEST(a_locked_database_is_reported_and_tried_again)
{
    struct place p;
    struct moss_error err;
    sqlite3 *db;

    place_init(&p, &examples[0], &merge_append);
    run_tagged(p.c, 1, "a=1 kid{a=1}");
    assert_ok(moss_collection_flush(p.c, MOSS_FOREVER, NULL));
    db = other_connection(&p, "BEGIN IMMEDIATE");
    run_tagged(p.c, 2, "a+2 kid{a+2}");
    heard_wait_errors(&p.heard, 3);
    assert_status(moss_collection_flush(p.c, MOSS_FOREVER, &err), MOSS_BUSY);
    ck_assert_str_eq(err.what, "database is locked");
    ck_assert_str_eq(err.path, p.path);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    assert_ok(moss_collection_flush(p.c, MOSS_FOREVER, NULL));
    ck_assert_uint_eq(moss_collection_persisted_tag(p.c).n, 2);
    assert_collection(p.c, "a=12 kid{a=12}");
    place_close(&p);
}
END_TEST

/* What somebody else wrote in between is not overwritten. */
START_TEST(a_second_writer_is_noticed)
{
    struct place p;
    sqlite3 *db;

    place_init(&p, &examples[0], NULL);
    run(p.c, "a=1");
    assert_ok(moss_collection_flush(p.c, MOSS_FOREVER, NULL));
    db = other_connection(&p, "UPDATE moss_meta SET updates = updates + 1");
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    run(p.c, "a=2");
    assert_status(moss_collection_flush(p.c, MOSS_FOREVER, NULL), MOSS_BUSY);
    assert_status(moss_collection_close(p.c, 0, NULL), MOSS_BUSY);
    place_open(&p);
    assert_collection(p.c, "a=1");
    place_close(&p);
}
END_TEST

/* Although some snapshot reads all the time. */
START_TEST(the_wal_does_not_grow_without_end)
{
    static char value[100000];
    struct place p;
    struct stat st;
    char *wal;

    place_init(&p, &examples[0], NULL);
    memset(value, 'v', sizeof(value) - 1);
    for (int i = 0; i < 200; i++) {
        struct moss_batch *batch;

        assert_ok(moss_batch_new(0, 0, &batch));
        assert_ok(moss_batch_set(batch, moss_str("a"), moss_str(value)));
        assert_ok(moss_collection_execute(p.c, batch));
        moss_batch_free(batch);
        assert_ok(moss_collection_flush(p.c, MOSS_FOREVER, NULL));
    }
    wal = path_join(p.dir, "db-wal");
    ck_assert_int_eq(stat(wal, &st), 0);
    ck_assert_int_lt(st.st_size, 8 << 20); /* 20 MB were written */
    free(wal);
    place_close(&p);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("examples_lower");
    TCase *tc = tcase_create("examples_lower");
    SRunner *runner;
    int n, failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, examples_conform, 0, 4 * EXAMPLES);
    tcase_add_loop_test(tc, what_cannot_be_opened_is_reported, 0, EXAMPLES);
    tcase_add_loop_test(tc, operands_without_an_operator_are_not_lost, 0,
                        EXAMPLES);
    tcase_add_loop_test(tc, a_refused_operand_can_be_overwritten, 0, EXAMPLES);
    tcase_add_loop_test(tc, estimates_count, 0, EXAMPLES);
    tcase_add_loop_test(tc, any_bytes_are_kept, 0, EXAMPLES);
    tcase_add_loop_test(tc, a_snapshot_outlives_the_lower_level, 0, EXAMPLES);
    tcase_add_test(tc, a_locked_database_is_reported_and_tried_again);
    tcase_add_test(tc, a_second_writer_is_noticed);
    tcase_add_test(tc, the_wal_does_not_grow_without_end);
    suite_add_tcase(s, tc);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    n = srunner_ntests_run(runner);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("%d passed, %d failed\n", n - failed, failed);
    return failed == 0 && n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
