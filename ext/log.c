/*
 * The log of one store in the database file: table _moss_log_<no>(d BLOB).
 *
 * Row 1 is the marker, the rows from 2 on are the ring: one circular stream
 * of bytes that holds the records of committed transactions until they are in
 * a footer of the store.  A record says where the one before it lies, and the
 * marker where the newest one does, so the chain is walked backwards; each
 * place carries the ring's size at that time, where it wrapped.
 *
 * All reading and writing goes through one blob handle that is closed before
 * the call returns: an open one would hold the connection's snapshot or its
 * commit, and a prepared statement would keep sqlite3_close() from working.
 * SQLite sees ordinary pages: it journals them, rolls them back and shows
 * each reader the log as of that reader's transaction.
 */
#include "log.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

SQLITE_EXTENSION_INIT3

#define LOG_TABLE "_moss_log_%d"
#define LOG_NAME_BYTES 32

/* Rows of the ring when it is made. */
#define RING_ROWS 64
/* What a page keeps for itself and a row's header, generously. */
#define PAGE_OVERHEAD 96

#define MARKER_BYTES 96
#define RECORD_HEADER 88

static const char marker_magic[8] = { 'm', 'o', 's', 's', 'm', 'a', 'r', 'k' };
static const char record_magic[8] = { 'm', 'o', 's', 's', 'r', 'e', 'c', '1' };

enum { MARKER_VERSION = 1, PAYLOAD_VERSION = 1 };
enum {
    PAYLOAD_COLLECTION = 1,
    PAYLOAD_DROP = 2,
    PAYLOAD_CLEAR = 3,
    PAYLOAD_STAGED = 4,
    PAYLOAD_OP = 16
};
/* Of a change: what it is, and two lengths. */
enum { PAYLOAD_OP_BYTES = 9 };

/* ------------------------------------------------------------ numbers */

