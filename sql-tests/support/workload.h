/*
 * A reproducible sequence of transactions for the crash programs.
 *
 * Every change is made twice, to a table m_<x> (moss) and to its ordinary
 * twin o_<x>; transaction n also inserts n into the ordinary table txn.  What
 * transaction n does depends on the seed and n alone, so a third copy, the
 * model, is the same statements on ordinary tables in memory.  After a crash
 * the newest n in txn tells which transactions SQLite kept; the tables must
 * then read as the model did after n.
 */
#ifndef SQL_TESTS_WORKLOAD_H
#define SQL_TESTS_WORKLOAD_H

#include "harness.h"

enum workload_flags {
    WORKLOAD_DDL = 1,      /* create, rename and drop tables now and then */
    WORKLOAD_BIG = 2,      /* a transaction of about 700 KB now and then */
    WORKLOAD_WIDE = 8,     /* every transaction has 30 KB */
    WORKLOAD_INDEXED = 16, /* moss tables have indexes, which are checked */
    WORKLOAD_MODEL = 4     /* only the ordinary twins */
};

/* The tables before transaction 1. */
int workload_setup(sqlite3 *db, unsigned flags);

/*
 * BEGIN and the statements of transaction n; the caller says COMMIT.  Stops
 * at the first failure and returns its code.
 */
int workload_begin(sqlite3 *db, uint64_t seed, int64_t n, unsigned flags);

/* The newest transaction in db, 0 if none; -1 if there is no table txn. */
int64_t workload_newest(sqlite3 *db);

/* All tables m_ or o_ ('m' or 'o') as text without the prefix. */
char *workload_dump(sqlite3 *db, char prefix);

/* The texts of the model's states 0..n, or of the last `window` of them. */
struct workload_model {
    sqlite3 *db;
    char **states;
    int64_t n;
    int64_t window; /* 0: all; may be set after init */
    uint64_t seed;
    unsigned flags;
};
void
workload_model_init(struct workload_model *m, uint64_t seed, unsigned flags);
const char *workload_model_state(struct workload_model *m, int64_t n);
void workload_model_release(struct workload_model *m);

/*
 * Compare dumps of both kinds of tables with the model's state n.  A
 * difference ends the program.
 */
void workload_compare(struct workload_model *m, int64_t n, const char *ordinary,
                      const char *moss, const char *what);

/*
 * Check what db holds: some state n with low <= n <= high, in m_ and o_ and
 * the model alike, no damage.  Returns n.  A violation ends the program; what
 * says where it was found.
 */
int64_t workload_check(sqlite3 *db, struct workload_model *m, int64_t low,
                       int64_t high, const char *what);

#endif
