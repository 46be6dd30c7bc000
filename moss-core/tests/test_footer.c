/* Footers: what is written, what is taken for one, and what is not. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/coding.h"
#include "base/mem.h"
#include "store/footer.h"
#include "support/mem_os.h"
#include "support/stores.h"

Suite *suite_footer(void);

#define PATH "/data"
#define NONCE 77u

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
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
}

/* A footer of ours at off, with one child and one segment. */
static struct footer *
make_footer(uint64_t off, uint64_t prev)
{
    static const struct segment_loc loc = { .kvs_off = 4096,
                                            .kvs_bytes = 32,
                                            .buf_off = 8192,
                                            .buf_bytes = 10,
                                            .n_set = 2,
                                            .key_bytes = 4,
                                            .value_bytes = 6,
                                            .has_extras = true };
    struct footer *f = footer_new();

    f->off = off;
    f->prev = prev;
    f->is_ours = true;
    f->tag = (struct moss_tag){ UINT64_MAX, 0x8000000000000001u };
    f->time = 1700000000;
    assert_ok(footer_make_children(&f->top, 1));
    assert_ok(footer_set_name(&f->top.children[0], moss_str("<\xc3\xa9>")));
    f->top.children[0].locs = mem_dup(&loc, sizeof loc);
    f->top.children[0].n_locs = 1;
    assert_ok(footer_index(f));
    return f;
}

/* The bytes of a file: zeros, and these at off. */
static void
write_at(uint64_t off, const void *bytes, size_t n)
{
    uint8_t *all = calloc(1, off + n);

    memcpy(all + off, bytes, n);
    file_write_all(os, PATH, all, off + n);
    free(all);
}

static enum moss_status
read_it(uint64_t off, const uint64_t *nonce, struct footer **out)
{
    struct file *file = NULL;
    uint64_t size;
    enum moss_status st;

    assert_ok(file_open(os, PATH, MOSS_OPEN_READ, &file, NULL));
    assert_ok(file_size(file, &size, NULL));
    st = off == 0 ? footer_scan(file, size, nonce, out, NULL)
                  : footer_read(file, size, off, nonce, out, NULL);
    file_unref(file);
    return st;
}

/* A whole footer around a text, at off. */
static void
write_text(uint64_t off, const char *text)
{
    size_t n = strlen(text) + 44;
    uint8_t *b = calloc(1, n);

    memcpy(b, "0m1o2s0m1o2s", 12);
    store_le32(b + 12, 4);
    store_le32(b + 16, (uint32_t)n);
    memcpy(b + 20, text, strlen(text));
    store_le64(b + n - 24, off);
    store_le32(b + n - 16, (uint32_t)n);
    memcpy(b + n - 12, "3s4p5s3s4p5s", 12);
    write_at(off, b, n);
    free(b);
}

static enum moss_status
read_text(const char *text)
{
    struct footer *f = NULL;
    enum moss_status st;

    write_text(16384, text);
    st = read_it(16384, NULL, &f);
    footer_free(f);
    return st;
}

START_TEST(footer_reads_as_it_was_written)
{
    const uint64_t nonce = NONCE;
    struct footer *f = make_footer(16384, 4096), *g = NULL;
    const struct footer_coll *kid;
    struct buf b;

    buf_init(&b);
    assert_ok(footer_encode(f, NONCE, &b));
    ck_assert_uint_eq(f->length, b.len);
    write_at(16384, b.bytes, b.len);
    assert_ok(read_it(0, &nonce, &g));
    ck_assert_uint_eq(g->off, 16384);
    ck_assert_uint_eq(g->prev, 4096);
    ck_assert_uint_eq(g->length, f->length);
    ck_assert(moss_tag_equal(g->tag, f->tag));
    ck_assert_uint_eq(g->time, 1700000000);
    kid = footer_child(&g->top, moss_str("<\xc3\xa9>"));
    ck_assert_ptr_nonnull(kid);
    ck_assert_uint_eq(kid->index, 1);
    ck_assert_uint_eq(kid->locs[0].buf_bytes, 10);
    ck_assert(kid->locs[0].has_extras);
    ck_assert_ptr_null(footer_child(&g->top, moss_str("x")));
    footer_free(f);
    footer_free(g);
    buf_release(&b);
}
END_TEST

