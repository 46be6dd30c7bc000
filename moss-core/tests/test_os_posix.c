/* The default struct moss_os, on a real directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "base/base.h"
#include "base/os_posix.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"

Suite *suite_os_posix(void);

static struct moss_os *os;
static char *dir, *path;
static const unsigned create = MOSS_OPEN_WRITE | MOSS_OPEN_CREATE;

static void
setup(void)
{
    os = moss_os_posix();
    dir = temp_dir_new();
    path = path_join(dir, "file");
}

static void
teardown(void)
{
    free(path);
    temp_dir_remove(dir);
}

static struct moss_file *
open_file(unsigned flags)
{
    struct moss_file *f;

    assert_ok(os->ops->open(os, path, flags, &f));
    return f;
}

START_TEST(what_is_written_is_read)
{
    struct moss_file *f = open_file(create);
    uint64_t size;
    char buf[6];

    assert_ok(f->ops->write(f, 3, "abc", 3));
    assert_ok(f->ops->write(f, 0, "xyz", 3));
    assert_ok(f->ops->sync(f));
    assert_ok(f->ops->size(f, &size));
    ck_assert_uint_eq(size, 6);
    assert_ok(f->ops->read(f, 0, buf, 6));
    ck_assert_mem_eq(buf, "xyzabc", 6);
    assert_ok(f->ops->read(f, 6, buf, 0));
    f->ops->close(f);
}
END_TEST

START_TEST(a_read_past_the_end_is_corrupt)
{
    struct moss_file *f = open_file(create);
    char buf[4];

    assert_ok(f->ops->write(f, 0, "abc", 3));
    errno = EIO;
    assert_status(f->ops->read(f, 0, buf, 4), MOSS_CORRUPT);
    ck_assert_int_eq(errno, 0);
    assert_status(f->ops->read(f, 9, buf, 1), MOSS_CORRUPT);
    assert_status(f->ops->read(f, UINT64_MAX, buf, 1), MOSS_CORRUPT);
    assert_status(f->ops->read(f, INT64_MAX, buf, 2), MOSS_CORRUPT);
    f->ops->close(f);
}
END_TEST

START_TEST(a_write_out_of_reach_fails)
{
    struct moss_file *f = open_file(create);

    assert_status(f->ops->write(f, UINT64_MAX, "a", 1), MOSS_IO);
    assert_status(f->ops->write(f, INT64_MAX, "ab", 2), MOSS_IO);
    ck_assert_int_eq(errno, EFBIG);
    assert_status(f->ops->truncate(f, UINT64_MAX), MOSS_IO);
    f->ops->close(f);
}
END_TEST

START_TEST(a_sync_begun_early_changes_nothing)
{
    struct moss_file *f = open_file(create);
    char buf[3];

    assert_ok(f->ops->write(f, 0, "abc", 3));
    f->ops->start_sync(f, 0, 3);
    f->ops->start_sync(f, 4096, 1); /* not even there */
    assert_ok(f->ops->read(f, 0, buf, 3));
    ck_assert_mem_eq(buf, "abc", 3);
    assert_ok(f->ops->sync(f));
    f->ops->close(f);
}
END_TEST

START_TEST(truncate_sets_the_size)
{
    struct moss_file *f = open_file(create);
    uint64_t size;
    char buf[5];

    assert_ok(f->ops->write(f, 0, "abcdef", 6));
    assert_ok(f->ops->truncate(f, 2));
    assert_ok(f->ops->truncate(f, 5));
    assert_ok(f->ops->size(f, &size));
    ck_assert_uint_eq(size, 5);
    assert_ok(f->ops->read(f, 0, buf, 5));
    ck_assert_mem_eq(buf, "ab\0\0\0", 5);
    f->ops->close(f);
}
END_TEST

START_TEST(open_makes_only_what_it_may)
{
    struct moss_file *f;

    assert_status(os->ops->open(os, path, MOSS_OPEN_WRITE, &f), MOSS_CANTOPEN);
    ck_assert_ptr_null(f);
    ck_assert_int_eq(errno, ENOENT);
    f = open_file(create | MOSS_OPEN_EXCL);
    f->ops->close(f);
    assert_status(os->ops->open(os, path, create | MOSS_OPEN_EXCL, &f),
                  MOSS_BUSY);
    ck_assert_ptr_null(f);
    f = open_file(create);
    f->ops->close(f);
}
END_TEST

START_TEST(a_file_opened_for_reading_is_not_written)
{
    struct moss_file *f = open_file(create);

    f->ops->close(f);
    f = open_file(MOSS_OPEN_READ);
    ck_assert_int_lt(f->ops->write(f, 0, "a", 1), 0);
    ck_assert_int_lt(f->ops->truncate(f, 0), 0);
    f->ops->close(f);
}
END_TEST

/* As root any permission is given: only /proc refuses root, too. */
START_TEST(a_refused_creation_is_readonly)
{
    struct moss_file *f;
    enum moss_status st = os->ops->open(os, "/proc/moss-test", create, &f);

    ck_assert_ptr_null(f);
    ck_assert_int_ne(errno, 0);
    ck_assert(st == MOSS_READONLY || st == MOSS_CANTOPEN);
}
END_TEST

