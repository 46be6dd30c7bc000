/*
 * JSON exactly as Go's encoder writes it, nothing more: what can be read here
 * is, byte for byte, what Go writes for the values found.
 */
#ifndef MOSS_STORE_JSON_H
#define MOSS_STORE_JSON_H

#include "base/buf.h"
#include "moss.h"

/* ------------------------------------------------------------------ */
/* Writing                                                            */
/* ------------------------------------------------------------------ */

/* Each appends to b; MOSS_NOMEM. */
MOSS_MUST_CHECK enum moss_status json_put(struct buf *b, const char *text);
MOSS_MUST_CHECK enum moss_status json_put_uint(struct buf *b, uint64_t v);
/* A string of 16 hexadecimal digits, quotes included. */
MOSS_MUST_CHECK enum moss_status json_put_hex(struct buf *b, uint64_t v);
/* Quotes included, with Go's escapes. */
MOSS_MUST_CHECK enum moss_status
json_put_string(struct buf *b, struct moss_slice s);

/* ------------------------------------------------------------------ */
/* Reading                                                            */
/* ------------------------------------------------------------------ */

/* What is left to read.  It moves on only over what was as expected. */
struct json_reader {
    const uint8_t *p, *end;
};

/* Is this text next?  If so, skip it. */
bool json_skip(struct json_reader *r, const char *text);
/* A number without sign, leading zero, fraction or exponent. */
bool json_get_uint(struct json_reader *r, uint64_t *v);
/* What json_put_hex() writes. */
bool json_get_hex(struct json_reader *r, uint64_t *v);
/*
 * A string, quotes included; its bytes are appended to out.  *replaced is set
 * if it was written from bytes that are not UTF-8, which Go's encoder gives
 * up for U+FFFD.  MOSS_CORRUPT or MOSS_NOMEM.
 */
MOSS_MUST_CHECK enum moss_status
json_get_string(struct json_reader *r, struct buf *out, bool *replaced);

#endif
