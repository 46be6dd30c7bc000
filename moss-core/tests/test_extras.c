/*
 * Damage of stored bytes: what was written here is noticed when it is read,
 * or does not matter; what Go moss wrote is at least never read outside of.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/coding.h"
#include "base/reaper.h"
#include "moss.h"
#include "store/checksum.h"
#include "store/extras.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/stores.h"

Suite *suite_extras(void);

#define DIR "/store"

static struct mem_os *mem;
static struct moss_os *os;

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

/* ------------------------------------------------------------------ */
/* Reading what may be damaged                                        */
/* ------------------------------------------------------------------ */

/* The content, or the status of the first failure. */
struct content {
    char *text;
    size_t n, cap;
    enum moss_status st;
};

static void
put(struct content *c, const void *bytes, size_t n)
{
    if (c->n + n + 1 > c->cap) {
        c->cap = 2 * (c->n + n + 1);
        c->text = realloc(c->text, c->cap);
        ck_assert_ptr_nonnull(c->text);
    }
    memcpy(c->text + c->n, bytes, n);
    c->n += n;
    c->text[c->n] = '\0';
}

static void read_tree(struct content *c, struct moss_snapshot *snap);

struct child_arg {
    struct content *c;
    struct moss_snapshot *snap;
};

static enum moss_status
read_child(void *arg, struct moss_slice name)
{
    struct child_arg *a = arg;
    struct moss_snapshot *child = NULL;

    a->c->st = moss_snapshot_child(a->snap, name, &child);
    if (a->c->st < 0)
        return a->c->st;
    put(a->c, name.bytes, name.len);
    put(a->c, "{", 1);
    read_tree(a->c, child);
    put(a->c, "}", 1);
    moss_snapshot_unref(child);
    return a->c->st;
}

static void
read_tree(struct content *c, struct moss_snapshot *snap)
{
    struct child_arg a = { c, snap };
    struct moss_iterator *it = NULL;
    struct moss_slice key, value;
    enum moss_status st = moss_snapshot_iterate(snap, NULL, NULL, &it);

    while (st == MOSS_OK && (st = moss_iterator_next(it)) == MOSS_OK) {
        struct moss_value found;

        moss_iterator_current(it, &key, &value);
        put(c, key.bytes, key.len);
        put(c, "=", 1);
        put(c, value.bytes, value.len);
        put(c, " ", 1);
        /* The way by search must not leave the bytes either. */
        if (moss_snapshot_get(snap, key, &found) == MOSS_OK)
            moss_value_release(&found);
    }
    if (it != NULL)
        moss_iterator_free(it);
    if (st == MOSS_DONE)
        st = moss_snapshot_children(snap, read_child, &a);
    if (st < 0)
        c->st = st;
}

static struct content
read_store(const struct moss_store_options *options)
{
    struct content c = { .st = MOSS_OK };
    struct driver d;

    put(&c, "", 0);
    c.st = driver_open(&d, DIR, options);
    if (c.st == MOSS_OK)
        read_tree(&c, d.newest);
    driver_close(&d);
    return c;
}

/* ------------------------------------------------------------------ */
/* Damage                                                             */
/* ------------------------------------------------------------------ */

static void
damage(struct rng *r, uint8_t *bytes, size_t *n)
{
    size_t pages = *n / 4096;
    size_t a = 4096 * (size_t)rng_below(r, pages);
    size_t b = 4096 * (size_t)rng_below(r, pages);

    switch (rng_below(r, 6)) {
    case 0:
        *n = (size_t)rng_below(r, *n);
        break;
    case 1:
        memset(bytes + a, 0, 4096);
        break;
    case 2:
        memcpy(bytes + a, bytes + b, 4096);
        break;
    case 3: /* one sector of 512 bytes comes from elsewhere */
        memcpy(bytes + a + 512 * rng_below(r, 8), bytes + b, 512);
        break;
    default:
        for (uint64_t k = rng_below(r, 4) + 1; k > 0; k--)
            bytes[rng_below(r, *n)] ^= (uint8_t)(1u << rng_below(r, 8));
        break;
    }
}

/* Is text the state after one of the updates? */
static bool
is_a_state(const char *text, char *const *states, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, states[i]) == 0)
            return true;
    }
    return false;
}

enum { N_UPDATES = 6, N_ROUNDS = 2000 };

