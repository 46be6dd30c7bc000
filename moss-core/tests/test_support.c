/* What other tests rely on: the file systems and the model of support/. */
#include <errno.h>
#include <stdlib.h>

#include "support/fault_os.h"
#include "support/fixture.h"
#include "support/mem_os.h"
#include "support/model.h"

Suite *suite_support(void);

static const unsigned create = MOSS_OPEN_WRITE | MOSS_OPEN_CREATE;
static struct mem_os *mem;
static struct moss_os *os;

static void
setup(void)
{
    mem = mem_os_new();
    os = mem_os_base(mem);
    assert_ok(os->ops->mkdir(os, "/d"));
    assert_ok(os->ops->sync_dir(os, "/"));
}

static void
teardown(void)
{
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
}

static void
assert_names(const char *want)
{
    char *names = dir_names(os, "/d");

    ck_assert_str_eq(names, want);
    free(names);
}

static void
assert_content(const char *path, const char *want)
{
    size_t n;
    uint8_t *bytes = file_read_all(os, path, &n);

    bytes[n] = '\0';
    ck_assert_str_eq((char *)bytes, want);
    free(bytes);
}

/* Write text to a file at off, with or without a sync. */
static void
put(const char *path, uint64_t off, const char *text, bool sync)
{
    struct moss_file *f;

    assert_ok(os->ops->open(os, path, create, &f));
    assert_ok(f->ops->write(f, off, text, strlen(text)));
    if (sync)
        assert_ok(f->ops->sync(f));
    f->ops->close(f);
}

START_TEST(mem_keeps_files_and_names)
{
    struct moss_file *f;
    uint64_t size;

    put("/d/a", 0, "abc", false);
    put("/d/a", 5, "xy", false);
    assert_ok(os->ops->open(os, "/d/a", MOSS_OPEN_WRITE, &f));
    assert_ok(f->ops->size(f, &size));
    ck_assert_uint_eq(size, 7);
    assert_ok(f->ops->truncate(f, 2));
    f->ops->close(f);
    assert_content("/d/a", "ab");
    assert_ok(os->ops->rename(os, "/d/a", "/d/b"));
    assert_names("b");
    assert_ok(os->ops->remove(os, "/d/b"));
    assert_names("");
    assert_ok(os->ops->remove_dir(os, "/d"));
}
END_TEST

START_TEST(mem_refuses_what_a_system_refuses)
{
    struct moss_file *f, *g;
    struct moss_file_id id;
    char c;

    assert_status(os->ops->open(os, "/d/a", MOSS_OPEN_WRITE, &f),
                  MOSS_CANTOPEN);
    assert_status(os->ops->open(os, "/none/a", create, &f), MOSS_CANTOPEN);
    assert_status(os->ops->mkdir(os, "/none/a"), MOSS_CANTOPEN);
    assert_status(os->ops->remove(os, "/d/a"), MOSS_CANTOPEN);
    assert_status(os->ops->rename(os, "/d/a", "/d/b"), MOSS_CANTOPEN);
    assert_status(os->ops->identify(os, "/d/a", &id), MOSS_NOT_FOUND);
    assert_status(os->ops->list(os, "/none", NULL, NULL), MOSS_CANTOPEN);
    put("/d/a", 0, "abc", false);
    assert_status(os->ops->open(os, "/d/a", create | MOSS_OPEN_EXCL, &f),
                  MOSS_BUSY);
    assert_status(os->ops->remove_dir(os, "/d"), MOSS_IO);
    assert_status(os->ops->mkdir(os, "/d/a"), MOSS_CANTOPEN);
    assert_ok(os->ops->open(os, "/d/a", MOSS_OPEN_READ, &f));
    assert_status(f->ops->read(f, 3, &c, 1), MOSS_CORRUPT);
    f->ops->close(f);
    assert_ok(os->ops->lock(os, "/d/l", &f));
    assert_status(os->ops->lock(os, "/d/l", &g), MOSS_BUSY);
    f->ops->close(f);
    assert_ok(os->ops->lock(os, "/d/l", &f));
    f->ops->close(f);
}
END_TEST

START_TEST(mem_map_outlives_its_file)
{
    struct moss_file *f;
    const void *map;

    put("/d/a", 0, "abcdef", false);
    assert_ok(os->ops->open(os, "/d/a", MOSS_OPEN_READ, &f));
    assert_ok(f->ops->map(f, 2, 3, &map));
    assert_ok(os->ops->remove(os, "/d/a"));
    ck_assert_mem_eq(map, "cde", 3);
    f->ops->unmap(f, map, 3);
    assert_status(f->ops->map(f, 4, 3, &map), MOSS_CORRUPT);
    f->ops->close(f);
}
END_TEST

