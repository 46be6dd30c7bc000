/*
 * The log of a store in a database file: marker and ring, records and their
 * payloads.  See ext/DESIGN.md, "What the database file holds".
 */
#ifndef MOSS_EXT_LOG_H
#define MOSS_EXT_LOG_H

#include "ext.h"

#define STORE_ID_BYTES 16

/* Where a record lies in the ring: len bytes from off on, wrapping at mod. */
struct log_place {
    uint64_t off, len, mod;
};

/* Row 1 of the log: the newest committed transaction as a reader sees it. */
struct marker {
    uint8_t store_id[STORE_ID_BYTES];
    struct moss_tag tag;
    uint64_t prev_id;      /* id of transaction n-1 */
    struct log_place last; /* its record; len 0: it has none */
    uint64_t ring_bytes;   /* what the ring holds; 0 in memory */
};

/*
 * Has this database ever written to the store?  If not, its marker only says
 * how the store was when it got to know it.
 */
static inline bool
marker_claims(const struct marker *m)
{
    return m->last.len > 0;
}

/* One transaction in the ring. */
struct record {
    struct moss_tag tag, prev;
    struct log_place place, prev_place;
    const uint8_t *payload; /* inside bytes */
    size_t n_payload;
    struct bytes bytes; /* owned */
};
void record_release(struct record *r);

/* Which log: a database and a store's number. */
struct log_ref {
    sqlite3 *db;
    const char *schema;
    int store;
};

/* Make the log with a marker that has start as its tag and no record. */
int log_create(const struct log_ref *log, const uint8_t *store_id,
               struct moss_tag start, char **err);
/* SQLITE_CORRUPT (with text) if the log is missing or damaged. */
int log_read_marker(const struct log_ref *log, struct marker *out, char **err);
/* SQLITE_NOTFOUND: there is no longer such a record at that place. */
int log_read_record(const struct log_ref *log, struct log_place place,
                    struct moss_tag tag, struct record *out, char **err);
/*
 * Append rows until the ring holds at least want bytes.  *capacity becomes
 * what it holds then, for the next marker.
 */
int log_grow(const struct log_ref *log, uint64_t want, uint64_t *capacity,
             char **err);
/* Lay the record's bytes at place, then the marker.  Any code unchanged. */
int log_write(const struct log_ref *log, const struct record *r,
              const struct marker *m, char **err);
int
log_write_marker(const struct log_ref *log, const struct marker *m, char **err);
/*
 * Make the record of tag, prev and a payload, whose bytes r takes over; sets
 * place.len.
 */
void record_encode(struct record *r, struct bytes *payload);

/*
 * The changes of a batch as a record's payload, and back.  out begins with room
 * for the record's header, so that the record is made without a copy.
 */
int payload_begin(struct bytes *out, uint64_t n); /* of about n bytes */
/* Without that room.  Empty if it was not begun. */
struct moss_slice payload_of(const struct bytes *out);
int payload_collection(struct bytes *out, const char *path);
int payload_drop(struct bytes *out, const char *path);
/* Everything in the collection, and changed in it so far, is gone. */
int payload_clear(struct bytes *out);
int payload_op(struct bytes *out, enum moss_op op, struct moss_slice key,
               struct moss_slice value);

/* The changes are in a staged batch of the store; drops may stand before. */
int payload_staged(struct bytes *out, const struct moss_staged_info *info);

/*
 * What a payload says, in order.  Return other than SQLITE_OK stops.  staged
 * may be NULL, for who cannot do with such a payload: SQLITE_CORRUPT.
 */
struct payload_visitor {
    int (*collection)(void *arg, struct moss_slice path);
    int (*drop)(void *arg, struct moss_slice path);
    int (*clear)(void *arg); /* the collection of the last call */
    int (*op)(void *arg, enum moss_op op, struct moss_slice key,
              struct moss_slice value);
    void *arg;
    /* Length and checksum; the tag is the record's. */
    int (*staged)(void *arg, uint64_t length, uint64_t checksum);
};
/* SQLITE_CORRUPT if it is not well formed. */
int payload_visit(const uint8_t *p, size_t n, const struct payload_visitor *v);

#endif