START_TEST(first_footer_of_a_file_names_the_one_before)
{
    const uint64_t nonce = NONCE;
    static const char want[] = ",\"plain\":[],\"file\":\"8000000000000002\","
                               "\"footer\":20480}}";
    struct footer *f = make_footer(16384, 0), *g = NULL;
    struct buf b;

    f->older_file = 0x8000000000000002u;
    f->older_off = 20480;
    buf_init(&b);
    assert_ok(footer_encode(f, NONCE, &b));
    ck_assert_mem_eq(b.bytes + b.len - 32 - strlen(want), want, strlen(want));
    write_at(16384, b.bytes, b.len);
    assert_ok(read_it(0, &nonce, &g));
    ck_assert_uint_eq(g->older_file, 0x8000000000000002u);
    ck_assert_uint_eq(g->older_off, 20480);
    footer_free(g);
    /* Not where there is one before in the same file. */
    f->prev = 4096;
    buf_clear(&b);
    assert_ok(footer_encode(f, NONCE, &b));
    write_at(16384, b.bytes, b.len);
    assert_status(read_it(0, &nonce, &g), MOSS_CORRUPT);
    footer_free(f);
    buf_release(&b);
}
END_TEST

START_TEST(footer_is_written_as_go_writes_it)
{
    /* An empty top level gets a segment: Go moss could not go on else. */
    static const char want[] =
        "{\"SegmentLocs\":[{\"Kind\":\"a\",\"KvsOffset\":4096,\"KvsBytes\":0,"
        "\"BufOffset\":8192,\"BufBytes\":0,\"TotOpsSet\":0,\"TotOpsDel\":0,"
        "\"TotKeyByte\":0,\"TotValByte\":0}],\"PrevFooterOffset\":12288,"
        "\"ChildFooters\":{\"\\u003c\xc3\xa9\\u003e\":{\"SegmentLocs\":["
        "{\"Kind\":\"a\",\"KvsOffset\":4096,\"KvsBytes\":32,"
        "\"BufOffset\":8192,\"BufBytes\":10,\"TotOpsSet\":2,\"TotOpsDel\":0,"
        "\"TotKeyByte\":4,\"TotValByte\":6}],\"PrevFooterOffset\":0,"
        "\"ChildFooters\":null}},\"Ext\":{\"n\":\"ffffffffffffffff\","
        "\"id\":\"8000000000000001\",\"time\":1700000000,\"colls\":2,"
        "\"segs\":1,\"bytes\":42,\"plain\":[]}}";
    struct footer *f = make_footer(16384, 12288);
    struct buf b;
    size_t n = strlen(want) + 44;

    buf_init(&b);
    assert_ok(footer_encode(f, NONCE, &b));
    ck_assert_uint_eq(b.len, n + 8);
    ck_assert_mem_eq(b.bytes, "0m1o2s0m1o2s\4\0\0\0", 16);
    ck_assert_uint_eq(load_le32(b.bytes + 16), n);
    ck_assert_mem_eq(b.bytes + 20, want, strlen(want));
    ck_assert_uint_eq(load_le64(b.bytes + n - 24), 16384);
    ck_assert_uint_eq(load_le32(b.bytes + n - 16), n);
    ck_assert_mem_eq(b.bytes + n - 12, "3s4p5s3s4p5s", 12);
    buf_release(&b);
    footer_free(f);
}
END_TEST