START_TEST(a_crash_drops_bytes_without_sync)
{
    put("/d/a", 0, "old", true);
    assert_ok(os->ops->sync_dir(os, "/d"));
    put("/d/a", 0, "new!", false);
    mem_os_restart(mem, MEM_CRASH_DROP, 0);
    assert_content("/d/a", "old");
}
END_TEST

START_TEST(a_crash_drops_names_without_sync_dir)
{
    put("/d/a", 0, "a", true);
    assert_ok(os->ops->sync_dir(os, "/d"));
    put("/d/new", 0, "new", true);
    assert_ok(os->ops->rename(os, "/d/a", "/d/b"));
    mem_os_restart(mem, MEM_CRASH_DROP, 0);
    assert_names("a");
    assert_ok(os->ops->remove(os, "/d/a"));
    mem_os_restart(mem, MEM_CRASH_DROP, 0);
    assert_content("/d/a", "a");
    assert_ok(os->ops->rename(os, "/d/a", "/d/b"));
    assert_ok(os->ops->sync_dir(os, "/d"));
    mem_os_restart(mem, MEM_CRASH_DROP, 0);
    assert_names("b");
}
END_TEST

START_TEST(a_killed_process_loses_nothing)
{
    put("/d/a", 0, "abc", false);
    mem_os_restart(mem, MEM_CRASH_KEEP, 0);
    assert_content("/d/a", "abc");
    mem_os_restart(mem, MEM_CRASH_DROP, 0); /* all was made durable */
    assert_content("/d/a", "abc");
}
END_TEST

/* Over many seeds each of two sectors is seen kept and lost, on its own. */
START_TEST(a_torn_write_keeps_a_choice_of_sectors)
{
    char page[1025] = { 0 };
    unsigned seen = 0;

    for (uint64_t seed = 0; seed < 64; seed++) {
        size_t n;
        uint8_t *bytes;

        memset(page, 'o', 1024);
        put("/d/a", 0, page, true);
        assert_ok(os->ops->sync_dir(os, "/d"));
        memset(page, 'n', 1024);
        put("/d/a", 0, page, false);
        mem_os_restart(mem, MEM_CRASH_TEAR, seed);
        bytes = file_read_all(os, "/d/a", &n);
        ck_assert_uint_eq(n, 1024);
        for (size_t i = 0; i < n; i++)
            ck_assert_uint_eq(bytes[i], bytes[i / 512 * 512]);
        seen |= 1U << ((bytes[0] == 'n') + 2 * (bytes[512] == 'n'));
        free(bytes);
    }
    ck_assert_uint_eq(seen, 15);
}
END_TEST

/* A rename happens or not; the file is always there under one name. */
START_TEST(a_torn_rename_is_whole)
{
    bool renamed = false, not_renamed = false;

    for (uint64_t seed = 0; seed < 64; seed++) {
        char *names;

        put("/d/a", 0, "a", true);
        assert_ok(os->ops->sync_dir(os, "/d"));
        assert_ok(os->ops->rename(os, "/d/a", "/d/b"));
        mem_os_restart(mem, MEM_CRASH_TEAR, seed);
        names = dir_names(os, "/d");
        renamed |= strcmp(names, "b") == 0;
        not_renamed |= strcmp(names, "a") == 0;
        ck_assert(strcmp(names, "a") == 0 || strcmp(names, "b") == 0);
        assert_ok(os->ops->remove(os, *names == 'a' ? "/d/a" : "/d/b"));
        assert_ok(os->ops->sync_dir(os, "/d"));
        free(names);
    }
    ck_assert(renamed);
    ck_assert(not_renamed);
}
END_TEST

START_TEST(a_cut_stops_at_the_nth_sync)
{
    struct moss_file *f;
    char c;

    assert_ok(os->ops->open(os, "/d/a", create, &f));
    assert_ok(os->ops->sync_dir(os, "/d"));
    mem_os_cut_at(mem, MEM_CUT_SYNC, 2);
    assert_ok(f->ops->write(f, 0, "a", 1));
    assert_ok(f->ops->sync(f));
    assert_ok(f->ops->write(f, 0, "b", 1));
    ck_assert(!mem_os_is_off(mem));
    assert_status(f->ops->sync(f), MOSS_IO);
    ck_assert_int_eq(errno, EIO);
    ck_assert(mem_os_is_off(mem));
    assert_status(f->ops->read(f, 0, &c, 1), MOSS_IO);
    assert_status(os->ops->mkdir(os, "/e"), MOSS_IO);
    mem_os_restart(mem, MEM_CRASH_DROP, 0);
    assert_status(f->ops->write(f, 0, "c", 1), MOSS_IO); /* of before */
    f->ops->close(f);
    assert_content("/d/a", "a");
}
END_TEST

