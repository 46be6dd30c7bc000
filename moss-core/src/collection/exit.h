/* Collections that a process forgets to close are flushed when it exits. */
#ifndef MOSS_COLLECTION_EXIT_H
#define MOSS_COLLECTION_EXIT_H

#include "collection/collection.h"

/* Flush c at exit unless exit_forget() comes before. */
MOSS_MUST_CHECK enum moss_status exit_watch(struct moss_collection *c);
/* Nothing if c is not watched. */
void exit_forget(struct moss_collection *c);

#endif
