/*
 * A store that a large batch is staged in, and a collection over it: what the
 * tests of staged batches share.
 */
#ifndef MOSS_TESTS_SUPPORT_STAGING_H
#define MOSS_TESTS_SUPPORT_STAGING_H

#include "moss.h"
#include "support/fault_os.h"
#include "support/mem_os.h"

#define STAGING_DIR "/store"
/* The file of the batch with staging_tag, 7 and 700. */
#define STAGING_NAME                                                           \
    STAGING_DIR "/moss-staged-0000000000000007-00000000000002bc"

extern const struct moss_tag staging_tag;
/* A batch in three pieces. */
extern const char *const staging_pieces[3];

struct staging {
    struct mem_os *mem;
    struct fault_os *fault; /* over mem */
    struct moss_store *store;
    struct moss_collection *c; /* NULL: none is open */
    struct moss_error err;     /* of the last call */
};
/* The one of the test that runs, which staging_setup() empties. */
extern struct staging sg;

/* Fixtures: files in memory; the teardown closes what is open. */
void staging_setup(void);
void staging_teardown(void);

enum moss_status staging_open_store(const struct moss_merge_operator *merge);
/* The store, and the collection over it. */
void staging_open(const struct moss_merge_operator *merge);
/* Everything persisted, and no file open. */
void staging_close(void);

/* Execute the words of batch_of(). */
void staging_run(const char *text);
/* Stage them as a piece. */
enum moss_status staging_add(struct moss_staged *g, const char *text);
/* All pieces, finished; *out is NULL if that failed. */
enum moss_status
staging_stage(struct moss_staged **out, struct moss_staged_info *info);
/* Prepare g over sg.c, and publish. */
enum moss_status staging_publish(struct moss_staged *g);
bool staging_has_file(void);
/* For moss_staged_sweep(): counts in the int ctx, and keeps number 8. */
bool staging_keep_8(void *ctx, struct moss_tag tag);

#endif