START_TEST(a_cut_stops_at_the_nth_change)
{
    unsigned before = mem_os_count(mem, MEM_CUT_CHANGE);

    mem_os_cut_at(mem, MEM_CUT_CHANGE, 3);
    put("/d/a", 0, "a", false); /* two changes: the file and its byte */
    assert_content("/d/a", "a");
    ck_assert_uint_eq(mem_os_count(mem, MEM_CUT_CHANGE) - before, 2);
    assert_status(os->ops->remove(os, "/d/a"), MOSS_IO);
    ck_assert(mem_os_is_off(mem));
}
END_TEST

START_TEST(a_restart_frees_locks)
{
    struct moss_file *before, *lock, *other;

    assert_ok(os->ops->lock(os, "/d/l", &before));
    mem_os_restart(mem, MEM_CRASH_KEEP, 0);
    assert_ok(os->ops->lock(os, "/d/l", &lock));
    before->ops->close(before); /* must not free the new lock */
    assert_status(os->ops->lock(os, "/d/l", &other), MOSS_BUSY);
    lock->ops->close(lock);
}
END_TEST

START_TEST(fault_fails_the_nth_call_of_a_kind)
{
    struct fault_os *fault = fault_os_new(os);
    struct moss_os *o = fault_os_base(fault);
    struct moss_file *f;

    assert_ok(o->ops->open(o, "/d/a", create, &f));
    fault_os_fail_nth(fault, FAULT_WRITE, 2, MOSS_FULL, ENOSPC);
    assert_ok(f->ops->write(f, 0, "a", 1));
    assert_ok(f->ops->sync(f));
    ck_assert(!fault_os_tripped(fault));
    assert_status(f->ops->write(f, 0, "b", 1), MOSS_FULL);
    ck_assert_int_eq(errno, ENOSPC);
    ck_assert(fault_os_tripped(fault));
    assert_ok(f->ops->write(f, 1, "c", 1));
    ck_assert_uint_eq(fault_os_count(fault, FAULT_WRITE), 3);
    ck_assert_uint_eq(fault_os_count(fault, FAULT_ANY), 5);
    ck_assert_uint_eq(fault_os_open_files(fault), 1);
    f->ops->close(f);
    ck_assert_uint_eq(fault_os_open_files(fault), 0);
    assert_content("/d/a", "ac");
    fault_os_free(fault);
}
END_TEST

START_TEST(fault_fails_every_call_until_healed)
{
    struct fault_os *fault = fault_os_new(os);
    struct moss_os *o = fault_os_base(fault);

    fault_os_fail_from(fault, FAULT_MKDIR, 2, MOSS_FULL, ENOSPC);
    assert_ok(o->ops->mkdir(o, "/d/1"));
    assert_status(o->ops->mkdir(o, "/d/2"), MOSS_FULL);
    assert_status(o->ops->mkdir(o, "/d/3"), MOSS_FULL);
    assert_ok(o->ops->sync_dir(o, "/d"));
    fault_os_heal(fault);
    assert_ok(o->ops->mkdir(o, "/d/4"));
    assert_names("1 4");
    fault_os_free(fault);
}
END_TEST

START_TEST(fault_cuts_the_power)
{
    struct fault_os *fault = fault_os_new(os);
    struct moss_os *o = fault_os_base(fault);
    struct moss_file *f;
    uint64_t size;

    assert_ok(o->ops->open(o, "/d/a", create, &f));
    fault_os_cut_at(fault, FAULT_SYNC, 1);
    assert_ok(f->ops->write(f, 0, "a", 1));
    assert_status(f->ops->sync(f), MOSS_IO);
    assert_status(f->ops->size(f, &size), MOSS_IO);
    assert_status(o->ops->remove(o, "/d/a"), MOSS_IO);
    f->ops->close(f);
    fault_os_free(fault);
}
END_TEST

