/*
 * Bytes as text, and back.
 *
 * Hex: two lower-case digits a byte.  Else: UTF-8 stands for itself; control
 * characters, the backslash and bytes that are no UTF-8 are escapes: \t, \n,
 * \r, \\, and \xHH for all others.
 */
#ifndef MOSSSCOPE_TEXT_H
#define MOSSSCOPE_TEXT_H

#include "scope.h"

bool text_is_utf8(struct moss_slice s);

/* also: another ASCII character to be written as \xHH; 0: none. */
void text_put(FILE *f, struct moss_slice s, bool hex, char also);
/* Append what the text stands for to out; false if it is malformed. */
bool text_get(struct moss_slice text, bool hex, struct buf *out);

/* ------------------------------------------------------------------ */
/* Paths of collections                                               */
/* ------------------------------------------------------------------ */

/* As deep as a store can be read. */
#define PATH_MAX_NAMES 65

/* The names on the way from the top level, borrowed; n 0: the top level. */
struct path {
    struct moss_slice names[PATH_MAX_NAMES];
    size_t n;
};

/* "" for the top level, else "/name/name", with "/" in names as \x2f. */
void path_put(FILE *f, const struct path *path);
/*
 * The path of such a text; the first "/" may be missing.  The names lie in
 * *bytes, which the caller releases.  False if it is malformed or too deep.
 */
bool path_get(struct moss_slice text, struct path *path, struct buf *bytes);

#endif