/* Make a store of several segments, and remember each state of it. */
static void
make_states(char *states[N_UPDATES + 1])
{
    struct moss_store_options o = { .os = os };
    struct driver d;
    char text[4096];

    assert_ok(driver_open(&d, DIR, &o));
    for (int i = 0; i <= N_UPDATES; i++) {
        struct content c = { .st = MOSS_OK };
        int n = 0, entries = 40 - 6 * i;

        put(&c, "", 0);
        read_tree(&c, d.newest);
        states[i] = c.text;
        for (int k = 0; k < entries; k++)
            n += snprintf(text + n, sizeof text - (size_t)n, "k%d_%d=%d ",
                          k % 7, k * 13 % 50, i * k);
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "-k0_0 kid{x%d=%d -x1 deep{y=%d}}", i, i, i);
        if (i < N_UPDATES)
            assert_ok(driver_apply(&d, text));
    }
    driver_close(&d);
}

static uint8_t *
read_data(char **path, size_t *n)
{
    struct moss_store_options o = { .os = os, .readonly = true };
    struct driver d;

    assert_ok(driver_open(&d, DIR, &o));
    *path = driver_data_path(&d);
    driver_close(&d);
    return file_read_all(os, *path, n);
}

START_TEST(damage_is_noticed_or_harmless)
{
    char *states[N_UPDATES + 1], *path;
    size_t n, noticed = 0, newest = 0;
    uint8_t *bytes, *copy;
    struct rng r;

    make_states(states);
    bytes = read_data(&path, &n);
    copy = malloc(n);
    rng_init(&r, test_seed(20240607) + (uint64_t)_i);
    for (int round = 0; round < test_rounds(N_ROUNDS); round++) {
        struct moss_store_options o = { .os = os,
                                        .readonly = true,
                                        .no_mmap = _i == 1 };
        size_t len = n;
        struct content c;

        memcpy(copy, bytes, n);
        damage(&r, copy, &len);
        file_write_all(os, path, copy, len);
        c = read_store(&o);
        if (c.st < 0)
            noticed++;
        else
            ck_assert_msg(is_a_state(c.text, states, N_UPDATES + 1),
                          "round %d reads %s", round, c.text);
        newest += c.st == MOSS_OK && strcmp(c.text, states[N_UPDATES]) == 0;
        free(c.text);
    }
    /* Both happen, and often. */
    ck_assert_uint_gt(noticed, (size_t)test_rounds(N_ROUNDS) / 20);
    ck_assert_uint_gt(newest, (size_t)test_rounds(N_ROUNDS) / 10);
    for (int i = 0; i <= N_UPDATES; i++)
        free(states[i]);
    free(copy);
    free(bytes);
    free(path);
}
END_TEST

START_TEST(damaged_stores_of_go_do_not_crash_a_reader)
{
    static const char *const names[] = { "children", "compacted", "merge",
                                         "partial" };
    struct moss_store_options o = { .os = os,
                                    .merge = &merge_add,
                                    .readonly = true };
    char from[128], *path;
    uint8_t *bytes, *copy;
    size_t n;
    struct rng r;

    (void)snprintf(from, sizeof from, "moss-core/tests/fixtures/%s", names[_i]);
    dir_copy(moss_os_posix(), from, os, DIR);
    bytes = read_data(&path, &n);
    copy = malloc(n);
    rng_init(&r, test_seed(99) + (uint64_t)_i);
    for (int round = 0; round < test_rounds(300); round++) {
        size_t len = n;

        memcpy(copy, bytes, n);
        damage(&r, copy, &len);
        file_write_all(os, path, copy, len);
        free(read_store(&o).text);
    }
    free(copy);
    free(bytes);
    free(path);
}
END_TEST

/* The content without what the update added; was it there? */
static bool
take_out(char *text, const char *added)
{
    char *at = strstr(text, added);

    if (at != NULL)
        memmove(at, at + strlen(added), strlen(at + strlen(added)) + 1);
    return at != NULL;
}

/*
 * What is damaged is refused, or takes an update: then the update is there,
 * and the rest is a state that was, or still says that it is damaged.
 */
