/*
 * Random steps for the differential test.  diff_gen.c chooses, diff_ddl.c
 * writes what changes tables and transactions.  An episode's tables have the
 * columns key and value, then diff_query.c writes SELECTs, diff_change.c the
 * statements that change rows, diff_expr.c conditions; or they have a random
 * schema (diff_schema.c), then the diff_wide_ files do.
 *
 * Only what SQL defines is generated: rows whose order is left open are
 * compared as a bag, no LIMIT without a total order, no statement whose
 * result depends on the order in which rows are visited.  Left out is what
 * no virtual table can do (UPDATE with RETURNING, UPSERT, indexes and triggers
 * on the table, added columns), and UPDATEs whose expressions read rows that
 * the same statement has changed.
 */
#ifndef SQL_TESTS_DIFF_GEN_H
#define SQL_TESTS_DIFF_GEN_H

#include "diff_side.h"

enum { DIFF_POOL = 72, DIFF_KEPT = 16 };

struct diff_gen {
    struct rng rng;
    const struct diff_mode *mode;
    struct diff_value pool[DIFF_POOL]; /* keys that are used again */

    /* The step being written. */
    struct diff_step *step;
    sqlite3_str *out;
    const char *target; /* the table that it changes, or NULL */

    /* Statements of wide tables that are run again with other values. */
    struct diff_step kept[DIFF_KEPT];

    int n_steps; /* steps so far */
    bool bulk;   /* an episode with tables of a thousand rows */

    /* What is known of the databases; good guesses are enough. */
    bool in_transaction[DIFF_MAX_CONNS];
    char savepoints[DIFF_MAX_CONNS][16]; /* digits, the innermost last */
    int conn;                            /* of the step before */
    int reader;       /* the connection with an open statement, or -1 */
    int reader_left;  /* steps until the rest is read */
    char missing[16]; /* a table that some statement did not find, or "" */
};

void
diff_gen_init(struct diff_gen *g, struct rng rng, const struct diff_mode *mode);
void diff_gen_release(struct diff_gen *g);

/* Write the next step; the caller owns its memory. */
void diff_gen_next(struct diff_gen *g, struct diff_step *out);
/* Tell the generator how a step ended on the reference side. */
void diff_gen_note(struct diff_gen *g, const struct diff_step *step,
                   const struct diff_outcome *outcome);

/* A random mode for an episode. */
void diff_mode_random(struct rng *r, struct diff_mode *mode);

/* ------------------------------- between the files of the generator */

/* The names by which an expression can call a key and a value. */
struct diff_scope {
    const char *key;
    const char *value;
};

void gen_emit(struct diff_gen *g, const char *format, ...);
/* One of the NULL-terminated list of texts. */
const char *gen_pick(struct diff_gen *g, const char *const *texts);
#define PICK(g, ...) gen_pick(g, (const char *const[]){ __VA_ARGS__, NULL })
bool gen_chance(struct diff_gen *g, unsigned percent);
int gen_between(struct diff_gen *g, int lo, int hi);

void gen_value(struct diff_gen *g); /* of any type, NULL included */
void gen_key(struct diff_gen *g);   /* mostly one that was used before */
void gen_text(struct diff_gen *g, const char *text);
void gen_small(struct diff_gen *g); /* an integer of one or two digits */
void gen_pool_value(struct diff_gen *g, int i);
const char *gen_comparison(struct diff_gen *g); /* an operator */
void gen_predicate(struct diff_gen *g, const struct diff_scope *s, int depth);
/* A range or list on the key alone: both sides visit its rows in key order. */
void gen_key_range(struct diff_gen *g, const char *key);
void gen_order_by_key(struct diff_gen *g, const char *key);
const char *gen_moss_table(struct diff_gen *g); /* a table under test */
/* One that the step does not change: what a condition reads is stable. */
const char *gen_read_table(struct diff_gen *g);
const char *gen_plain_table(struct diff_gen *g); /* an ordinary one */

void gen_write_query(struct diff_gen *g);
void gen_write_change(struct diff_gen *g);
void gen_write_plain_change(struct diff_gen *g);
void gen_write_ddl(struct diff_gen *g);
void gen_write_create(struct diff_gen *g, const char *table);
void gen_write_transaction(struct diff_gen *g);
void gen_write_mistake(struct diff_gen *g);
void gen_write_template(struct diff_gen *g);

/* ---------------------------- for the tables of a random schema (wide) */

/* The same for tables with a schema of the mode's. */
void gen_wide_query(struct diff_gen *g);
void gen_wide_change(struct diff_gen *g);
void gen_wide_nested_query(struct diff_gen *g);
void gen_wide_nested_change(struct diff_gen *g);
void gen_wide_trigger(struct diff_gen *g); /* on the view v1 */

/* alias is "" or "a.": what stands before each column. */
void wide_predicate(struct diff_gen *g, const char *alias, int depth);
/*
 * A condition by which both sides visit rows in key order, at most one where
 * they see that order differently.
 */
void wide_key_range(struct diff_gen *g, const char *alias);
/* Comparisons with "=" on the first parts of the key, as many as wanted. */
void wide_equal_parts(struct diff_gen *g, const char *alias, int n);
/* A total order. */
void wide_order_by_key(struct diff_gen *g, const char *alias);
const struct diff_column *wide_column(struct diff_gen *g); /* mostly a part */
/* A part of the key, if there is one. */
const struct diff_column *wide_part(struct diff_gen *g);
/* A value to put into the column, or to compare it with. */
void wide_value(struct diff_gen *g, const struct diff_column *c);

#endif
