/*
 * One step of the differential test: a statement with its values, or an
 * action on the connections.  Steps are data, so that a failing sequence can
 * be run again in parts and written out as a script.
 */
#ifndef SQL_TESTS_DIFF_STEP_H
#define SQL_TESTS_DIFF_STEP_H

#include "diff_value.h"

enum diff_action {
    DIFF_SQL,       /* run the statement to its end */
    DIFF_TEMPLATE,  /* the same with a statement kept prepared */
    DIFF_OPEN_READ, /* step a few rows and leave the statement open */
    DIFF_END_READ,  /* read the rest of it */
    DIFF_RECONNECT, /* close and open the step's connection */
    DIFF_REOPEN,    /* close all connections, then open them */
    DIFF_CHECK      /* have moss check its tables */
};

enum diff_compare {
    DIFF_ORDERED, /* rows in this order */
    DIFF_BAG,     /* the same rows, in any order */
    DIFF_CODE     /* rows are not compared: they are of the implementation */
};

/* What the texts of statements have in place of ... */
#define DIFF_VALUE "\x01"  /* the next of the step's values */
#define DIFF_TABLE "\x02"  /* "TABLE" or "VIRTUAL TABLE" */
#define DIFF_LAYOUT "\x03" /* "(key ...) ..." or "USING moss" */
/* At its beginning, the name of a table behind it: delete all its rows. */
#define DIFF_TRUNCATE "\x04"

enum { DIFF_MAX_VALUES = 64 };

struct diff_step {
    enum diff_action action;
    enum diff_compare compare;
    int conn;
    bool bound;                /* values are bound, not written into the text */
    bool is_change;            /* changes() is the statement's own */
    bool is_ddl;               /* total_changes() is not compared */
    int slot;                  /* of a template */
    const char *kind;          /* for the report; a literal */
    char *text;                /* of sqlite3_malloc; NULL without a statement */
    struct diff_value *values; /* an array of DIFF_MAX_VALUES, or NULL */
    int n_values;
};

struct diff_steps {
    struct diff_step *at;
    size_t n, cap;
};

void diff_step_release(struct diff_step *step);
/* Takes over *step. */
void diff_steps_append(struct diff_steps *steps, const struct diff_step *step);
void diff_steps_release(struct diff_steps *steps);

/* How a side says what the two sides say differently. */
struct diff_dialect {
    const char *table;  /* for DIFF_TABLE */
    const char *layout; /* for DIFF_LAYOUT */
    bool truncates;     /* DIFF_TRUNCATE is a command, else DELETE */
};

/* The SQL text of a step with a statement; sqlite3_free it. */
char *diff_step_sql(const struct diff_step *step,
                    const struct diff_dialect *dialect, bool bound);

/*
 * The step as lines of a script for the sqlite3 shell, which changes
 * connections with .connection; sqlite3_free it.
 */
char *diff_step_script(const struct diff_step *step,
                       const struct diff_dialect *dialect);

#endif