START_TEST(damaged_store_hides_nothing_when_it_is_updated)
{
    char *states[N_UPDATES + 1], *path;
    struct rng r;
    uint8_t *bytes, *copy;
    size_t n, refused = 0, told = 0, whole = 0;

    make_states(states);
    bytes = read_data(&path, &n);
    copy = malloc(n);
    rng_init(&r, test_seed(5));
    for (int round = 0; round < 300; round++) {
        struct mem_os *m = mem_os_new();
        struct moss_store_options o = { .os = mem_os_base(m),
                                        .compaction = MOSS_COMPACTION_FORCE };
        size_t len = n;
        struct driver d;
        bool updated;

        memcpy(copy, bytes, n);
        damage(&r, copy, &len);
        assert_ok(o.os->ops->mkdir(o.os, DIR));
        file_write_all(o.os, path, copy, len);
        updated = driver_open(&d, DIR, &o) == MOSS_OK &&
                  driver_apply(&d, "new=1") == MOSS_OK;
        if (!updated) {
            ck_assert_int_ne(d.err.status, MOSS_OK);
            refused++;
        }
        driver_close(&d);
        if (updated) {
            struct content c = read_store(&o);

            told += c.st < 0;
            whole += c.st == MOSS_OK;
            ck_assert(c.st < 0 || take_out(c.text, "new=1 "));
            ck_assert(c.st < 0 || is_a_state(c.text, states, N_UPDATES + 1));
            free(c.text);
        }
        reaper_drain();
        mem_os_free(m);
    }
    ck_assert_uint_gt(refused, 0);
    ck_assert_uint_gt(told, 10);
    ck_assert_uint_gt(whole, 10);
    for (int i = 0; i <= N_UPDATES; i++)
        free(states[i]);
    free(copy);
    free(bytes);
    free(path);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Where the extras are                                               */
/* ------------------------------------------------------------------ */

START_TEST(header_is_of_one_place_in_one_file)
{
    struct segment_loc loc = { .kvs_off = 4096,
                               .kvs_bytes = 160,
                               .buf_off = 8192,
                               .buf_bytes = 77,
                               .n_set = 10,
                               .has_extras = true };
    static const struct extras_index none = { 0, 0 };
    uint8_t header[EXTRAS_HEADER_INDEX];

    ck_assert_uint_eq(extras_encode(&loc, &none, 5, header), 88);
    ck_assert(extras_match(&loc, 5, header, 88, NULL));
    ck_assert(!extras_match(&loc, 5, header, 87, NULL));
    ck_assert(!extras_match(&loc, 6, header, 88, NULL));
    for (size_t i = 0; i < EXTRAS_HEADER; i++) {
        header[i] ^= 1;
        ck_assert_msg(!extras_match(&loc, 5, header, 88, NULL), "byte %zu", i);
        header[i] ^= 1;
    }
    loc.kvs_off += 4096;
    loc.buf_off += 4096;
    ck_assert(!extras_match(&loc, 5, header, 88, NULL));
}
END_TEST

START_TEST(sections_of_later_versions_are_passed_over)
{
    struct segment_loc loc = { .kvs_off = 4096,
                               .kvs_bytes = 160,
                               .buf_off = 8192,
                               .buf_bytes = 77,
                               .n_set = 10,
                               .has_extras = true };
    static const struct extras_index none = { 0, 0 };
    uint8_t header[EXTRAS_HEADER_INDEX];

    ck_assert_uint_eq(extras_encode(&loc, &none, 5, header), 88);
    /* Another section before ours. */
    memmove(header + 80, header + 56, 24);
    memset(header + 56, 7, 24);
    store_le32(header + 48, sizeof header);
    store_le32(header + 52, 2);
    store_le64(header + 104, checksum64(header, 104, 5));
    ck_assert(extras_match(&loc, 5, header, sizeof header, NULL));
    ck_assert(!extras_match(&loc, 5, header, sizeof header - 1, NULL));
    /* Ours is missing. */
    memset(header + 80, 7, 24);
    store_le64(header + 104, checksum64(header, 104, 5));
    ck_assert(!extras_match(&loc, 5, header, sizeof header, NULL));
}
END_TEST

START_TEST(an_index_must_lie_between_the_arrays)
{
    struct segment_loc loc = { .kvs_off = 4096,
                               .kvs_bytes = 160,
                               .buf_off = 4096 * 4,
                               .buf_bytes = 77,
                               .n_set = 10,
                               .has_extras = true };
    uint64_t size = extras_index_bytes(10);
    const struct {
        struct extras_index index;
        bool good;
    } cases[] = {
        { { 8192, size }, true },
        { { 12288, size }, true },
        { { 16384, size }, false },
        { { 4096, size }, false },
        { { 8192 + 64, size }, false },
        { { 8192, size + 4 }, false },
        { { 8192, size - 4 }, false },
        { { UINT64_MAX - 4095, size }, false },
        { { 12288, UINT64_MAX }, false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t header[EXTRAS_HEADER_INDEX];
        struct extras_index found;

        ck_assert_uint_eq(extras_encode(&loc, &cases[i].index, 5, header), 112);
        ck_assert(extras_match(&loc, 5, header, 112, &found));
        ck_assert_uint_eq(found.bytes, cases[i].good ? size : 0);
        ck_assert_uint_eq(found.off, cases[i].good ? cases[i].index.off : 0);
    }
}
END_TEST

START_TEST(segment_of_ours_below_a_footer_of_go_is_still_checked)
{
    struct moss_store_options o = { .os = os };
    struct content c;
    struct driver d;
    char *path, text[512];
    uint8_t *bytes;
    size_t n, end, ours, at, len;

    store_make(os, DIR, "a=1");
    assert_ok(driver_open(&d, DIR, &o));
    path = driver_data_path(&d);
    driver_close(&d);
    bytes = file_read_all(os, path, &end);
    /* The footer as Go writes it again: without what it does not know. */
    ours = (end - 1) / 4096 * 4096;
    at = ours + 4096;
    len = (size_t)(strstr((char *)bytes + ours + 20, ",\"PrevFooter") -
                   ((char *)bytes + ours + 20));
    n = (size_t)snprintf(text, sizeof text,
                         "%.*s,\"PrevFooterOffset\":%zu,\"ChildFooters\":null}",
                         (int)len, (char *)bytes + ours + 20, ours);
    bytes = realloc(bytes, at + n + 44);
    memset(bytes + end, 0, at - end);
    memcpy(bytes + at, "0m1o2s0m1o2s", 12);
    store_le32(bytes + at + 12, 4);
    store_le32(bytes + at + 16, (uint32_t)n + 44);
    memcpy(bytes + at + 20, text, n);
    store_le64(bytes + at + 20 + n, at);
    store_le32(bytes + at + 28 + n, (uint32_t)n + 44);
    memcpy(bytes + at + 32 + n, "3s4p5s3s4p5s", 12);
    file_write_all(os, path, bytes, at + n + 44);
    c = read_store(&o);
    ck_assert_str_eq(c.text, "a=1 ");
    assert_ok(c.st);
    free(c.text);
    /* The value of a, in the first segment's bytes. */
    at = 4096;
    while (memcmp(bytes + at, "a1", 2) != 0)
        at += 4096;
    bytes[at + 1] = '2';
    file_write_all(os, path, bytes, ours + 4096 + n + 44);
    c = read_store(&o);
    assert_status(c.st, MOSS_CORRUPT);
    free(c.text);
    free(bytes);
    free(path);
}
END_TEST

START_TEST(extras_need_room)
{
    struct segment_loc loc = { .kvs_off = 4096,
                               .kvs_bytes = 4096 - 80,
                               .buf_off = 8192,
                               .buf_bytes = 0,
                               .n_set = 251,
                               .has_extras = true };

    ck_assert(!loc_is_sound(&loc, 12288));
    loc.has_extras = false;
    ck_assert(loc_is_sound(&loc, 12288));
    loc.has_extras = true;
    loc.buf_off = 12288;
    ck_assert_uint_eq(loc_end(&loc), 12288 + 4);
    ck_assert(loc_is_sound(&loc, 12292));
    ck_assert(!loc_is_sound(&loc, 12291));
}
END_TEST

Suite *
suite_extras(void)
{
    Suite *s = suite_create("extras");
    TCase *tc = tcase_create("extras");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, damage_is_noticed_or_harmless, 0, 2);
    tcase_add_loop_test(tc, damaged_stores_of_go_do_not_crash_a_reader, 0, 4);
    tcase_add_test(tc, damaged_store_hides_nothing_when_it_is_updated);
    tcase_add_test(tc, header_is_of_one_place_in_one_file);
    tcase_add_test(tc, sections_of_later_versions_are_passed_over);
    tcase_add_test(tc, an_index_must_lie_between_the_arrays);
    tcase_add_test(tc, segment_of_ours_below_a_footer_of_go_is_still_checked);
    tcase_add_test(tc, extras_need_room);
    suite_add_tcase(s, tc);
    return s;
}
