/* What a staged batch is made of, for staged.c and staged_use.c. */
#ifndef MOSS_STORE_STAGED_H
#define MOSS_STORE_STAGED_H

#include "store/datafile.h"
#include "store/store.h"

/* A collection and its runs, oldest first. */
struct runs {
    struct moss_slice name; /* owned */
    struct segment_loc *locs;
    size_t n;
    bool has_operands;
    struct runs *children; /* sorted by name */
    size_t n_children;
};

/* A collection, by its names. */
struct staged_path {
    struct moss_slice *names; /* the array and each name are owned */
    size_t n;
};

struct moss_staged {
    struct moss_store *store; /* one reference */
    struct moss_tag tag;
    struct identity id;
    struct file *file; /* one reference */
    struct segwriter w;
    struct runs top;
    struct moss_staged_options options;
    struct file_watch watch;    /* of file, for options.go_on */
    struct moss_slice *dropped; /* names, each owned; not in the file */
    size_t n_dropped;
    struct staged_path *cleared; /* not in the file, either */
    size_t n_cleared;
    bool failed;
    struct commit *commit; /* once it is finished; one reference */
};

/* Its file's path, to be freed with mem_free(), or NULL. */
char *staged_path(const struct moss_store *s, struct moss_tag tag);
/* One with its file opened, or made, with flags as in moss_os.h. */
MOSS_MUST_CHECK enum moss_status
staged_new(struct moss_store *s, struct moss_tag tag, unsigned flags,
           struct moss_staged **out, struct moss_error *err);
/* Free it; its file stays. */
void staged_release(struct moss_staged *g);

#endif
