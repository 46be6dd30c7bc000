/*
 * The first page begins with the two lines that Go moss writes and reads; the
 * rest of it Go fills with line feeds and never looks at.  There stand two
 * slots, each with one line that says who the file belongs to.  The valid one
 * with the higher sequence number holds; a change is written into the other,
 * so that a torn write leaves the old one as it was.  (FORMAT.md, "The first
 * page".)
 *
 * No state; the writing thread, and any that opens a store.
 */
#include "store/identity.h"

#include <time.h>

#include "base/base.h"
#include "base/error.h"
#include "store/checksum.h"
#include "store/json.h"

#define SLOT_BYTES 1536u
static const uint64_t slot_off[2] = { 1024, 2560 };

static const char first_line[] = "moss-data-store:\n";
static const char sum_field[] = ",\"sum\":";

/* ------------------------------------------------------------------ */
/* Writing                                                            */
/* ------------------------------------------------------------------ */

/* Bytes of a path or name: no control characters, quotes or backslashes. */
static enum moss_status
put_bytes(struct buf *b, const char *text)
{
    enum moss_status st = json_put(b, "\"");

    for (; *text != '\0' && st == MOSS_OK; text++) {
        uint8_t c = (uint8_t)*text;
        char escape[7] = "\\u00";

        if (c >= 0x20 && c != '"' && c != '\\') {
            st = buf_append(b, &c, 1);
            continue;
        }
        escape[4] = "0123456789abcdef"[c >> 4];
        escape[5] = "0123456789abcdef"[c & 0xf];
        st = buf_append(b, escape, 6);
    }
    return st < 0 ? st : json_put(b, "\"");
}

static enum moss_status
put_hex_field(struct buf *b, const char *name, uint64_t v)
{
    enum moss_status st = json_put(b, name);

    return st < 0 ? st : json_put_hex(b, v);
}

static enum moss_status
put_store_id(struct buf *b, const uint8_t id[16])
{
    uint64_t half[2] = { 0, 0 };
    enum moss_status st;

    for (size_t i = 0; i < 16; i++)
        half[i / 8] = half[i / 8] << 8 | id[i];
    st = put_hex_field(b, ",\"store\":", half[0]);
    return st < 0 ? st : put_hex_field(b, ",\"store2\":", half[1]);
}

/* One line, filled up to a slot's length with line feeds. */
static enum moss_status
encode(const struct identity *id, struct buf *b)
{
    enum moss_status st = put_hex_field(b, "{\"seq\":", id->seq);

    if (st == MOSS_OK)
        st = put_store_id(b, id->pub.store_id);
    if (st == MOSS_OK)
        st = put_hex_field(b, ",\"nonce\":", id->nonce);
    if (st == MOSS_OK)
        st = put_hex_field(b, ",\"compatible\":", id->compatible);
    if (st == MOSS_OK)
        st = put_hex_field(b, ",\"readonly\":", id->readonly_compatible);
    if (st == MOSS_OK)
        st = put_hex_field(b, ",\"incompatible\":", id->incompatible);
    if (st == MOSS_OK)
        st = put_hex_field(b, ",\"dev\":", id->pub.home_dev);
    if (st == MOSS_OK)
        st = put_hex_field(b, ",\"ino\":", id->pub.home_ino);
    if (st == MOSS_OK)
        st = json_put(b, ",\"merge\":");
    if (st == MOSS_OK)
        st = put_bytes(b, id->pub.merge_name);
    if (st == MOSS_OK)
        st = json_put(b, ",\"home\":");
    if (st == MOSS_OK)
        st = put_bytes(b, id->pub.home_path);
    if (st == MOSS_OK)
        st = put_hex_field(b, sum_field, checksum64(b->bytes, b->len, 0));
    if (st == MOSS_OK)
        st = json_put(b, "}\n");
    if (st == MOSS_OK && b->len > SLOT_BYTES)
        st = MOSS_INVALID;
    while (st == MOSS_OK && b->len < SLOT_BYTES)
        st = json_put(b, "\n");
    return st;
}

enum moss_status
identity_first_page(const struct identity *id, uint64_t unix_seconds,
                    uint8_t page[FILE_PAGE])
{
    time_t seconds = (time_t)unix_seconds;
    struct tm tm;
    char created[32];
    struct buf b;
    enum moss_status st;

    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return MOSS_INVALID;
    buf_init(&b);
    st = json_put(&b, first_line);
    if (st == MOSS_OK)
        st = json_put(&b, "{\"Version\":4,\"CreatedAt\":\"");
    if (st == MOSS_OK)
        st = json_put(&b, created);
    if (st == MOSS_OK)
        st = json_put(&b, "\",\"CreatedEndian\":\"little\"}\n");
    memset(page, '\n', FILE_PAGE);
    if (st == MOSS_OK)
        memcpy(page, b.bytes, b.len);
    buf_clear(&b);
    if (st == MOSS_OK)
        st = encode(id, &b);
    if (st == MOSS_OK)
        memcpy(page + slot_off[id->seq % 2], b.bytes, b.len);
    buf_release(&b);
    return st;
}

enum moss_status
identity_write(struct file *file, const struct identity *id,
               struct moss_error *err)
{
    uint64_t off = slot_off[id->seq % 2];
    struct buf b;
    enum moss_status st;

