/*
 * Collections under test: batches from text, callbacks that can be waited
 * for, and a collection over a toy lower level.
 */
#ifndef MOSS_TESTS_SUPPORT_COLL_H
#define MOSS_TESTS_SUPPORT_COLL_H

#include "base/sync.h"
#include "moss.h"
#include "support/dump.h"
#include "support/fixture.h"
#include "support/toy_lower.h"

/* Execute the words of batch_of(); tag n with the id n * 100, 0 for none. */
void run(struct moss_collection *c, const char *text);
void run_tagged(struct moss_collection *c, uint64_t n, const char *text);
/* Prepare them, without waiting. */
struct moss_prepared *prepared_of(struct moss_collection *c, const char *text);
struct moss_tag tag_of(uint64_t n);

/* moss_collection_get() as text, to be freed; "(none)" if there is none. */
char *get_text(struct moss_collection *c, const char *key);
void assert_get(struct moss_collection *c, const char *key, const char *want);
/* As assert_collection(), for the state after that tag. */
void assert_at(struct moss_collection *c, uint64_t n, const char *text);

/* What the callbacks of a collection have reported. */
struct heard {
    struct mutex mu;
    struct condvar changed;
    unsigned errors, merged, persisted, close_start, closed;
    unsigned events[8];   /* by enum moss_event */
    uint64_t event_ns[8]; /* all together */
    struct moss_error last_error;
    unsigned asked;            /* calls of before_persist */
    struct moss_tag asked_tag; /* of the last one */
    enum moss_status answer;   /* what they give */
};
void heard_init(struct heard *h);
void heard_release(struct heard *h);
/* Set the three callbacks and ctx. */
void heard_listen(struct heard *h, struct moss_collection_options *options);
/* Return when there were that many errors. */
void heard_wait_errors(struct heard *h, unsigned n);
void heard_wait_merged(struct heard *h, unsigned n);

/* A collection over a toy, with callbacks that are heard. */
struct over_toy {
    struct moss_collection_options options;
    struct heard heard;
    struct toy *toy;
    struct moss_collection *c; /* NULL while it is closed */
};
/* options may be NULL; its merge operator is the toy's, too. */
void over_toy_open(struct over_toy *o,
                   const struct moss_collection_options *options);
/* Close and open again. */
void over_toy_reopen(struct over_toy *o);
void over_toy_close(struct over_toy *o);
/* What the toy holds, as assert_tree() wants it. */
void assert_toy(struct over_toy *o, const char *text);

/* A collection over a store in a file system in memory. */
struct over_store {
    struct moss_collection_options options;
    struct moss_store_options store_options;
    struct mem_os *os;
    struct moss_collection *c; /* NULL while it is closed */
};
/* options may be NULL; its merge operator is the store's, too. */
void over_store_open(struct over_store *o,
                     const struct moss_collection_options *options);
/* Close and open again. */
void over_store_reopen(struct over_store *o);
void over_store_close(struct over_store *o);

/*
 * Return when the reaper's thread runs and is idle.  It uses the allocator:
 * before one is put in its place.
 */
void settle_reaper(void);

#endif
