/*
 * The stores that Go moss wrote, each at every commit point, compared with
 * what Go moss itself reads there; and what becomes of them when they are
 * written to here.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "moss.h"
#include "support/operators.h"
#include "support/stores.h"

Suite *suite_fixtures(void);

static const char *const names[] = { "basic",     "childonly", "children",
                                     "compacted", "emptied",   "history",
                                     "merge",     "partial",   "twofiles" };
#define N_NAMES ((int)(sizeof names / sizeof *names))

#define FIXTURES "moss-core/tests/fixtures/"

/* A text that grows. */
struct text {
    char *s;
    size_t n, cap;
};

static void
put(struct text *t, const char *s)
{
    size_t n = strlen(s);

    if (t->n + n + 1 > t->cap) {
        t->cap = 2 * (t->n + n + 1);
        t->s = realloc(t->s, t->cap);
        ck_assert_ptr_nonnull(t->s);
    }
    memcpy(t->s + t->n, s, n + 1);
    t->n += n;
}

static void
put_hex(struct text *t, struct moss_slice s)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < s.len; i++) {
        char hex[3] = { digits[s.bytes[i] >> 4], digits[s.bytes[i] & 15], 0 };

        put(t, hex);
    }
}

static void
put_tree(struct text *t, struct moss_snapshot *snap, const char *path);

struct child_arg {
    struct text *t;
    struct moss_snapshot *snap;
    const char *path;
};

static enum moss_status
put_child(void *arg, struct moss_slice name)
{
    struct child_arg *a = arg;
    struct moss_snapshot *child = NULL;
    char path[256];

    assert_ok(moss_snapshot_child(a->snap, name, &child));
    (void)snprintf(path, sizeof path, "%s/%.*s", a->path, (int)name.len,
                   (const char *)name.bytes);
    put_tree(a->t, child, path);
    moss_snapshot_unref(child);
    return MOSS_OK;
}

/* The lines of an .expect file for one collection and all below it. */
static void
put_tree(struct text *t, struct moss_snapshot *snap, const char *path)
{
    struct child_arg a = { t, snap, path };
    struct moss_iterator *it = NULL;
    enum moss_status st;

    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    while ((st = moss_iterator_next(it)) == MOSS_OK) {
        struct moss_slice key, value;

        moss_iterator_current(it, &key, &value);
        put(t, path);
        put(t, "\t");
        put_hex(t, key);
        put(t, "\t");
        put_hex(t, value);
        put(t, "\n");
    }
    assert_status(st, MOSS_DONE);
    moss_iterator_free(it);
    assert_ok(moss_snapshot_children(snap, put_child, &a));
}

/* Every commit point of a store, the newest first. */
static char *
history_of(struct moss_store *store)
{
    struct text t = { 0 };
    struct moss_snapshot *snap = NULL, *older = NULL;
    struct moss_error err;
    enum moss_status st = moss_store_snapshot(store, &snap);
    char line[32];

    for (int i = 0; st == MOSS_OK; i++) {
        (void)snprintf(line, sizeof line, "@%d\n", i);
        put(&t, line);
        put_tree(&t, snap, "");
        st = moss_store_previous(store, snap, &older, &err);
        moss_snapshot_unref(snap);
        snap = older;
    }
    assert_status(st, MOSS_NOT_FOUND);
    return t.s;
}

/* The contents of the first n commit points in an .expect file; 0: all. */
static char *
expected(const char *name, int n)
{
    char path[128], mark[16];
    size_t len;
    char *text, *all, *cut;

    (void)snprintf(path, sizeof path, FIXTURES "%s.expect", name);
    text = (char *)file_read_all(moss_os_posix(), path, &len);
    all = calloc(1, len + 1);
    memcpy(all, text, len);
    free(text);
    (void)snprintf(mark, sizeof mark, "@%d\n", n);
    cut = n == 0 ? NULL : strstr(all, mark);
    if (cut != NULL)
        *cut = '\0';
    return all;
}

static void
assert_history(struct moss_store *store, const char *want)
{
    char *got = history_of(store);

    /* Not ck_assert_str_eq: the texts are long. */
    ck_assert_msg(strcmp(got, want) == 0, "history differs");
    free(got);
}

static struct moss_store_options
with_add(void)
{
    struct moss_store_options o = { .merge = &merge_add };

    return o;
}

/* A copy of a fixture in a directory of its own, opened. */
static void
open_copy(struct driver *d, char **dir, int i,
          const struct moss_store_options *options)
{
    char from[128];

    (void)snprintf(from, sizeof from, FIXTURES "%s", names[i]);
    *dir = temp_dir_new();
    dir_copy(moss_os_posix(), from, moss_os_posix(), *dir);
    assert_ok(driver_open(d, *dir, options));
}

