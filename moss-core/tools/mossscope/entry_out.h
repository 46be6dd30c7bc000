/* Printing entries as the commands dump and history do. */
#ifndef MOSSSCOPE_ENTRY_OUT_H
#define MOSSSCOPE_ENTRY_OUT_H

#include "json_out.h"

struct entry_out {
    bool json, hex, keys_only;
    struct json_out w;
};

void entry_out_init(struct entry_out *o, const struct args *a);
void entry_out_end(struct entry_out *o);

/*
 * One entry.  As text: path, key, value, separated by tabs; for a value with
 * operands (see view.h) "\-" or "-" if there is nothing below them, and the
 * operands behind it.
 */
void entry_out_put(struct entry_out *o, const struct path *path,
                   struct moss_slice key, struct moss_slice value);
/* A collection that has nothing else to show that it is there. */
void entry_out_empty(struct entry_out *o, const struct path *path);

/* The value's fields, for those who print other things, too. */
void entry_out_value(struct entry_out *o, struct moss_slice value);

#endif