    buf_init(&b);
    st = encode(id, &b);
    if (st < 0)
        (void)error_set(err, st, "identity", file->path, off);
    else
        st = file_write(file, off, b.bytes, b.len, err);
    buf_release(&b);
    return st;
}

/* ------------------------------------------------------------------ */
/* Reading                                                            */
/* ------------------------------------------------------------------ */

static bool
get_hex_field(struct json_reader *r, const char *name, uint64_t *v)
{
    return json_skip(r, name) && json_get_hex(r, v);
}

/* What put_bytes() writes, into out with room for cap bytes and a NUL. */
static bool
get_bytes(struct json_reader *r, char *out, size_t cap)
{
    size_t n = 0;

    if (!json_skip(r, "\""))
        return false;
    while (!json_skip(r, "\"")) {
        uint8_t c;

        if (r->p == r->end || n == cap)
            return false;
        c = *r->p++;
        if (c == '\\') {
            const char *digits = "0123456789abcdef";
            const char *hi, *lo;

            if (!json_skip(r, "u00") || r->end - r->p < 2 || r->p[0] == 0 ||
                r->p[1] == 0)
                return false;
            hi = strchr(digits, r->p[0]);
            lo = strchr(digits, r->p[1]);
            if (hi == NULL || lo == NULL)
                return false;
            c = (uint8_t)((hi - digits) << 4 | (lo - digits));
            r->p += 2;
        }
        if (c == 0)
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return true;
}

static bool
get_store_id(struct json_reader *r, uint8_t id[16])
{
    uint64_t half[2];

    if (!get_hex_field(r, ",\"store\":", &half[0]) ||
        !get_hex_field(r, ",\"store2\":", &half[1]))
        return false;
    for (size_t i = 0; i < 16; i++)
        id[i] = (uint8_t)(half[i / 8] >> (56 - 8 * (i % 8)));
    return true;
}

/* False if the slot holds nothing valid. */
static bool
decode(const uint8_t *slot, struct identity *id)
{
    struct json_reader r = { slot, slot + SLOT_BYTES };
    const uint8_t *summed;
    uint64_t sum;

    memset(id, 0, sizeof *id);
    if (!get_hex_field(&r, "{\"seq\":", &id->seq) ||
        !get_store_id(&r, id->pub.store_id) ||
        !get_hex_field(&r, ",\"nonce\":", &id->nonce) ||
        !get_hex_field(&r, ",\"compatible\":", &id->compatible) ||
        !get_hex_field(&r, ",\"readonly\":", &id->readonly_compatible) ||
        !get_hex_field(&r, ",\"incompatible\":", &id->incompatible) ||
        !get_hex_field(&r, ",\"dev\":", &id->pub.home_dev) ||
        !get_hex_field(&r, ",\"ino\":", &id->pub.home_ino) ||
        !json_skip(&r, ",\"merge\":") ||
        !get_bytes(&r, id->pub.merge_name, sizeof id->pub.merge_name - 1) ||
        !json_skip(&r, ",\"home\":") ||
        !get_bytes(&r, id->pub.home_path, sizeof id->pub.home_path - 1))
        return false;
    summed = r.p;
    if (!get_hex_field(&r, sum_field, &sum) || !json_skip(&r, "}\n"))
        return false;
    if (sum != checksum64(slot, (size_t)(summed - slot), 0))
        return false;
    id->is_there = true;
    return true;
}

/* Go's two lines; the time between them is not looked at. */
static enum moss_status
check_lines(const uint8_t page[FILE_PAGE])
{
    struct json_reader r = { page, page + FILE_PAGE };
    uint64_t version;

    if (!json_skip(&r, first_line) || !json_skip(&r, "{\"Version\":") ||
        !json_get_uint(&r, &version))
        return MOSS_CORRUPT;
    if (version != 4)
        return MOSS_UNSUPPORTED;
    if (!json_skip(&r, ",\"CreatedAt\":\""))
        return MOSS_CORRUPT;
    while (r.p < r.end && *r.p != '"' && *r.p != '\n' && *r.p != '\\')
        r.p++;
    if (!json_skip(&r, "\",\"CreatedEndian\":\""))
        return MOSS_CORRUPT;
    if (json_skip(&r, "big\"}\n"))
        return MOSS_UNSUPPORTED;
    return json_skip(&r, "little\"}\n") ? MOSS_OK : MOSS_CORRUPT;
}

enum moss_status
identity_read(struct file *file, bool readonly, struct identity *out,
              struct moss_error *err)
{
    uint8_t page[FILE_PAGE];
    struct identity slots[2];
    bool valid[2];
    enum moss_status st = file_read(file, 0, page, sizeof page, err);

    memset(out, 0, sizeof *out);
    if (st < 0)
        return st;
    st = check_lines(page);
    if (st < 0)
        return error_set(err, st, "header", file->path, 0);
    for (size_t i = 0; i < 2; i++)
        valid[i] = decode(page + slot_off[i], &slots[i]);
    if (valid[0] && (!valid[1] || slots[0].seq > slots[1].seq))
        *out = slots[0];
    else if (valid[1])
        *out = slots[1];
    if (out->incompatible != 0 || (!readonly && out->readonly_compatible != 0))
        return error_set(err, MOSS_UNSUPPORTED, "feature", file->path,
                         slot_off[out->seq % 2]);
    return MOSS_OK;
}