START_TEST(fixture_reads_as_go_reads_it_at_every_commit_point)
{
    for (int no_mmap = 0; no_mmap < 2; no_mmap++) {
        struct moss_store_options o = with_add();
        struct moss_store *store = NULL;
        struct moss_error err;
        char path[128], *want = expected(names[_i], 0);

        o.readonly = true;
        o.no_mmap = no_mmap;
        (void)snprintf(path, sizeof path, FIXTURES "%s", names[_i]);
        assert_ok(moss_store_open(path, &o, &store, &err));
        if (strcmp(names[_i], "emptied") == 0)
            want[3] = '\0'; /* its file has an empty line for no entries */
        assert_history(store, want);
        free(want);
        moss_store_close(store);
    }
}
END_TEST

START_TEST(fixture_keeps_its_history_below_what_is_appended)
{
    struct moss_store_options o = with_add();
    struct driver d;
    struct moss_snapshot *older = NULL;
    struct text t = { 0 };
    char *dir, *want = expected(names[_i], 1);

    open_copy(&d, &dir, _i, &o);
    assert_ok(driver_apply(&d, "zz-new=1 fresh-child{a=1}"));
    driver_close(&d);
    assert_ok(driver_open(&d, dir, &o));
    ck_assert_uint_eq(moss_snapshot_tag(d.newest).n, 1);
    assert_ok(moss_store_previous(d.store, d.newest, &older, &d.err));
    put(&t, "@0\n");
    put_tree(&t, older, "");
    ck_assert_msg(strncmp(t.s, want, t.n) == 0, "content differs");
    free(t.s);
    free(want);
    moss_snapshot_unref(older);
    driver_close(&d);
    temp_dir_remove(dir);
}
END_TEST

START_TEST(fixture_reads_the_same_after_a_full_compaction)
{
    struct moss_store_options o = with_add();
    struct driver d;
    char *dir, *before, *after, *gone;

    o.compaction = MOSS_COMPACTION_FORCE;
    open_copy(&d, &dir, _i, &o);
    before = dump_tree(d.newest);
    assert_ok(driver_apply(&d, "zz-new=1"));
    assert_ok(driver_apply(&d, "-zz-new"));
    after = dump_tree(d.newest);
    ck_assert_str_eq(after, before);
    free(after);
    driver_close(&d);
    /* One data file is left, and the lock. */
    gone = dir_names(moss_os_posix(), dir);
    ck_assert_ptr_null(strstr(strstr(gone, "data-") + 1, "data-"));
    free(gone);
    o.readonly = true;
    assert_ok(driver_open(&d, dir, &o));
    after = dump_tree(d.newest);
    ck_assert_str_eq(after, before);
    free(before);
    free(after);
    driver_close(&d);
    temp_dir_remove(dir);
}
END_TEST

START_TEST(fixture_can_be_reverted_to_its_oldest_commit_point)
{
    struct moss_store_options o = with_add();
    struct driver d;
    struct moss_snapshot *snap, *older = NULL;
    char *dir, *want, *got;

    open_copy(&d, &dir, _i, &o);
    snap = moss_snapshot_ref(d.newest);
    while (moss_store_previous(d.store, snap, &older, &d.err) == MOSS_OK) {
        moss_snapshot_unref(snap);
        snap = older;
    }
    want = dump_tree(snap);
    d.lower->ops->close(d.lower);
    d.lower = NULL;
    assert_ok(moss_store_revert(d.store, snap, &d.err));
    moss_snapshot_unref(snap);
    driver_close(&d);
    assert_ok(driver_open(&d, dir, &o));
    got = dump_tree(d.newest);
    ck_assert_str_eq(got, want);
    free(want);
    free(got);
    driver_close(&d);
    temp_dir_remove(dir);
}
END_TEST

Suite *
suite_fixtures(void)
{
    Suite *s = suite_create("fixtures");
    TCase *tc = tcase_create("go");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, fixture_reads_as_go_reads_it_at_every_commit_point,
                        0, N_NAMES);
    tcase_add_loop_test(tc, fixture_keeps_its_history_below_what_is_appended, 0,
                        N_NAMES);
    tcase_add_loop_test(tc, fixture_reads_the_same_after_a_full_compaction, 0,
                        N_NAMES);
    tcase_add_loop_test(tc, fixture_can_be_reverted_to_its_oldest_commit_point,
                        0, N_NAMES);
    suite_add_tcase(s, tc);
    return s;
}
