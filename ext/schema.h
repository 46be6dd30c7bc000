/*
 * What the columns of a moss table are: names, types, the key.  Read from the
 * column definitions of CREATE VIRTUAL TABLE by SQLite's own parser.
 */
#ifndef MOSS_EXT_SCHEMA_H
#define MOSS_EXT_SCHEMA_H

#include "ext.h"

enum affinity {
    AFFINITY_BLOB, /* none */
    AFFINITY_TEXT,
    AFFINITY_NUMERIC,
    AFFINITY_INTEGER,
    AFFINITY_REAL
};

static inline bool
affinity_is_numeric(enum affinity a)
{
    return a >= AFFINITY_NUMERIC;
}

/* A collation that a key can be sorted by; COLLATION_OTHER is none of them. */
enum collation {
    COLLATION_BINARY,
    COLLATION_NOCASE,
    COLLATION_RTRIM,
    COLLATION_OTHER
};

/* By its name, which may be NULL. */
enum collation collation_find(const char *name);

/* What INSERT makes of a column of a row that is there; see merge.h. */
enum merge_rule {
    MERGE_NONE = 0, /* none is declared: the new value */
    MERGE_LAST,     /* the same, but declared */
    MERGE_SUM,
    MERGE_MIN,
    MERGE_MAX,
    MERGE_APPEND,
    MERGE_FIRST, /* not declared: columns of the key keep their value */
    MERGE_N
};

struct column {
    char *name;
    char *type; /* as declared, "" if it was not */
    enum affinity affinity;
    char *collation; /* its name */
    bool not_null;
    enum merge_rule merge;
    char *default_text;      /* DEFAULT's expression; NULL: none */
    sqlite3_value *fallback; /* its value with the affinity applied; NULL:
                                none, or of the clock */
    int part;                /* of the key that it is, or -1 */
    int stored;              /* its place in the record; -1: the key has it */
};

/* A column of the key, or of an index. */
struct key_part {
    int column; /* -1: the rowid, which is no column */
    bool desc;
    bool nullable; /* never in a key */
    enum collation collation;
    enum affinity affinity;
};

/* Where an index entry has a column: in a part, or in its record; or -1. */
struct place {
    int part, stored;
};

/* INDEX or UNIQUE; see DESIGN.md, "Secondary indexes". */
struct index {
    char *name;  /* as declared, or made of the columns' */
    char *child; /* of its collection, a child of the table's */
    bool unique;
    struct key_part *parts; /* its own columns, then the parts of the key */
    int n_own, n;
    struct place *places; /* of each column of the table */
};

struct schema {
    struct column *columns;
    int n;
    struct key_part *key;
    int n_key;
    int n_stored;          /* columns in a record */
    bool merges;           /* a column has a MERGE rule */
    struct index *indexes; /* in the order in which they are checked */
    int n_indexes;
    int key_place; /* so many are checked before the key */

    /*
     * The key is the rowid: the column declared INTEGER PRIMARY KEY, or no
     * column at all.  Else it is a WITHOUT ROWID table.
     */
    bool has_rowid;

    /* Set by schema_declare(). */
    char *declaration;  /* for sqlite3_declare_vtab() */
    int commit_column;  /* the commit point that a row is read from */
    int command_column; /* named as the table; -1: a column has that name */
    int arg_column;     /* the command's argument; -1 without a command */
    int key_column;     /* the key's bytes, if it has several parts; or -1 */
};

/* The hidden columns' names, but for the command's. */
#define COMMIT_COLUMN_NAME "moss_commit"
#define ARG_COLUMN_NAME "arg" /* or, if that is taken: */
#define OTHER_ARG_COLUMN_NAME "moss_arg"
#define KEY_COLUMN_NAME "moss_key"

/*
 * Parse column definitions and table constraints, as they stand in the
 * arguments args[0..n), n > 0.  *err is sqlite3_malloc'd on failure.
 */
int schema_parse(const char *const *args, int n, enum codec codec,
                 struct schema *out, char **err);
void schema_release(struct schema *s); /* idempotent */

/* Choose the hidden columns of a table of that name, and its declaration. */
int schema_declare(struct schema *s, const char *table, char **err);

/* The part of the key that SQLite's column number (-1: rowid) is, or -1. */
int schema_part(const struct schema *s, int column);
/* The name of a column, for people; "rowid" if it is none (-1). */
const char *schema_column_name(const struct schema *s, int column);
/* The name of a part, for people; "rowid" if it is no column. */
const char *schema_part_name(const struct schema *s, int part);

/* --------------------------------------------------------- schema_index.c */

/* Is this argument an INDEX or UNIQUE INDEX? */
bool schema_is_index(const char *arg);
/*
 * Declare those of the arguments in the private database, then read all
 * indexes of the table x there into s, whose columns and key are known.
 */
int schema_read_indexes(sqlite3 *db, const char *const *args, int n,
                        struct schema *s, char **err);
void schema_release_indexes(struct schema *s); /* idempotent */

/* ---------------------------------------------------------------- token.c */

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* an identifier or keyword */
    TOKEN_QUOTED, /* an identifier in quotes */
    TOKEN_STRING, /* 'text' */
    TOKEN_OTHER   /* a number, or one character */
};

struct token {
    enum token_kind kind;
    const char *text;
    size_t n;
};

/* The token at *p, white space and comments skipped; moves *p behind it. */
struct token token_next(const char **p);
/* Is it this word, in any case? */
bool token_is(const struct token *t, const char *word);
/* Is it this character? */
bool token_is_char(const struct token *t, char c);
/* An identifier or string without its quotes; NULL without memory. */
char *token_value(const struct token *t);
/*
 * Is it a DELETE or UPDATE of a table of that name?  Then no trigger fires, if
 * that is a virtual one.  No if sql is NULL, or without memory.
 */
bool token_is_target(const char *sql, const char *table);

#endif