START_TEST(a_full_device_is_full)
{
    struct moss_file *f;

    assert_ok(os->ops->open(os, "/dev/full", MOSS_OPEN_WRITE, &f));
    assert_status(f->ops->write(f, 0, "a", 1), MOSS_FULL);
    ck_assert_int_eq(errno, ENOSPC);
    f->ops->close(f);
}
END_TEST

/* The system writes the first part and then refuses: the call carries on. */
START_TEST(a_short_write_ends_in_its_cause)
{
    struct rlimit limit = { 1000, 1000 };
    char bytes[2000] = { 0 };
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct moss_file *f;
        bool ok;

        signal(SIGXFSZ, SIG_IGN);
        ok = os->ops->open(os, path, create, &f) == MOSS_OK &&
             setrlimit(RLIMIT_FSIZE, &limit) == 0 &&
             f->ops->write(f, 0, bytes, 1000) == MOSS_OK &&
             f->ops->write(f, 0, bytes, 2000) == MOSS_IO && errno == EFBIG;
        _exit(ok ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_map_shows_the_file)
{
    struct moss_file *f = open_file(create);
    size_t n = 3 * OS_HUGE_PAGE + 12345;
    uint8_t *bytes = must_alloc(malloc(n));
    static const uint64_t offsets[] = { 0, 4096, 5000, OS_HUGE_PAGE,
                                        2 * OS_HUGE_PAGE + 1 };

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i * 7 / 5);
    assert_ok(f->ops->write(f, 0, bytes, n));
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        uint64_t off = offsets[i];
        const void *map;

        assert_ok(f->ops->map(f, off, n - off, &map));
        ck_assert_int_eq(memcmp(map, bytes + off, n - off), 0);
        if (off % OS_HUGE_PAGE == 0)
            ck_assert_uint_eq((uintptr_t)map % OS_HUGE_PAGE, 0);
        f->ops->unmap(f, map, n - off);
    }
    free(bytes);
    f->ops->close(f);
}
END_TEST

START_TEST(a_map_outlives_its_file)
{
    struct moss_file *f = open_file(create);
    const void *map;

    assert_ok(f->ops->write(f, 0, "abc", 3));
    assert_ok(f->ops->map(f, 0, 3, &map));
    assert_ok(os->ops->remove(os, path));
    ck_assert_mem_eq(map, "abc", 3);
    f->ops->unmap(f, map, 3);
    f->ops->close(f);
}
END_TEST

START_TEST(a_map_of_nothing_or_too_much_is_refused)
{
    struct moss_file *f = open_file(create);
    const void *map = f;

    assert_status(f->ops->map(f, 0, 0, &map), MOSS_INVALID);
    ck_assert_ptr_null(map);
    assert_status(f->ops->map(f, UINT64_MAX - 1, 1, &map), MOSS_INVALID);
    assert_status(f->ops->map(f, 0, SIZE_MAX, &map), MOSS_INVALID);
    f->ops->close(f);
}
END_TEST

START_TEST(directories_are_made_listed_and_removed)
{
    char *sub = path_join(dir, "sub");
    char *names;

    assert_ok(os->ops->mkdir(os, sub));
    assert_ok(os->ops->mkdir(os, sub));
    file_write_all(os, path, "x", 1);
    names = dir_names(os, dir);
    ck_assert_str_eq(names, "file sub");
    ck_assert_int_lt(os->ops->mkdir(os, path), 0); /* a file */
    ck_assert_int_lt(os->ops->remove(os, sub), 0);
    assert_ok(os->ops->remove_dir(os, sub));
    assert_status(os->ops->remove_dir(os, sub), MOSS_CANTOPEN);
    assert_status(os->ops->list(os, sub, NULL, NULL), MOSS_CANTOPEN);
    free(names);
    free(sub);
}
END_TEST

START_TEST(names_change_and_go)
{
    char *to = path_join(dir, "other");
    char *names;

    file_write_all(os, path, "new", 3);
    file_write_all(os, to, "old", 3);
    assert_ok(os->ops->rename(os, path, to));
    assert_ok(os->ops->sync_dir(os, dir));
    names = dir_names(os, dir);
    ck_assert_str_eq(names, "other");
    assert_status(os->ops->rename(os, path, to), MOSS_CANTOPEN);
    assert_ok(os->ops->remove(os, to));
    assert_status(os->ops->remove(os, to), MOSS_CANTOPEN);
    assert_status(os->ops->sync_dir(os, to), MOSS_CANTOPEN);
    free(names);
    free(to);
}
END_TEST