START_TEST(every_changed_byte_of_a_footer_is_noticed)
{
    const uint64_t nonce = NONCE, other = NONCE + 1;
    struct footer *f = make_footer(16384, 0), *g = NULL;
    struct buf b;

    buf_init(&b);
    assert_ok(footer_encode(f, NONCE, &b));
    for (size_t i = 0; i < b.len; i++) {
        b.bytes[i] ^= (uint8_t)(1u << (i % 8));
        write_at(16384, b.bytes, b.len);
        ck_assert_msg(read_it(0, &nonce, &g) == MOSS_CORRUPT, "byte %zu", i);
        b.bytes[i] ^= (uint8_t)(1u << (i % 8));
    }
    write_at(16384, b.bytes, b.len);
    assert_status(read_it(0, &other, &g), MOSS_CORRUPT);
    assert_status(read_it(0, NULL, &g), MOSS_CORRUPT);
    write_at(16384, b.bytes, b.len - 1);
    assert_status(read_it(0, &nonce, &g), MOSS_CORRUPT);
    footer_free(f);
    buf_release(&b);
}
END_TEST

START_TEST(our_footer_without_its_checksum_is_none)
{
    /* Text that has our field, framed as a user's value might be. */
    assert_status(
        read_text("{\"SegmentLocs\":[],\"PrevFooterOffset\":0,"
                  "\"ChildFooters\":null,\"Ext\":{\"n\":\"0000000000000001\","
                  "\"id\":\"0000000000000001\",\"time\":0,\"colls\":1,"
                  "\"segs\":0,\"bytes\":0,\"plain\":[]}}"),
        MOSS_CORRUPT);
}
END_TEST

#define LOC(kvs, nkvs, buf, nbuf)                                              \
    "{\"Kind\":\"a\",\"KvsOffset\":" #kvs ",\"KvsBytes\":" #nkvs               \
    ",\"BufOffset\":" #buf ",\"BufBytes\":" #nbuf                              \
    ",\"TotOpsSet\":1,\"TotOpsDel\":0,\"TotKeyByte\":1,\"TotValByte\":1}"
#define FOOTER(locs, prev, children)                                           \
    "{\"SegmentLocs\":" locs ",\"PrevFooterOffset\":" prev                     \
    ",\"ChildFooters\":" children "}"
#define PLAIN FOOTER("[" LOC(4096, 16, 8192, 2) "]", "0", "null")

