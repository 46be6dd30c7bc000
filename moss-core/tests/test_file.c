/* Files, mappings and the names in a store's directory. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "store/datafile.h"
#include "store/lockfile.h"
#include "store/mapping.h"
#include "support/mem_os.h"
#include "support/fixture.h"

Suite *suite_file(void);

static struct mem_os *mem;
static struct moss_os *os;
static struct moss_error err;

static void
setup(void)
{
    mem = mem_os_new();
    os = mem_os_base(mem);
}

static void
teardown(void)
{
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
}

static struct file *
open_with_bytes(size_t n)
{
    uint8_t *bytes = malloc(n);
    struct file *file = NULL;

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i / 4096 + i);
    file_write_all(os, "/f", bytes, n);
    free(bytes);
    assert_ok(file_open(os, "/f", MOSS_OPEN_WRITE, &file, &err));
    return file;
}

START_TEST(errors_name_the_file_and_the_place)
{
    struct file *file = NULL;
    uint8_t byte;

    assert_status(file_open(os, "/nothing", MOSS_OPEN_READ, &file, &err),
                  MOSS_CANTOPEN);
    ck_assert_ptr_null(file);
    ck_assert_str_eq(err.path, "/nothing");
    ck_assert_str_eq(err.what, "open");
    ck_assert_int_eq(err.sys_errno, ENOENT);
    file = open_with_bytes(10);
    assert_status(file_read(file, 10, &byte, 1, &err), MOSS_CORRUPT);
    ck_assert_str_eq(err.path, "/f");
    ck_assert_uint_eq(err.offset, 10);
    /* Nobody has to want to know. */
    assert_status(file_read(file, 10, &byte, 1, NULL), MOSS_CORRUPT);
    file_unref(file);
    file_unref(NULL);
}
END_TEST

START_TEST(file_is_closed_with_its_last_reference)
{
    struct file *file = open_with_bytes(10);

    file->removed = _i == 1;
    (void)file_ref(file);
    file_unref(file);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 1);
    file_unref(file);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
}
END_TEST

START_TEST(mapping_has_the_files_bytes_and_keeps_it_open)
{
    static const size_t sizes[] = { 4096 + 1, (size_t)3 << 20 };
    size_t n = sizes[_i / 2], wrong = 0;
    struct file *file = open_with_bytes(n);
    struct mapping *map = NULL;

    assert_ok(mapping_new(file, 4096, n - 4096, _i % 2 == 1, &map, &err));
    file_unref(file);
    ck_assert_uint_eq(mem_os_open_files(mem), 1);
    for (size_t i = 4096; i < n; i++)
        wrong += map->bytes[i - 4096] != (uint8_t)(i / 4096 + i);
    ck_assert_uint_eq(wrong, 0);
    ck_assert_ptr_eq(mapping_ref(map), map);
    mapping_unref(map);
    mapping_unref(map);
    mapping_unref(NULL);
}
END_TEST

START_TEST(names_are_made_and_found)
{
    struct datafile_list list;
    char name[DATAFILE_NAME];

    static const char *const all[] = {
        "data-0000000000000002.moss", "data-000000000000000a.moss",
        "data-00000000000000ff.moss", "moss-temporary-0000000000000100",
        "moss-damaged-0000000000000200",
        /* None of ours. */
        "data-000000000000000B.moss", "data-0.moss",
        "data-0000000000000003.moss2", "data-00000000000000003.moss",
        "data- 000000000000003.moss", "moss-temporary-1", "readme"
    };

    assert_ok(os->ops->mkdir(os, "/d"));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char *path = path_join("/d", all[i]);

        file_write_all(os, path, "", 0);
        free(path);
    }
    assert_ok(datafile_scan(os, "/d", &list, &err));
    ck_assert_uint_eq(list.n_data, 3);
    ck_assert_uint_eq(list.data[0], 255);
    ck_assert_uint_eq(list.data[1], 10);
    ck_assert_uint_eq(list.data[2], 2);
    ck_assert_uint_eq(list.n_temp, 1);
    ck_assert_uint_eq(list.highest, 0x200);
    datafile_list_release(&list);
    datafile_name(255, name);
    ck_assert_str_eq(name, all[2]);
    assert_status(datafile_scan(os, "/none", &list, &err), MOSS_CANTOPEN);
}
END_TEST

/* Go moss reads the characters 5 to length - 5 of any name as a number. */
static bool
go_takes_for_a_number(const char *name)
{
    size_t n = strlen(name);

    ck_assert_uint_ge(n, 10);
    for (size_t i = 5; i < n - 5; i++) {
        if (strchr("0123456789abcdefABCDEF", name[i]) == NULL)
            return false;
    }
    return true;
}

START_TEST(other_names_mean_nothing_to_go)
{
    char name[DATAFILE_NAME];

    datafile_name(7, name);
    ck_assert(go_takes_for_a_number(name));
    datafile_temp_name(7, name);
    ck_assert(!go_takes_for_a_number(name));
    datafile_damaged_name(7, name);
    ck_assert(!go_takes_for_a_number(name));
    ck_assert(!go_takes_for_a_number(LOCKFILE_NAME));
}
END_TEST

START_TEST(lock_counts_its_generations_on)
{
    static const uint8_t id[16] = { 1, 2, 3 };
    struct lockfile *lock = NULL, *other = NULL;
    uint8_t *page;
    size_t n;

    assert_ok(os->ops->mkdir(os, "/d"));
    for (int i = 0; i < 3; i++) {
        assert_ok(lockfile_take(os, "/d", &lock, &err));
        assert_status(lockfile_take(os, "/d", &other, &err), MOSS_BUSY);
        ck_assert_ptr_null(other);
        assert_ok(lockfile_note(lock, id, 5, 8192, &err));
        lockfile_release(lock);
    }
    page = file_read_all(os, "/d/" LOCKFILE_NAME, &n);
    ck_assert_uint_eq(n, 48);
    ck_assert_mem_eq(page,
                     "mosslck1\1\2\3\0\0\0\0\0\0\0\0\0\0\0\0\0"
                     "\3\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\x20\0\0\0\0\0\0",
                     48);
    free(page);
}
END_TEST

Suite *
suite_file(void)
{
    Suite *s = suite_create("file");
    TCase *tc = tcase_create("file");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, errors_name_the_file_and_the_place);
    tcase_add_loop_test(tc, file_is_closed_with_its_last_reference, 0, 2);
    tcase_add_loop_test(tc, mapping_has_the_files_bytes_and_keeps_it_open, 0,
                        4);
    tcase_add_test(tc, names_are_made_and_found);
    tcase_add_test(tc, other_names_mean_nothing_to_go);
    tcase_add_test(tc, lock_counts_its_generations_on);
    suite_add_tcase(s, tc);
    return s;
}
