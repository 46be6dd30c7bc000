/* A commit point as it stands in the file (FORMAT.md, "Footers"). */
#ifndef MOSS_STORE_FOOTER_H
#define MOSS_STORE_FOOTER_H

#include "base/buf.h"
#include "moss.h"
#include "store/extras.h"
#include "store/file.h"

/* How deep collections may nest below the top-level one. */
#define FOOTER_MAX_DEPTH 64

/* A collection: its segments, oldest first, and its children by name. */
struct footer_coll {
    struct moss_slice name;   /* owned; empty for the top level */
    struct segment_loc *locs; /* the empty ones left out */
    size_t n_locs;
    struct footer_coll *children;
    size_t n_children;
    size_t index; /* in struct footer's colls */
};

struct footer {
    uint64_t off;    /* its place in the file */
    uint64_t length; /* what it takes there */
    uint64_t prev;   /* the older footer's place; 0: none */
    /* Without prev: the older footer, in the file that was left behind. */
    uint64_t older_file; /* its number; 0: none, or not known */
    uint64_t older_off;
    bool is_ours; /* has what Go moss does not write: tag and time */
    struct moss_tag tag;
    uint64_t time; /* Unix seconds */
    struct footer_coll top;

    /* All collections, each before its children; colls[0] is top. */
    struct footer_coll **colls;
    size_t n_colls;
    uint64_t n_locs;
};

/* An empty footer to be filled in; NULL without memory. */
struct footer *footer_new(void);
void footer_free(struct footer *f); /* NULL is fine */

/* Give coll n children, without names yet. */
MOSS_MUST_CHECK enum moss_status
footer_make_children(struct footer_coll *coll, size_t n);
MOSS_MUST_CHECK enum moss_status
footer_set_name(struct footer_coll *coll, struct moss_slice name);
/* Number the collections, once all of them are there. */
MOSS_MUST_CHECK enum moss_status footer_index(struct footer *f);

/* The child of that name, or NULL. */
const struct footer_coll *
footer_child(const struct footer_coll *coll, struct moss_slice name);

/*
 * Append f, which begins at f->off, as bytes to out, our fields and checksum
 * included; sets f->length.  MOSS_TOO_BIG, MOSS_NOMEM.
 */
MOSS_MUST_CHECK enum moss_status
footer_encode(struct footer *f, uint64_t nonce, struct buf *out);

/*
 * Read the footer at off in a file of size bytes.  nonce: of the file; NULL if
 * it has none, and so no footer of ours.  MOSS_CORRUPT: there is no good one.
 */
MOSS_MUST_CHECK enum moss_status
footer_read(struct file *file, uint64_t size, uint64_t off,
            const uint64_t *nonce, struct footer **out, struct moss_error *err);

/* The last good footer of a file; MOSS_CORRUPT if there is none. */
MOSS_MUST_CHECK enum moss_status
footer_scan(struct file *file, uint64_t size, const uint64_t *nonce,
            struct footer **out, struct moss_error *err);

/* ------------------------------------------------------------------ */
/* The text inside (footer_json.c)                                    */
/* ------------------------------------------------------------------ */

MOSS_MUST_CHECK enum moss_status
footer_put_json(const struct footer *f, struct buf *out);
/*
 * Fill in the empty f from the n bytes of text, which end before f->off.
 * MOSS_CORRUPT unless they are what Go moss or this library writes.
 */
MOSS_MUST_CHECK enum moss_status
footer_get_json(struct footer *f, const uint8_t *text, size_t n);

#endif
