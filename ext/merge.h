/*
 * MERGE columns: what INSERT does to a row that is there already, written as
 * merge operands of whole rows.
 */
#ifndef MOSS_EXT_MERGE_H
#define MOSS_EXT_MERGE_H

#include "record.h"
#include "schema.h"

/*
 * An operand: how many parts the key has, notes as in a record, then for each
 * column of the record a head and a value.  See DESIGN.md.
 */
enum {
    MERGE_RULE_MASK = 0x0f, /* of a head: enum merge_rule */
    MERGE_COLLATION_SHIFT = 4,
    MERGE_COLLATION_MASK = 0x03,
    MERGE_HAS_BASE = 0x80 /* what rows without the column have comes first */
};

/*
 * The operator of stores with typed rows.  It knows no table, and calls no
 * SQLite function, as the library runs it on threads of its own.
 */
extern const struct moss_merge_operator merge_rows;

/*
 * Definitions of columns without their MERGE rules, which SQLite does not
 * know, and the rules.
 */
struct merge_rules {
    const char **args; /* the definitions; some are owned */
    char **owned;      /* those that had a rule */
    enum merge_rule *rules;
    int n;
};

/* Release r in any case. */
int merge_rules_strip(struct merge_rules *r, const char *const *args, int n,
                      char **err);
/* Give the rules to the columns of s, which can all have theirs. */
int merge_rules_read(const struct merge_rules *r, enum codec codec,
                     struct schema *s, char **err);
void merge_rules_release(struct merge_rules *r);
const char *merge_name(enum merge_rule rule); /* not of MERGE_NONE */

/*
 * datum_convert() for a column with a rule, by whatever statement it is
 * written: sums are of numbers (*fits is false else), and what is appended is
 * text.
 */
int merge_convert(const struct column *column, sqlite3_value *v,
                  struct datum *d, sqlite3_value **owned, bool *fits);

/* Build an operand: its beginning, then each column of the record. */
int merge_begin(struct bytes *out, const uint8_t *notes, size_t n_notes);
int
merge_append(struct bytes *out, const struct column *c, const struct datum *d);

#endif