START_TEST(identify_tells_files_apart)
{
    struct moss_file_id a, b;
    char *under = path_join(path, "x");

    assert_status(os->ops->identify(os, path, &a), MOSS_NOT_FOUND);
    file_write_all(os, path, "", 0);
    assert_ok(os->ops->identify(os, path, &a));
    assert_ok(os->ops->identify(os, dir, &b));
    ck_assert(!a.is_dir);
    ck_assert(b.is_dir);
    ck_assert(a.ino != b.ino);
    assert_status(os->ops->identify(os, under, &b), MOSS_NOT_FOUND);
    free(under);
}
END_TEST

START_TEST(a_lock_keeps_out_this_process_too)
{
    struct moss_file *lock, *second, *f;

    assert_ok(os->ops->lock(os, path, &lock));
    assert_status(os->ops->lock(os, path, &second), MOSS_BUSY);
    ck_assert_ptr_null(second);
    f = open_file(MOSS_OPEN_WRITE); /* opening is not locking */
    f->ops->close(f);
    assert_status(os->ops->lock(os, path, &second), MOSS_BUSY);
    lock->ops->close(lock);
    assert_ok(os->ops->lock(os, path, &second));
    second->ops->close(second);
}
END_TEST

START_TEST(a_lock_keeps_out_another_process_until_it_dies)
{
    struct moss_file *lock;
    int ready[2], status;
    char c;
    pid_t pid;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (os->ops->lock(os, path, &lock) != MOSS_OK ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(1);
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    assert_status(os->ops->lock(os, path, &lock), MOSS_BUSY);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    assert_ok(os->ops->lock(os, path, &lock));
    lock->ops->close(lock);
    close(ready[0]);
    close(ready[1]);
}
END_TEST

START_TEST(no_file_becomes_a_standard_stream)
{
    struct moss_file *f;
    int saved = dup(0), fd;

    close(0);
    f = open_file(create);
    fd = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(fd, 0); /* still free */
    f->ops->close(f);
    ck_assert_int_eq(dup2(saved, 0), 0);
    close(saved);
}
END_TEST

START_TEST(open_without_memory_leaks_nothing)
{
    struct moss_file *f;

    fail_alloc_install();
    fail_alloc_nth(1);
    assert_status(os->ops->open(os, path, create, &f), MOSS_NOMEM);
    ck_assert_ptr_null(f);
    fail_alloc_nth(1);
    assert_status(os->ops->lock(os, path, &f), MOSS_NOMEM);
    assert_ok(os->ops->lock(os, path, &f)); /* the failed one is released */
    f->ops->close(f);
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

START_TEST(clocks_and_chance_go_on)
{
    uint64_t before = os->ops->monotonic_ns(os);
    uint8_t a[300] = { 0 }, b[300] = { 0 };

    ck_assert_uint_ge(os->ops->monotonic_ns(os), before);
    ck_assert_uint_gt(os->ops->unix_seconds(os), 1600000000);
    assert_ok(os->ops->random(os, a, sizeof(a)));
    assert_ok(os->ops->random(os, b, sizeof(b)));
    ck_assert_int_ne(memcmp(a, b, sizeof(a)), 0);
}
END_TEST

START_TEST(pages_are_zero_and_aligned)
{
    size_t n = OS_HUGE_PAGE + 4096;
    uint8_t *p = os_pages_map(n);

    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % OS_HUGE_PAGE, 0);
    ck_assert_uint_eq(p[n - 1], 0);
    p[n - 1] = 1;
    os_pages_unmap(p, n);
    ck_assert_ptr_null(os_pages_map(SIZE_MAX - 4095));
}
END_TEST

Suite *
suite_os_posix(void)
{
    Suite *s = suite_create("os_posix");
    TCase *tc = tcase_create("os_posix");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, a_read_past_the_end_is_corrupt);
    tcase_add_test(tc, a_write_out_of_reach_fails);
    tcase_add_test(tc, truncate_sets_the_size);
    tcase_add_test(tc, a_sync_begun_early_changes_nothing);
    tcase_add_test(tc, open_makes_only_what_it_may);
    tcase_add_test(tc, a_file_opened_for_reading_is_not_written);
    tcase_add_test(tc, a_refused_creation_is_readonly);
    tcase_add_test(tc, a_full_device_is_full);
    tcase_add_test(tc, a_short_write_ends_in_its_cause);
    tcase_add_test(tc, a_map_shows_the_file);
    tcase_add_test(tc, a_map_outlives_its_file);
    tcase_add_test(tc, a_map_of_nothing_or_too_much_is_refused);
    tcase_add_test(tc, directories_are_made_listed_and_removed);
    tcase_add_test(tc, names_change_and_go);
    tcase_add_test(tc, identify_tells_files_apart);
    tcase_add_test(tc, a_lock_keeps_out_this_process_too);
    tcase_add_test(tc, a_lock_keeps_out_another_process_until_it_dies);
    tcase_add_test(tc, no_file_becomes_a_standard_stream);
    tcase_add_test(tc, open_without_memory_leaks_nothing);
    tcase_add_test(tc, clocks_and_chance_go_on);
    tcase_add_test(tc, pages_are_zero_and_aligned);
    suite_add_tcase(s, tc);
    return s;
}
