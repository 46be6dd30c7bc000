/*
 * How a footer is framed in the file, found there, and told from bytes that
 * only look like one (FORMAT.md, "Footers").
 *
 * Whoever opens a store scans backwards, page by page, for the last good
 * footer.  On the way lie the remains of a write that was cut off, and the
 * bytes of users' values.  So a footer that Go moss did not write must have a
 * checksum, seeded with a nonce that no value knows.  One without must be in
 * every byte what Go writes, in its own place, above everything it names, and
 * behind the older footer it names.
 *
 * A footer in memory is plain data with one owner; nothing here is shared.
 */
#include "store/footer.h"

#include "base/base.h"
#include "base/coding.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/checksum.h"

#define HEAD_BYTES 20u /* magic twice, version, length */
#define TAIL_BYTES 24u /* place, length, magic twice */
#define SUM_BYTES 8u   /* our checksum, behind the tail */
#define FORMAT_VERSION 4u
#define SCAN_FIRST ((uint64_t)64 << 10)
#define SCAN_CHUNK ((uint64_t)1 << 20)

static const char head_magic[] = "0m1o2s0m1o2s";
static const char tail_magic[] = "3s4p5s3s4p5s";
#define MAGIC_BYTES (sizeof head_magic - 1)

/* ------------------------------------------------------------------ */
/* In memory                                                          */
/* ------------------------------------------------------------------ */

struct footer *
footer_new(void)
{
    return mem_zalloc(1, sizeof(struct footer));
}

/* Recurses no deeper than FOOTER_MAX_DEPTH: so deep is what was made. */
static void
coll_release(struct footer_coll *coll)
{
    for (size_t i = 0; i < coll->n_children; i++)
        coll_release(&coll->children[i]);
    mem_free(coll->children);
    mem_free(coll->locs);
    mem_free((void *)(uintptr_t)coll->name.bytes);
}

void
footer_free(struct footer *f)
{
    if (f == NULL)
        return;
    coll_release(&f->top);
    mem_free(f->colls);
    mem_free(f);
}

enum moss_status
footer_make_children(struct footer_coll *coll, size_t n)
{
    if (n == 0)
        return MOSS_OK;
    coll->children = mem_zalloc(n, sizeof *coll->children);
    if (coll->children == NULL)
        return MOSS_NOMEM;
    coll->n_children = n;
    return MOSS_OK;
}

enum moss_status
footer_set_name(struct footer_coll *coll, struct moss_slice name)
{
    uint8_t *copy = mem_dup(name.bytes, name.len);

    if (copy == NULL)
        return MOSS_NOMEM;
    coll->name = moss_slice(copy, name.len);
    return MOSS_OK;
}

static size_t
count_colls(const struct footer_coll *coll)
{
    size_t n = 1;

    for (size_t i = 0; i < coll->n_children; i++)
        n += count_colls(&coll->children[i]);
    return n;
}

static void
number_colls(struct footer *f, struct footer_coll *coll)
{
    coll->index = f->n_colls;
    f->colls[f->n_colls++] = coll;
    f->n_locs += coll->n_locs;
    for (size_t i = 0; i < coll->n_children; i++)
        number_colls(f, &coll->children[i]);
}

enum moss_status
footer_index(struct footer *f)
{
    f->colls = mem_zalloc(count_colls(&f->top), sizeof *f->colls);
    if (f->colls == NULL)
        return MOSS_NOMEM;
    number_colls(f, &f->top);
    return MOSS_OK;
}

