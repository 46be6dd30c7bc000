/* Reading what entry_out.h writes. */
#ifndef MOSSSCOPE_ENTRY_IN_H
#define MOSSSCOPE_ENTRY_IN_H

#include "input.h"
#include "text.h"

/* An entry, or just a collection.  All is valid until the next one. */
struct entry_in {
    struct path path;
    bool has_key;
    struct buf key;
    bool has_value; /* else there are operands alone */
    struct buf value;
    struct buf *operands; /* oldest first */
    size_t n_operands, cap_operands;

    struct buf names; /* what path points into */
    struct buf word;  /* to work with */

    /* Where JSON stands: in an array, or behind its end. */
    bool has_begun, in_array, has_ended;
};

void entry_in_init(struct entry_in *e);
void entry_in_release(struct entry_in *e);

/*
 * The next entry of a text, or of JSON: an array of objects, or objects one
 * behind the other.  MOSS_OK, MOSS_DONE, or MOSS_CORRUPT: complained.
 */
enum moss_status entry_in_text(struct entry_in *e, struct input *in, bool hex);
enum moss_status entry_in_json(struct entry_in *e, struct input *in);

#endif
