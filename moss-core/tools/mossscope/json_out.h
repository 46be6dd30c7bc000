/* Writing JSON to a stream, value after value. */
#ifndef MOSSSCOPE_JSON_OUT_H
#define MOSSSCOPE_JSON_OUT_H

#include "text.h"

/* What is in the outermost array or object stands on a line of its own. */
struct json_out {
    FILE *f;
    size_t depth;
    bool has_items[8]; /* at each depth */
};

void json_out_init(struct json_out *w, FILE *f);

/* name is that of the value in an object, NULL in an array. */
void json_open(struct json_out *w, const char *name, char bracket);
void json_close(struct json_out *w, char bracket);
void json_uint(struct json_out *w, const char *name, uint64_t v);
void json_bool(struct json_out *w, const char *name, bool v);
void json_text(struct json_out *w, const char *name, const char *text);
/* As 16 hexadecimal digits. */
void json_id(struct json_out *w, const char *name, uint64_t v);
/* A path as an array of names. */
void json_path(struct json_out *w, const char *name, const struct path *path);
/*
 * Bytes as a string: themselves, if they are UTF-8, else under the name with
 * an "x" behind it in hex, as always with hex.  In an array: an object with
 * the one name "x", if they are not UTF-8 or with hex.
 */
void
json_bytes(struct json_out *w, const char *name, struct moss_slice s, bool hex);

#endif
