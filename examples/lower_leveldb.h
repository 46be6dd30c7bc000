/* What the two halves of the LevelDB lower level share; lower.h is for users. */
#ifndef EXAMPLES_LOWER_LEVELDB_H
#define EXAMPLES_LOWER_LEVELDB_H

#include <leveldb/c.h>
#include <stdatomic.h>

#include "moss.h"

enum { ID_BYTES = 8, META_BYTES = 32 };

/* A key of LevelDB's; few bytes need no memory of their own. */
struct key {
    uint8_t *bytes; /* few, or allocated */
    size_t len;
    uint8_t few[128];
};

/* The open database, which snapshots keep open. */
struct database {
    atomic_uint refs;
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_writeoptions_t *write;
};

/* What the snapshots of one update share. */
struct view {
    atomic_uint refs;
    struct database *database; /* one reference */
    const leveldb_snapshot_t *snapshot;
    leveldb_readoptions_t *read; /* from that snapshot */
    struct moss_tag tag;
    uint64_t top, next_id;
};

struct snapshot {
    struct moss_snapshot base;
    atomic_uint refs;
    struct view *view; /* one reference */
    uint64_t id;       /* the collection's */
};

/* What LevelDB says, which is freed; NULL is MOSS_OK. */
enum moss_status ldb_status(char *error);

void ldb_store_id(uint8_t *p, uint64_t id);
/* kind, id, rest; to be freed with ldb_key_free(). */
enum moss_status
ldb_key_make(struct key *k, char kind, uint64_t id, struct moss_slice rest);
void ldb_key_free(struct key *k);

void ldb_database_unref(struct database *d);
/* What is written by now; one reference.  Takes its own to d. */
enum moss_status ldb_view_open(struct database *d, struct view **out);
void ldb_view_unref(struct view *v);
/* The collection of that id; takes its own reference to v. */
enum moss_status
ldb_snapshot_new(struct view *v, uint64_t id, struct moss_snapshot **out);

/* Over the keys of one kind and of s; without hi, up to the next id. */
enum moss_status
ldb_iterate(struct snapshot *s, char kind, const struct moss_slice *lo,
            const struct moss_slice *hi, struct moss_iterator **out);

#endif