static void
put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static void
put_u64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t
get_u32(const uint8_t *p)
{
    uint32_t v = 0;

    for (int i = 3; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static uint64_t
get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static uint64_t *
place_fields(struct log_place *place, int i)
{
    uint64_t *fields[3] = { &place->off, &place->len, &place->mod };

    return fields[i];
}

static void
put_place(uint8_t *p, struct log_place place)
{
    for (int i = 0; i < 3; i++)
        put_u64(p + 8 * i, *place_fields(&place, i));
}

static struct log_place
get_place(const uint8_t *p)
{
    struct log_place place;

    for (int i = 0; i < 3; i++)
        *place_fields(&place, i) = get_u64(p + 8 * i);
    return place;
}

/* ------------------------------------------------------ the blob handle */

/* Rows of a log, read or written through one handle. */
struct rows {
    const struct log_ref *log;
    sqlite3_blob *blob;
    int row_bytes;
    char name[LOG_NAME_BYTES];
};

/* SQLITE_ERROR from a blob call means that the table is not what we made. */
static int
log_failure(const struct log_ref *log, const char *name, int rc, char **err)
{
    if (rc != SQLITE_ERROR)
        return rc;
    if (*err == NULL)
        *err = sqlite3_mprintf("moss: the log %s.%s is damaged: %s",
                               log->schema, name, sqlite3_errmsg(log->db));
    return SQLITE_CORRUPT;
}

static int
rows_open(struct rows *r, const struct log_ref *log, bool writing, char **err)
{
    int rc;

    r->log = log;
    r->blob = NULL;
    r->row_bytes = 0;
    sqlite3_snprintf((int)sizeof r->name, r->name, LOG_TABLE, log->store);
    rc = sqlite3_blob_open(log->db, log->schema, r->name, "d", 1, writing,
                           &r->blob);
    if (rc != SQLITE_OK)
        return log_failure(log, r->name, rc, err);
    r->row_bytes = sqlite3_blob_bytes(r->blob);
    if (r->row_bytes < MARKER_BYTES) {
        *err = sqlite3_mprintf("moss: the log %s.%s is damaged: short row",
                               log->schema, r->name);
        return SQLITE_CORRUPT;
    }
    return SQLITE_OK;
}

static int
rows_close(struct rows *r)
{
    int rc = sqlite3_blob_close(r->blob);

    r->blob = NULL;
    return rc;
}

/* The first error counts: rc, unless closing brings one. */
static int
rows_finish(struct rows *r, int rc)
{
    int closed = rows_close(r);

    return rc == SQLITE_OK ? closed : rc;
}

/* One piece inside one row of the ring. */
static int
ring_piece(struct rows *r, uint64_t off, void *p, int n, bool writing,
           char **err)
{
    sqlite3_int64 row = (sqlite3_int64)(off / (uint64_t)r->row_bytes) + 2;
    int at = (int)(off % (uint64_t)r->row_bytes);
    int rc = sqlite3_blob_reopen(r->blob, row);

    if (rc == SQLITE_OK) {
        if (sqlite3_blob_bytes(r->blob) != r->row_bytes) {
            *err = sqlite3_mprintf(
                "moss: the log %s.%s is damaged: row %lld has a wrong length",
                r->log->schema, r->name, row);
            return SQLITE_CORRUPT;
        }
        rc = writing ? sqlite3_blob_write(r->blob, p, n, at)
                     : sqlite3_blob_read(r->blob, p, n, at);
    }
    return log_failure(r->log, r->name, rc, err);
}

/* place.len bytes at p, from or to the ring, wrapping at place.mod. */
static int
ring_move(struct rows *r, struct log_place place, uint8_t *p, bool writing,
          char **err)
{
    uint64_t off = place.off;
    uint64_t left = place.len;
    int rc = SQLITE_OK;

    while (left > 0 && rc == SQLITE_OK) {
        uint64_t n = (uint64_t)r->row_bytes - off % (uint64_t)r->row_bytes;

        if (n > left)
            n = left;
        if (n > place.mod - off)
            n = place.mod - off;
        rc = ring_piece(r, off, p, (int)n, writing, err);
        p += n;
        left -= n;
        off += n;
        if (off == place.mod)
            off = 0;
    }
    return rc;
}

/* --------------------------------------------------------------- marker */

static void
marker_encode(const struct marker *m, uint8_t out[MARKER_BYTES])
{
    memcpy(out, marker_magic, sizeof marker_magic);
    put_u32(out + 8, MARKER_VERSION);
    put_u32(out + 12, 0);
    memcpy(out + 16, m->store_id, STORE_ID_BYTES);
    put_u64(out + 32, m->tag.n);
    put_u64(out + 40, m->tag.id);
    put_u64(out + 48, m->prev_id);
    put_place(out + 56, m->last);
    put_u64(out + 80, m->ring_bytes);
    put_u64(out + 88, XXH3_64bits(out, 88));
}

static bool
marker_decode(const uint8_t in[MARKER_BYTES], struct marker *m)
{
    if (memcmp(in, marker_magic, sizeof marker_magic) != 0 ||
        get_u32(in + 8) != MARKER_VERSION ||
        get_u64(in + 88) != XXH3_64bits(in, 88))
        return false;
    memcpy(m->store_id, in + 16, STORE_ID_BYTES);
    m->tag.n = get_u64(in + 32);
    m->tag.id = get_u64(in + 40);
    m->prev_id = get_u64(in + 48);
    m->last = get_place(in + 56);
    m->ring_bytes = get_u64(in + 80);
    return true;
}

int
log_read_marker(const struct log_ref *log, struct marker *out, char **err)
{
    uint8_t raw[MARKER_BYTES];
    struct rows r;
    int rc = rows_open(&r, log, false, err);

    memset(out, 0, sizeof *out);
    if (rc == SQLITE_OK)
        rc = sqlite3_blob_read(r.blob, raw, MARKER_BYTES, 0);
    if (rc == SQLITE_OK && !marker_decode(raw, out)) {
        *err = sqlite3_mprintf("moss: the log %s.%s is damaged: bad marker",
                               log->schema, r.name);
        rc = SQLITE_CORRUPT;
    }
    return rows_finish(&r, rc);
}

static int
marker_put(struct rows *r, const struct marker *m, char **err)
{
    uint8_t raw[MARKER_BYTES];
    int rc = sqlite3_blob_reopen(r->blob, 1);

    marker_encode(m, raw);
    if (rc == SQLITE_OK)
        rc = sqlite3_blob_write(r->blob, raw, MARKER_BYTES, 0);
    return log_failure(r->log, r->name, rc, err);
}

int
log_write_marker(const struct log_ref *log, const struct marker *m, char **err)
{
    struct rows r;
    int rc = rows_open(&r, log, true, err);

    if (rc == SQLITE_OK)
        rc = marker_put(&r, m, err);
    return rows_finish(&r, rc);
}

int
log_write(const struct log_ref *log, const struct record *record,
          const struct marker *m, char **err)
{
    struct rows r;
    int rc = rows_open(&r, log, true, err);

    if (rc == SQLITE_OK)
        rc = ring_move(&r, record->place, record->bytes.p, true, err);
    if (rc == SQLITE_OK)
        rc = marker_put(&r, m, err);
    return rows_finish(&r, rc);
}

/* -------------------------------------------------------------- records */

void
record_release(struct record *r)
{
    bytes_release(&r->bytes);
    memset(r, 0, sizeof *r);
}

static uint64_t
record_checksum(const uint8_t *raw, size_t n)
{
    /* Header without the sum itself, then the payload. */
    return XXH3_64bits_withSeed(raw + RECORD_HEADER, n - RECORD_HEADER,
                                XXH3_64bits(raw, 80));
}

void
record_encode(struct record *r, struct bytes *payload)
{
    uint8_t *header;

    r->bytes = *payload;
    memset(payload, 0, sizeof *payload);
    header = r->bytes.p;
    r->place.len = r->bytes.n;
    r->payload = header + RECORD_HEADER;
    r->n_payload = r->bytes.n - RECORD_HEADER;
    memcpy(header, record_magic, sizeof record_magic);
    put_u64(header + 8, r->place.len);
    put_u64(header + 16, r->tag.n);
    put_u64(header + 24, r->tag.id);
    put_u64(header + 32, r->prev.n);
    put_u64(header + 40, r->prev.id);
    put_place(header + 48, r->prev_place);
    put_u64(header + 72, r->n_payload);
    put_u64(header + 80, record_checksum(header, r->bytes.n));
}

/* Does raw hold the whole record of tag?  Then fill in r. */
static bool
record_decode(struct record *r, struct moss_tag tag)
{
    const uint8_t *raw = r->bytes.p;
    size_t n = r->bytes.n;

    if (memcmp(raw, record_magic, sizeof record_magic) != 0 ||
        get_u64(raw + 8) != n || get_u64(raw + 72) != n - RECORD_HEADER ||
        get_u64(raw + 80) != record_checksum(raw, n))
        return false;
    r->tag.n = get_u64(raw + 16);
    r->tag.id = get_u64(raw + 24);
    r->prev.n = get_u64(raw + 32);
    r->prev.id = get_u64(raw + 40);
    r->prev_place = get_place(raw + 48);
    r->payload = raw + RECORD_HEADER;
    r->n_payload = n - RECORD_HEADER;
    return moss_tag_equal(r->tag, tag);
}

static bool
place_is_sane(struct log_place place)
{
    return place.len >= RECORD_HEADER && place.len <= place.mod &&
           place.off < place.mod && place.mod <= INT64_MAX / 2;
}

int
log_read_record(const struct log_ref *log, struct log_place place,
                struct moss_tag tag, struct record *out, char **err)
{
    struct rows r;
    int rc;

    memset(out, 0, sizeof *out);
    if (!place_is_sane(place))
        return SQLITE_NOTFOUND;
    out->bytes.p = sqlite3_malloc64(place.len);
    if (out->bytes.p == NULL)
        return SQLITE_NOMEM;
    out->bytes.n = out->bytes.cap = (size_t)place.len;
    out->place = place;
    rc = rows_open(&r, log, false, err);
    if (rc == SQLITE_OK)
        rc = ring_move(&r, place, out->bytes.p, false, err);
    rc = rows_finish(&r, rc);
    if (rc == SQLITE_OK && !record_decode(out, tag))
        rc = SQLITE_NOTFOUND;
    if (rc != SQLITE_OK)
        record_release(out);
    return rc;
}

/* -------------------------------------------------------- making, sizes */

/* One integer from a query, which takes schema and the log's name. */
static int
log_query(const struct log_ref *log, const char *format, sqlite3_int64 *out,
          char **err)
{
    char name[LOG_NAME_BYTES];
    sqlite3_stmt *stmt = NULL;
    char *sql;
    int rc;

    sqlite3_snprintf((int)sizeof name, name, LOG_TABLE, log->store);
    sql = sqlite3_mprintf(format, log->schema, name);
    if (sql == NULL)
        return SQLITE_NOMEM;
    rc = sqlite3_prepare_v2(log->db, sql, -1, &stmt, NULL);
    sqlite3_free(sql);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    if (rc == SQLITE_OK)
        rc = sqlite3_finalize(stmt);
    return log_failure(log, name, rc, err);
}

int
log_create(const struct log_ref *log, const uint8_t *store_id,
           struct moss_tag start, char **err)
{
    struct marker m = { .tag = start };
    sqlite3_int64 page = 0;
    char *sql;
    int rc = log_query(log, "PRAGMA \"%w\".page_size", &page, err);

    if (rc != SQLITE_OK)
        return rc;
    m.ring_bytes = (uint64_t)(page - PAGE_OVERHEAD) * RING_ROWS;
    /* CREATE TABLE AS numbers its rows 1..N and leaves changes() alone. */
    sql = sqlite3_mprintf("CREATE TABLE \"%w\"." LOG_TABLE " AS"
                          " WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL"
                          " SELECT i + 1 FROM c WHERE i < %d)"
                          " SELECT zeroblob(%lld) AS d FROM c",
                          log->schema, log->store, 1 + RING_ROWS,
                          page - PAGE_OVERHEAD);
    if (sql == NULL)
        return SQLITE_NOMEM;
    rc = sqlite3_exec(log->db, sql, NULL, NULL, err);
    sqlite3_free(sql);
    if (rc != SQLITE_OK)
        return rc;
    memcpy(m.store_id, store_id, STORE_ID_BYTES);
    return log_write_marker(log, &m, err);
}

/*
 * The length of a row, and how many there are.  Without SQL functions: whether
 * they may be used, an authorizer says.
 */
static int
log_shape(const struct log_ref *log, sqlite3_int64 *row, sqlite3_int64 *rows,
          char **err)
{
    struct rows r;
    int rc;

    *row = *rows = 0;
    rc = rows_finish(&r, rows_open(&r, log, false, err));
    *row = r.row_bytes;
    if (rc == SQLITE_OK)
        rc = log_query(log,
                       "SELECT rowid FROM \"%w\".%s ORDER BY rowid DESC"
                       " LIMIT 1",
                       rows, err);
    return rc;
}

int
log_grow(const struct log_ref *log, uint64_t want, uint64_t *capacity,
         char **err)
{
    sqlite3_int64 last_rowid = sqlite3_last_insert_rowid(log->db);
    sqlite3_int64 row, rows;
    char *sql;
    int rc = log_shape(log, &row, &rows, err);

    if (rc != SQLITE_OK)
        return rc;
    if (row < MARKER_BYTES || rows < 1) {
        *err = sqlite3_mprintf("moss: the log of %s is damaged", log->schema);
        return SQLITE_CORRUPT;
    }
    uint64_t need = (want + (uint64_t)row - 1) / (uint64_t)row + 1;

    if (need > (uint64_t)rows) {
        sql = sqlite3_mprintf("INSERT INTO \"%w\"." LOG_TABLE "(rowid, d)"
                              " WITH RECURSIVE c(i) AS (SELECT %lld UNION ALL"
                              " SELECT i + 1 FROM c WHERE i < %lld)"
                              " SELECT i, zeroblob(%lld) FROM c",
                              log->schema, log->store, rows + 1,
                              (sqlite3_int64)need, row);
        if (sql == NULL)
            return SQLITE_NOMEM;
        rc = sqlite3_exec(log->db, sql, NULL, NULL, err);
        sqlite3_free(sql);
        sqlite3_set_last_insert_rowid(log->db, last_rowid);
        if (rc != SQLITE_OK)
            return rc;
        rows = (sqlite3_int64)need;
    }
    *capacity = (uint64_t)(rows - 1) * (uint64_t)row;
    return SQLITE_OK;
}

/* -------------------------------------------------------------- payload */

int
payload_begin(struct bytes *out, uint64_t n)
{
    static const uint8_t head[RECORD_HEADER + 1] = { [RECORD_HEADER] =
                                                         PAYLOAD_VERSION };
    int rc;

    out->n = 0;
    if (n > SIZE_MAX / 2)
        return SQLITE_NOMEM;
    rc = bytes_reserve(out, sizeof head + (size_t)n);
    return rc == SQLITE_OK ? bytes_append(out, head, sizeof head) : rc;
}

struct moss_slice
payload_of(const struct bytes *out)
{
    return out->n == 0
               ? moss_slice(NULL, 0)
               : moss_slice(out->p + RECORD_HEADER, out->n - RECORD_HEADER);
}

static int
payload_path(struct bytes *out, uint8_t kind, const char *path)
{
    uint8_t head[5];
    size_t n = strlen(path);
    int rc;

    head[0] = kind;
    put_u32(head + 1, (uint32_t)n);
    rc = bytes_append(out, head, sizeof head);
    if (rc == SQLITE_OK)
        rc = bytes_append(out, path, n);
    return rc;
}

int
payload_collection(struct bytes *out, const char *path)
{
    return payload_path(out, PAYLOAD_COLLECTION, path);
}

int
payload_drop(struct bytes *out, const char *path)
{
    return payload_path(out, PAYLOAD_DROP, path);
}

int
payload_clear(struct bytes *out)
{
    const uint8_t kind = PAYLOAD_CLEAR;

    return bytes_append(out, &kind, 1);
}

int
payload_op(struct bytes *out, enum moss_op op, struct moss_slice key,
           struct moss_slice value)
{
    int rc = bytes_reserve(out, PAYLOAD_OP_BYTES + key.len + value.len);
    uint8_t *p;

    if (rc != SQLITE_OK)
        return rc;
    p = out->p + out->n;
    *p = (uint8_t)(PAYLOAD_OP + op);
    put_u32(p + 1, (uint32_t)key.len);
    put_u32(p + 5, (uint32_t)value.len);
    p += PAYLOAD_OP_BYTES;
    if (key.len > 0)
        memcpy(p, key.bytes, key.len);
    if (value.len > 0)
        memcpy(p + key.len, value.bytes, value.len);
    out->n += PAYLOAD_OP_BYTES + key.len + value.len;
    return SQLITE_OK;
}

int
payload_staged(struct bytes *out, const struct moss_staged_info *info)
{
    uint8_t raw[17];

    raw[0] = PAYLOAD_STAGED;
    put_u64(raw + 1, info->length);
    put_u64(raw + 9, info->checksum);
    return bytes_append(out, raw, sizeof raw);
}

/* Take n bytes from *p; false if there are fewer. */
static bool
take(const uint8_t **p, const uint8_t *end, size_t n, const uint8_t **out)
{
    if ((size_t)(end - *p) < n)
        return false;
    *out = *p;
    *p += n;
    return true;
}

static int
visit_path(const uint8_t **p, const uint8_t *end,
           int (*call)(void *arg, struct moss_slice path), void *arg)
{
    const uint8_t *head, *path;

    if (!take(p, end, 4, &head) || !take(p, end, get_u32(head), &path))
        return SQLITE_CORRUPT;
    return call(arg, moss_slice(path, get_u32(head)));
}

static int
visit_op(const uint8_t **p, const uint8_t *end, enum moss_op op,
         const struct payload_visitor *v)
{
    const uint8_t *head, *key, *value;

    if (!take(p, end, 8, &head) || !take(p, end, get_u32(head), &key) ||
        !take(p, end, get_u32(head + 4), &value))
        return SQLITE_CORRUPT;
    return v->op(v->arg, op, moss_slice(key, get_u32(head)),
                 moss_slice(value, get_u32(head + 4)));
}

static int
visit_staged(const uint8_t **p, const uint8_t *end,
             const struct payload_visitor *v)
{
    const uint8_t *raw;

    if (v->staged == NULL || !take(p, end, 16, &raw))
        return SQLITE_CORRUPT;
    return v->staged(v->arg, get_u64(raw), get_u64(raw + 8));
}

int
payload_visit(const uint8_t *p, size_t n, const struct payload_visitor *v)
{
    const uint8_t *end = p + n;
    int rc = SQLITE_OK;

    if (n == 0 || *p++ != PAYLOAD_VERSION)
        return SQLITE_CORRUPT;
    while (p < end && rc == SQLITE_OK) {
        uint8_t kind = *p++;

        if (kind == PAYLOAD_COLLECTION)
            rc = visit_path(&p, end, v->collection, v->arg);
        else if (kind == PAYLOAD_DROP)
            rc = visit_path(&p, end, v->drop, v->arg);
        else if (kind == PAYLOAD_CLEAR)
            rc = v->clear(v->arg);
        else if (kind == PAYLOAD_STAGED)
            rc = visit_staged(&p, end, v);
        else if (kind >= PAYLOAD_OP + MOSS_OP_SET &&
                 kind <= PAYLOAD_OP + MOSS_OP_MERGE)
            rc = visit_op(&p, end, (enum moss_op)(kind - PAYLOAD_OP), v);
        else
            rc = SQLITE_CORRUPT;
    }
    return rc;
}