const struct footer_coll *
footer_child(const struct footer_coll *coll, struct moss_slice name)
{
    size_t lo = 0, hi = coll->n_children;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = slice_compare(coll->children[mid].name, name);

        if (c == 0)
            return &coll->children[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* ------------------------------------------------------------------ */
/* Writing                                                            */
/* ------------------------------------------------------------------ */

enum moss_status
footer_encode(struct footer *f, uint64_t nonce, struct buf *out)
{
    uint8_t head[HEAD_BYTES], tail[TAIL_BYTES], sum[SUM_BYTES];
    size_t start = out->len;
    enum moss_status st;

    memset(head, 0, sizeof head);
    st = buf_append(out, head, sizeof head);
    if (st == MOSS_OK)
        st = footer_put_json(f, out);
    if (st < 0)
        return st;
    f->length = out->len - start + TAIL_BYTES;
    if (f->length > UINT32_MAX)
        return MOSS_TOO_BIG;

    memcpy(out->bytes + start, head_magic, MAGIC_BYTES);
    store_le32(out->bytes + start + 12, FORMAT_VERSION);
    store_le32(out->bytes + start + 16, (uint32_t)f->length);
    store_le64(tail, f->off);
    store_le32(tail + 8, (uint32_t)f->length);
    memcpy(tail + 12, tail_magic, MAGIC_BYTES);
    st = buf_append(out, tail, sizeof tail);
    if (st < 0)
        return st;
    store_le64(sum, checksum64(out->bytes + start, out->len - start, nonce));
    f->length += SUM_BYTES;
    return buf_append(out, sum, sizeof sum);
}

/* ------------------------------------------------------------------ */
/* Reading                                                            */
/* ------------------------------------------------------------------ */

/*
 * The length of what stands at off, if it has a footer's head and tail in its
 * right place; MOSS_CORRUPT if not.
 */
static enum moss_status
read_frame(struct file *file, uint64_t size, uint64_t off, uint32_t *length,
           struct moss_error *err)
{
    uint8_t head[HEAD_BYTES], tail[TAIL_BYTES];
    enum moss_status st;

    if (off % FILE_PAGE != 0 || off < FILE_PAGE || off > size ||
        size - off < HEAD_BYTES + TAIL_BYTES)
        return error_set(err, MOSS_CORRUPT, "footer place", file->path, off);
    st = file_read(file, off, head, sizeof head, err);
    if (st < 0)
        return st;
    *length = load_le32(head + 16);
    if (memcmp(head, head_magic, MAGIC_BYTES) != 0 ||
        load_le32(head + 12) != FORMAT_VERSION ||
        *length < HEAD_BYTES + TAIL_BYTES || *length > size - off)
        return error_set(err, MOSS_CORRUPT, "footer head", file->path, off);
    st = file_read(file, off + *length - TAIL_BYTES, tail, sizeof tail, err);
    if (st < 0)
        return st;
    if (load_le64(tail) != off || load_le32(tail + 8) != *length ||
        memcmp(tail + 12, tail_magic, MAGIC_BYTES) != 0)
        return error_set(err, MOSS_CORRUPT, "footer tail", file->path, off);
    return MOSS_OK;
}

/* Does our checksum follow the footer of f->length bytes? */
static enum moss_status
check_sum(struct file *file, uint64_t size, const struct footer *f,
          const uint8_t *bytes, const uint64_t *nonce, struct moss_error *err)
{
    uint8_t sum[SUM_BYTES];
    enum moss_status st;

    if (nonce == NULL || size - f->off - f->length < SUM_BYTES)
        return error_set(err, MOSS_CORRUPT, "footer checksum", file->path,
                         f->off);
    st = file_read(file, f->off + f->length, sum, sizeof sum, err);
    if (st < 0)
        return st;
    if (load_le64(sum) != checksum64(bytes, (size_t)f->length, *nonce))
        return error_set(err, MOSS_CORRUPT, "footer checksum", file->path,
                         f->off);
    return MOSS_OK;
}

/*
 * Is there an older footer where f says?  Of ours the checksum vouches; for
 * one of Go moss the frame of the older one must be there.
 */
static enum moss_status
check_chain(struct file *file, const struct footer *f, struct moss_error *err)
{
    uint32_t length;

    if (f->prev == 0)
        return MOSS_OK;
    if (f->prev >= f->off)
        return error_set(err, MOSS_CORRUPT, "footer chain", file->path, f->off);
    return f->is_ours ? MOSS_OK
                      : read_frame(file, f->off, f->prev, &length, err);
}

enum moss_status
footer_read(struct file *file, uint64_t size, uint64_t off,
            const uint64_t *nonce, struct footer **out, struct moss_error *err)
{
    struct footer *f = NULL;
    uint8_t *bytes = NULL;
    uint32_t length = 0;
    enum moss_status st = read_frame(file, size, off, &length, err);

    *out = NULL;
    if (st < 0)
        return st;
    f = footer_new();
    bytes = mem_alloc(length);
    if (f == NULL || bytes == NULL) {
        st = error_set(err, MOSS_NOMEM, "footer", file->path, off);
        goto done;
    }
    st = file_read(file, off, bytes, length, err);
    if (st < 0)
        goto done;
    f->off = off;
    f->length = length;
    st = footer_get_json(f, bytes + HEAD_BYTES,
                         length - HEAD_BYTES - TAIL_BYTES);
    if (st < 0) {
        (void)error_set(err, st, "footer text", file->path, off);
        goto done;
    }
    if (f->is_ours)
        st = check_sum(file, size, f, bytes, nonce, err);
    if (st == MOSS_OK)
        st = check_chain(file, f, err);
    if (st < 0)
        goto done;
    if (f->is_ours)
        f->length += SUM_BYTES;
    *out = f;
    f = NULL;

done:
    mem_free(bytes);
    footer_free(f);
    return st;
}

/* Look for footers at the pages of [lo, hi), the last one first. */
static enum moss_status
scan_chunk(struct file *file, uint64_t size, uint64_t lo, uint64_t hi,
           const uint64_t *nonce, uint8_t *bytes, struct footer **out,
           struct moss_error *err)
{
    enum moss_status st = file_read(file, lo, bytes, (size_t)(hi - lo), err);

    if (st < 0)
        return st;
    for (uint64_t off = (hi - 1) / FILE_PAGE * FILE_PAGE;; off -= FILE_PAGE) {
        if (hi - off >= MAGIC_BYTES &&
            memcmp(bytes + (off - lo), head_magic, MAGIC_BYTES) == 0) {
            st = footer_read(file, size, off, nonce, out, err);
            if (st != MOSS_CORRUPT)
                return st;
        }
        if (off == lo)
            return MOSS_CORRUPT;
    }
}

enum moss_status
footer_scan(struct file *file, uint64_t size, const uint64_t *nonce,
            struct footer **out, struct moss_error *err)
{
    uint8_t *bytes = NULL;
    uint64_t hi = size;
    enum moss_status st = MOSS_CORRUPT;

    *out = NULL;
    bytes = mem_alloc(SCAN_CHUNK);
    if (bytes == NULL)
        return error_set(err, MOSS_NOMEM, "footer", file->path, 0);
    (void)error_set(err, MOSS_CORRUPT, "no footer", file->path, 0);
    while (st == MOSS_CORRUPT && hi > FILE_PAGE) {
        uint64_t want = hi == size ? SCAN_FIRST : SCAN_CHUNK;
        uint64_t lo = hi <= want ? FILE_PAGE : align_up(hi - want, FILE_PAGE);

        st = scan_chunk(file, size, lo, hi, nonce, bytes, out, err);
        hi = lo;
    }
    mem_free(bytes);
    return st;
}
