/*
 * One side of the differential test: a database with its connections, and
 * what a step did there.
 */
#ifndef SQL_TESTS_DIFF_SIDE_H
#define SQL_TESTS_DIFF_SIDE_H

#include "diff_schema.h"
#include "diff_step.h"

enum { DIFF_MAX_CONNS = 2, DIFF_SLOTS = 48, DIFF_LAYOUT_SIZE = 800 };

/* How the tables under test are declared. */
struct diff_layout {
    const char *columns; /* NULL: none; an ordinary table has key and value */
    bool has_rowid;      /* no WITHOUT ROWID on the other side */
    /* What the moss table has besides: rows are the same without it. */
    const char *indexes;
    bool unique; /* the value, too: rows are to be changed in key order */
};

/* How the databases of an episode are opened, the same on both sides. */
struct diff_mode {
    const struct diff_layout *layout; /* unless there is a schema */
    struct diff_schema schema;        /* with columns: of all tables */
    int n_conns;
    bool in_memory; /* ":memory:", one connection */
    bool memdb;     /* the memdb VFS, shared by the connections */
    bool attached;  /* a second file, attached as aux */
    bool async;     /* durability='async' */
    bool utf16;
    char name[240];  /* for the report */
    char setup[200]; /* pragmas, run on every connection */
};

static inline bool
diff_mode_has_rowid(const struct diff_mode *mode)
{
    return mode->schema.n > 0 ? mode->schema.has_rowid
                              : mode->layout->has_rowid;
}

/* What follows the table's name in CREATE. */
void diff_layout_text(const struct diff_mode *mode, bool use_moss, char *out,
                      size_t size);

/* What a step did.  Rows are texts that tell types and bytes apart. */
struct diff_outcome {
    int rc;        /* extended; SQLITE_DONE is SQLITE_OK */
    char *message; /* "" without an error */
    char *columns;
    char **rows;
    size_t n_rows, cap_rows;
    int changes;
    int total_changes; /* by this step */
    int64_t rowid;
    bool autocommit;
};

struct diff_side {
    const struct diff_mode *mode;
    struct diff_dialect dialect;
    char layout[DIFF_LAYOUT_SIZE];
    bool is_moss;
    char path[600];
    sqlite3 *db[DIFF_MAX_CONNS];
    sqlite3_stmt *kept[DIFF_MAX_CONNS][DIFF_SLOTS];
    sqlite3_stmt *reading[DIFF_MAX_CONNS];
};

/*
 * Open a new database called name in dir.  use_moss false makes ordinary
 * tables.  A failure to open ends the program.
 */
void diff_side_open(struct diff_side *side, const struct diff_mode *mode,
                    const char *dir, const char *name, bool use_moss);
void diff_side_close(struct diff_side *side);

/* Do step.  *out is filled in anew; release it. */
void diff_side_run(struct diff_side *side, const struct diff_step *step,
                   struct diff_outcome *out);
/* The same with SQLite's optimizations off: they can be wrong. */
void diff_side_run_plainly(struct diff_side *side, const struct diff_step *step,
                           struct diff_outcome *out);
void diff_outcome_release(struct diff_outcome *out);

#endif
