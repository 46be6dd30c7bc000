/*
 * What a cursor keeps when it is closed, for the next one: memory, and the plan
 * that it read last.  Nothing of a row or a state.
 */
#ifndef MOSS_EXT_CURSOR_MEMORY_H
#define MOSS_EXT_CURSOR_MEMORY_H

#include "plan.h"
#include "reader.h"
#include "sorted.h"

/* All zero at first. */
struct cursor_memory {
    struct ranges ranges;
    struct ranges part;   /* of one part, while ranges are made */
    struct sorted sorted; /* of ranges that are not in the wanted order */
    struct reader scan;   /* the row or entry at hand */
    struct reader row;    /* the row that an index entry names */
    /* What xFilter was told last, and what that means; n is 0: nothing. */
    struct bytes plan_text;
    int plan_number;
    struct plan plan;
};

void cursor_memory_release(struct cursor_memory *m);
/* Is it worth keeping? */
bool cursor_memory_is_small(const struct cursor_memory *m);
/* Make m->plan what plan_parse() makes of the text; its result codes. */
int cursor_memory_plan(struct cursor_memory *m, const struct schema *schema,
                       int number, const char *text);

#endif
