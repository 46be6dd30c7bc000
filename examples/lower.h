/*
 * Two lower levels of their own: a collection over them keeps its content in
 * a SQLite database or in LevelDB instead of mossStore's files.
 */
#ifndef EXAMPLES_LOWER_H
#define EXAMPLES_LOWER_H

#include "moss.h"

/*
 * Open the database file or directory at path, which is made if need be, for
 * one collection at a time; *out is for moss_collection_open().  merge (NULL:
 * none) is borrowed until the lower level is closed.  err may be NULL.
 */
MOSS_MUST_CHECK enum moss_status
lower_sqlite_open(const char *path, const struct moss_merge_operator *merge,
                  struct moss_lower **out, struct moss_error *err);
/*
 * The directory stays locked until the last snapshot of it is released, also
 * after the collection was closed.
 */
MOSS_MUST_CHECK enum moss_status
lower_leveldb_open(const char *path, const struct moss_merge_operator *merge,
                   struct moss_lower **out, struct moss_error *err);

#endif