START_TEST(fault_tears_a_write_and_drops_at_a_sync)
{
    struct fault_os *fault = fault_os_new(os);
    struct moss_os *o = fault_os_base(fault);
    struct moss_file *f;

    assert_ok(o->ops->open(o, "/d/a", create, &f));
    fault_os_tear_writes(fault, true);
    fault_os_fail_nth(fault, FAULT_WRITE, 1, MOSS_IO, EIO);
    assert_status(f->ops->write(f, 0, "abcd", 4), MOSS_IO);
    assert_content("/d/a", "ab");
    fault_os_drop_on_sync(fault, mem_file_drop_unsynced);
    fault_os_fail_nth(fault, FAULT_SYNC, 1, MOSS_IO, EIO);
    assert_status(f->ops->sync(f), MOSS_IO);
    assert_content("/d/a", "");
    f->ops->close(f);
    fault_os_free(fault);
}
END_TEST

START_TEST(the_model_is_a_sorted_map)
{
    struct model *m = model_new();
    struct model *copy;
    struct moss_slice value;
    char *text;

    model_set(m, moss_str("b"), moss_str("2"));
    model_set(m, moss_str("a"), moss_str("1"));
    model_set(m, moss_str("c"), moss_str("3"));
    model_set(m, moss_str("b"), moss_str("two"));
    copy = model_clone(m);
    model_del(m, moss_str("a"));
    model_del(m, moss_str("x"));
    model_append(m, moss_str("c"), moss_str("+"));
    model_append(m, moss_str("d"), moss_str("new"));
    text = model_dump(m);
    ck_assert_str_eq(text, "b=two c=3+ d=new");
    free(text);
    text = model_dump(copy);
    ck_assert_str_eq(text, "a=1 b=two c=3");
    free(text);
    ck_assert_uint_eq(model_find(m, moss_str("bb")), 1);
    ck_assert_uint_eq(model_find(m, moss_str("z")), model_count(m));
    ck_assert(!model_get(m, moss_str("a"), &value));
    ck_assert(model_get(m, moss_str("b"), &value));
    assert_slice(value, "two");
    model_free(m);
    model_free(copy);
}
END_TEST

START_TEST(text_of_marks_what_is_not_plain)
{
    assert_slice(moss_str("a~\x01 =\\\xff"), "a~\\x01\\x20\\x3d\\x5c\\xff");
    assert_slice(moss_slice(NULL, 0), "");
}
END_TEST

/* Programs use the seeds S, S + 1, ...: each is to bring something new. */
START_TEST(neighbouring_seeds_share_no_numbers)
{
    uint64_t first[64];
    struct rng r;

    rng_init(&r, 1);
    for (size_t i = 0; i < 64; i++)
        first[i] = rng_next(&r);
    for (uint64_t seed = 2; seed < 10; seed++) {
        rng_init(&r, seed);
        for (size_t i = 0; i < 64; i++) {
            uint64_t x = rng_next(&r);

            for (size_t k = 0; k < 64; k++)
                ck_assert_uint_ne(x, first[k]);
        }
    }
}
END_TEST

Suite *
suite_support(void)
{
    Suite *s = suite_create("support");
    TCase *tc = tcase_create("support");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, mem_keeps_files_and_names);
    tcase_add_test(tc, mem_refuses_what_a_system_refuses);
    tcase_add_test(tc, mem_map_outlives_its_file);
    tcase_add_test(tc, a_crash_drops_bytes_without_sync);
    tcase_add_test(tc, a_crash_drops_names_without_sync_dir);
    tcase_add_test(tc, a_killed_process_loses_nothing);
    tcase_add_test(tc, a_torn_write_keeps_a_choice_of_sectors);
    tcase_add_test(tc, a_torn_rename_is_whole);
    tcase_add_test(tc, a_cut_stops_at_the_nth_sync);
    tcase_add_test(tc, a_cut_stops_at_the_nth_change);
    tcase_add_test(tc, a_restart_frees_locks);
    tcase_add_test(tc, fault_fails_the_nth_call_of_a_kind);
    tcase_add_test(tc, fault_fails_every_call_until_healed);
    tcase_add_test(tc, fault_cuts_the_power);
    tcase_add_test(tc, fault_tears_a_write_and_drops_at_a_sync);
    tcase_add_test(tc, the_model_is_a_sorted_map);
    tcase_add_test(tc, text_of_marks_what_is_not_plain);
    tcase_add_test(tc, neighbouring_seeds_share_no_numbers);
    suite_add_tcase(s, tc);
    return s;
}
