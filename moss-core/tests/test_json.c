/* JSON as Go's encoder writes it, and nothing else. */
#include <check.h>
#include <stdlib.h>

#include "store/json.h"
#include "support/fixture.h"

Suite *suite_json(void);

static const struct {
    const char *raw, *text;
} strings[] = {
    { "", "\"\"" },
    { "plain", "\"plain\"" },
    { "a\"b\\c", "\"a\\\"b\\\\c\"" },
    { "\n\r\t", "\"\\n\\r\\t\"" },
    { "\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"" },
    { "<a>&", "\"\\u003ca\\u003e\\u0026\"" },
    { "\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\"" },
    { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
      "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
    { "\xef\xbf\xbd", "\"\xef\xbf\xbd\"" },
};
#define N_STRINGS ((int)(sizeof strings / sizeof *strings))

START_TEST(string_is_written_and_read_as_go_does)
{
    struct buf out;
    struct json_reader r;
    bool replaced = false;

    buf_init(&out);
    assert_ok(json_put_string(&out, moss_str(strings[_i].raw)));
    ck_assert_uint_eq(out.len, strlen(strings[_i].text));
    ck_assert_mem_eq(out.bytes, strings[_i].text, out.len);
    buf_clear(&out);
    r.p = (const uint8_t *)strings[_i].text;
    r.end = r.p + strlen(strings[_i].text);
    assert_ok(json_get_string(&r, &out, &replaced));
    ck_assert_ptr_eq(r.p, r.end);
    ck_assert(!replaced);
    ck_assert_uint_eq(out.len, strlen(strings[_i].raw));
    ck_assert(out.len == 0 || memcmp(out.bytes, strings[_i].raw, out.len) == 0);
    buf_release(&out);
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_replaced)
{
    static const char *const raw[] = { "\xff", "\xc3", "\xc0\x80",
                                       "\xed\xa0\x80", "\xf4\x90\x80\x80" };
    static const size_t n[] = { 1, 1, 2, 3, 4 };
    struct buf out;
    struct json_reader r;
    bool replaced = false;

    buf_init(&out);
    assert_ok(json_put_string(&out, moss_str(raw[_i])));
    ck_assert_uint_eq(out.len, 2 + 6 * n[_i]);
    r.p = out.bytes;
    r.end = out.bytes + out.len;
    {
        struct buf back;

        buf_init(&back);
        assert_ok(json_get_string(&r, &back, &replaced));
        ck_assert(replaced);
        ck_assert_uint_eq(back.len, 3 * n[_i]);
        buf_release(&back);
    }
    buf_release(&out);
}
END_TEST

START_TEST(what_go_does_not_write_is_corrupt)
{
    static const char *const texts[] = { "",
                                         "\"",
                                         "x",
                                         "\"a",
                                         "\"\\x\"",
                                         "\"<\"",
                                         "\"\n\"",
                                         "\"\\/\"",
                                         "\"\\u0041\"",
                                         "\"\\u003C\"",
                                         "\"\\u\"",
                                         "\"\\u000a\"",
                                         "\"\\ud800\"",
                                         "\"\xff\"",
                                         "\"\\",
                                         "\"\xe2\x80\xa8\"" };
    struct buf out;
    bool replaced;

    buf_init(&out);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const uint8_t *p = (const uint8_t *)texts[i];
        struct json_reader r = { p, p + strlen(texts[i]) };

        ck_assert_msg(json_get_string(&r, &out, &replaced) == MOSS_CORRUPT,
                      "%s", texts[i]);
    }
    buf_release(&out);
}
END_TEST

START_TEST(numbers_are_exact)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t v;
    } cases[] = {
        { "0", true, 0 },
        { "7", true, 7 },
        { "9007199254740993", true, 9007199254740993u },
        { "18446744073709551615", true, UINT64_MAX },
        { "18446744073709551616", false, 0 },
        { "99999999999999999999", false, 0 },
        { "-1", false, 0 },
        { "", false, 0 },
        { "x", false, 0 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint8_t *p = (const uint8_t *)cases[i].text;
        struct json_reader r = { p, p + strlen(cases[i].text) };
        uint64_t v = 0;

        ck_assert_msg(json_get_uint(&r, &v) == cases[i].ok, "%s",
                      cases[i].text);
        ck_assert_uint_eq(v, cases[i].v);
    }
}
END_TEST

START_TEST(number_ends_where_go_ends_it)
{
    /* Leading zeros, fractions and exponents leave something behind. */
    static const char *const texts[] = { "01", "1.0", "1e3" };
    const uint8_t *p = (const uint8_t *)texts[_i];
    struct json_reader r = { p, p + strlen(texts[_i]) };
    uint64_t v;

    ck_assert(json_get_uint(&r, &v));
    ck_assert_ptr_eq(r.p, p + 1);
}
END_TEST

START_TEST(hex_strings_have_sixteen_small_digits)
{
    static const char *const bad[] = { "\"0123\"", "\"00000000000000FF\"",
                                       "\"000000000000000g\"",
                                       "0123456789abcdef",
                                       "\"00000000000000000\"" };
    struct buf out;
    struct json_reader r;
    uint64_t v = 0;

    buf_init(&out);
    assert_ok(json_put_hex(&out, 0xfedcba9876543210u));
    r.p = out.bytes;
    r.end = out.bytes + out.len;
    ck_assert(json_get_hex(&r, &v));
    ck_assert_uint_eq(v, 0xfedcba9876543210u);
    buf_release(&out);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r.p = (const uint8_t *)bad[i];
        r.end = r.p + strlen(bad[i]);
        ck_assert_msg(!json_get_hex(&r, &v), "%s", bad[i]);
    }
}
END_TEST

Suite *
suite_json(void)
{
    Suite *s = suite_create("json");
    TCase *tc = tcase_create("json");

    tcase_add_loop_test(tc, string_is_written_and_read_as_go_does, 0,
                        N_STRINGS);
    tcase_add_loop_test(tc, bytes_that_are_not_utf8_are_replaced, 0, 5);
    tcase_add_test(tc, what_go_does_not_write_is_corrupt);
    tcase_add_test(tc, numbers_are_exact);
    tcase_add_loop_test(tc, number_ends_where_go_ends_it, 0, 3);
    tcase_add_test(tc, hex_strings_have_sixteen_small_digits);
    suite_add_tcase(s, tc);
    return s;
}