START_TEST(footers_of_go_are_read)
{
    static const char *const texts[] = {
        PLAIN,
        FOOTER("null", "0", "null"),
        FOOTER("[]", "0", "{}"),
        "{\"PrevFooterOffset\":0}",
        "{\"SegmentLocs\":[],\"PrevFooterOffset\":0}",
        FOOTER("[]", "0",
               "{\"a\":" FOOTER("[]", "0", "{\"b\":" PLAIN "}") ",\"b\":" PLAIN
                                                                "}"),
        /* An empty segment may lie anywhere. */
        FOOTER("[{\"Kind\":\"a\",\"KvsOffset\":999999,\"KvsBytes\":0,"
               "\"BufOffset\":1,\"BufBytes\":0,\"TotOpsSet\":0,\"TotOpsDel\":0,"
               "\"TotKeyByte\":0,\"TotValByte\":0}]",
               "0", "null"),
        /* Names that Go replaced something in are sorted by what they were. */
        FOOTER("[]", "0",
               "{\"\xf0\x9f\x98\x80\":" PLAIN ",\"\\ufffd\":" PLAIN "}"),
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(read_text(texts[i]) == MOSS_OK, "%s", texts[i]);
}
END_TEST

START_TEST(texts_that_go_does_not_write_are_none)
{
    static const char *const texts[] = {
        "",
        "{}",
        "null",
        " " PLAIN,
        PLAIN " ",
        PLAIN PLAIN,
        "{\"SegmentLocs\":[]\"PrevFooterOffset\":0}",
        "{\"segmentLocs\":[],\"PrevFooterOffset\":0}",
        "{\"SegmentLocs\":[],\"SegmentLocs\":[],\"PrevFooterOffset\":0}",
        "{\"PrevFooterOffset\":0,\"SegmentLocs\":[]}",
        FOOTER("[,]", "0", "null"),
        FOOTER("[" LOC(4096, 16, 8192, 2) ",]", "0", "null"),
        FOOTER("[]", "00", "null"),
        FOOTER("[]", "-1", "null"),
        FOOTER("[]", "1.0", "null"),
        FOOTER("[]", "0", "{\"a\":null}"),
        FOOTER("[]", "0", "{\"\":" PLAIN "}"),
        FOOTER("[]", "0", "{\"b\":" PLAIN ",\"a\":" PLAIN "}"),
        FOOTER("[]", "0", "{\"a\":" PLAIN ",\"a\":" PLAIN "}"),
        FOOTER("[]", "0", "{\"\\ufffd\":" PLAIN ",\"\\ufffd\":" PLAIN "}"),
        /* Places that cannot be. */
        FOOTER("[" LOC(0, 16, 8192, 2) "]", "0", "null"),
        FOOTER("[" LOC(4097, 16, 8192, 2) "]", "0", "null"),
        FOOTER("[" LOC(4096, 17, 8192, 2) "]", "0", "null"),
        FOOTER("[" LOC(4096, 16, 4096, 2) "]", "0", "null"),
        FOOTER("[" LOC(8192, 16, 4096, 2) "]", "0", "null"),
        FOOTER("[" LOC(4096, 16, 8192, 8193) "]", "0", "null"),
        FOOTER("[" LOC(4096, 16, 8192, 18446744073709551615) "]", "0", "null"),
        FOOTER("[" LOC(4096, 18446744073709551600, 8192, 2) "]", "0", "null"),
        FOOTER("[" LOC(4096, 16, 20480, 2) "]", "0", "null"),
        /* One set, in no room for it; more bytes than there are. */
        FOOTER("[" LOC(4096, 16, 8192, 1) "]", "0", "null"),
        /* An older footer that is not there, or is not older. */
        FOOTER("[]", "4096", "null"),
        FOOTER("[]", "16384", "null"),
        FOOTER("[]", "20480", "null"),
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(read_text(texts[i]) == MOSS_CORRUPT, "%s", texts[i]);
}
END_TEST

START_TEST(deep_nesting_is_bounded)
{
    enum { LEVELS = 5000 };
    static const char open[] =
        "{\"PrevFooterOffset\":0,\"ChildFooters\":{\"a\":";
    static const char last[] = "{\"PrevFooterOffset\":0}";
    size_t n = sizeof open - 1;
    char *text = malloc(LEVELS * (n + 2) + sizeof last);
    struct footer *f = footer_new();
    struct buf b;

    for (int levels = 1; levels <= LEVELS; levels *= 70) {
        char *p = text;

        for (int i = 0; i < levels; i++, p += n)
            memcpy(p, open, n);
        p += sprintf(p, "%s", last);
        for (int i = 0; i < levels; i++)
            p += sprintf(p, "}}");
        assert_status(read_text(text), levels < 64 ? MOSS_OK : MOSS_CORRUPT);
    }
    free(text);
    /* Nor is it written. */
    {
        struct footer_coll *coll = &f->top;

        for (int i = 0; i < FOOTER_MAX_DEPTH + 1; i++) {
            assert_ok(footer_make_children(coll, 1));
            coll = &coll->children[0];
            assert_ok(footer_set_name(coll, moss_str("a")));
        }
        assert_ok(footer_index(f));
        buf_init(&b);
        assert_status(footer_encode(f, NONCE, &b), MOSS_TOO_BIG);
        buf_release(&b);
        footer_free(f);
    }
}
END_TEST

/*
 * A user's value with the bytes of a footer, in such a place that they begin
 * on a page: with the true last footer gone, it must not be taken for one.
 */
START_TEST(value_that_looks_like_a_footer_is_none)
{
    static const char *const texts[] = {
        /* One of ours, in all but the nonce. */
        "{\"SegmentLocs\":[],\"PrevFooterOffset\":0,\"ChildFooters\":null,"
        "\"Ext\":{\"n\":\"00000000000000ff\",\"id\":\"0000000000000001\","
        "\"time\":0,\"colls\":1,\"segs\":0,\"bytes\":0,\"plain\":[]}}",
        /* One of Go's that names what lies above it. */
        FOOTER("[" LOC(4096, 16, 65536, 2) "]", "0", "null"),
        /* One of Go's that names an older one that is none. */
        FOOTER("[]", "8192", "null"),
    };
    struct moss_store_options o = { .os = os };
    struct driver d;
    struct moss_batch *batch = NULL;
    uint8_t *value = NULL, *all;
    size_t n, size, off;
    char *path;
    int copies = 0;

    assert_ok(driver_open(&d, "/store", &o));
    assert_ok(driver_apply(&d, "a=1"));
    write_text(0, texts[_i]);
    value = file_read_all(os, PATH, &n);
    assert_ok(moss_batch_new(0, 0, &batch));
    {
        uint8_t *big = calloc(1, 3 * 4096);

        /* Before it stand "a1" and its own key. */
        for (size_t at = 4096 - 7; at + n <= 3 * 4096; at += 4096)
            memcpy(big + at, value, n);
        assert_ok(moss_batch_set(batch, moss_str("value"),
                                 moss_slice(big, 3 * 4096)));
        free(big);
    }
    assert_ok(driver_apply_batch(&d, batch, (struct moss_tag){ 2, 200 }));
    moss_batch_free(batch);
    path = driver_data_path(&d);
    driver_close(&d);
    all = file_read_all(os, path, &size);
    off = (size - 1) / 4096 * 4096;
    ck_assert_mem_eq(all + off, "0m1o2s", 6);
    memset(all + off, 0, size - off);
    /* Say the right place in the copy, as a value that knows it would. */
    for (size_t at = 4096; at < off; at += 4096) {
        if (memcmp(all + at + 20, texts[_i], n - 44) == 0) {
            store_le64(all + at + n - 24, at);
            copies++;
        }
    }
    ck_assert_int_eq(copies, 2);
    file_write_all(os, path, all, size);
    assert_ok(driver_open(&d, "/store", &o));
    assert_tree(d.newest, "a=1");
    driver_close(&d);
    free(path);
    free(all);
    free(value);
}
END_TEST

START_TEST(tag_of_a_footer_that_go_appended_is_the_one_before)
{
    struct moss_store_options o = { .os = os };
    struct driver d;
    char text[128], *path;
    uint8_t *bytes, *go;
    size_t n, size, ours, at;

    assert_ok(driver_open(&d, "/store", &o));
    assert_ok(driver_apply(&d, "a=1"));
    path = driver_data_path(&d);
    driver_close(&d);
    bytes = file_read_all(os, path, &size);
    ours = (size - 1) / 4096 * 4096;
    at = ours + 4096;
    (void)snprintf(text, sizeof text, FOOTER("null", "%zu", "null"), ours);
    write_text(at, text);
    go = file_read_all(os, PATH, &n);
    memcpy(go, bytes, size);
    file_write_all(os, path, go, n);
    assert_ok(driver_open(&d, "/store", &o));
    assert_tree(d.newest, "");
    ck_assert_uint_eq(moss_snapshot_tag(d.newest).n, 1);
    ck_assert_uint_eq(moss_snapshot_tag(d.newest).id, 100);
    driver_close(&d);
    free(path);
    free(bytes);
    free(go);
}
END_TEST

Suite *
suite_footer(void)
{
    Suite *s = suite_create("footer");
    TCase *tc = tcase_create("footer");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, footer_reads_as_it_was_written);
    tcase_add_test(tc, first_footer_of_a_file_names_the_one_before);
    tcase_add_test(tc, footer_is_written_as_go_writes_it);
    tcase_add_test(tc, every_changed_byte_of_a_footer_is_noticed);
    tcase_add_test(tc, our_footer_without_its_checksum_is_none);
    tcase_add_test(tc, footers_of_go_are_read);
    tcase_add_test(tc, texts_that_go_does_not_write_are_none);
    tcase_add_test(tc, deep_nesting_is_bounded);
    tcase_add_loop_test(tc, value_that_looks_like_a_footer_is_none, 0, 3);
    tcase_add_test(tc, tag_of_a_footer_that_go_appended_is_the_one_before);
    suite_add_tcase(s, tc);
    return s;
}
