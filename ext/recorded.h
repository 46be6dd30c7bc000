/* Declarations as they are recorded, and whether two of them fit. */
#ifndef MOSS_EXT_RECORDED_H
#define MOSS_EXT_RECORDED_H

#include "ext.h"
#include "schema.h"

/* Parse the text of a table's columns (struct decl), as schema_parse(). */
int recorded_schema(const char *columns, enum codec codec, struct schema *out,
                    char **err);

/* How what is recorded with the rows relates to what a table declares. */
enum fit {
    FIT_SAME,
    FIT_MORE,  /* there are further columns at the end */
    FIT_FEWER, /* columns at the end are missing there */
    FIT_NOT
};

/*
 * FIT_NOT: *what says what the difference is.  *what is sqlite3_malloc'd, or
 * NULL; it also has the message of a failure.
 */
int recorded_fit(const char *there, enum codec codec, const char *here,
                 enum fit *fit, char **what);
int recorded_compare(const struct schema *there, const struct schema *here,
                     enum fit *fit, char **what);

#endif
