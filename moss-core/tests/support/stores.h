/*
 * A store under test, driven by hand: changes go straight to its lower level,
 * without a collection and its threads.
 */
#ifndef MOSS_TESTS_SUPPORT_STORES_H
#define MOSS_TESTS_SUPPORT_STORES_H

#include "moss.h"
#include "moss_os.h"
#include "support/dump.h"
#include "support/fixture.h"

struct driver {
    struct moss_store_options options;
    const char *dir; /* borrowed */
    struct moss_store *store;
    struct moss_lower *lower;
    struct moss_snapshot *newest; /* what the lower level gave last */
    uint64_t n;                   /* of the last tag */
    struct moss_error err;        /* of the last call that failed */
};

/* options may be NULL.  A readonly store has no lower level. */
enum moss_status driver_open(struct driver *d, const char *dir,
                             const struct moss_store_options *options);
/* Also after a failed open, and twice. */
void driver_close(struct driver *d);
/* Close it, and open the store anew with the same options. */
void driver_reopen(struct driver *d);

/*
 * One update with the words of batch_of(), tagged {n, 100 n} where n is one
 * more than the last.  A failed one can be tried again.
 */
enum moss_status driver_apply(struct driver *d, const char *text);
/* The same with a batch, and with a tag as given. */
enum moss_status
driver_apply_batch(struct driver *d, const struct moss_batch *batch,
                   struct moss_tag tag);
/* Rename a child of the top level. */
enum moss_status
driver_rename(struct driver *d, const char *from, const char *to);

/* Open, apply one text, close; aborts unless all of it succeeds. */
void store_make(struct moss_os *os, const char *dir, const char *text);
/* What a store reads as, as dump_tree() writes it; to be freed. */
char *store_dump(struct moss_os *os, const char *dir);
/* Fail unless it reads so. */
void assert_store(struct moss_os *os, const char *dir, const char *text);
/* Fail unless the directory has these files, as dir_names() gives them. */
void assert_files(struct moss_os *os, const char *dir, const char *names);

struct moss_store_stats driver_stats(struct driver *d);
/* The path of the newest data file, to be freed. */
char *driver_data_path(struct driver *d);

#endif
