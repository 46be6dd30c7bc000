/*
 * Columns.  SQLite's own parser reads the definitions: they are declared as
 * an ordinary table in a private database in memory, and its pragmas are asked
 * what came of it.  What an ordinary table would do and a moss table does not
 * is refused by name before that, so that nothing is dropped in silence.
 *
 * A key is INTEGER PRIMARY KEY, or no key at all, which makes a table with
 * rowids; or any other PRIMARY KEY, which makes one WITHOUT ROWID.  SQLite
 * wants a virtual table of that kind to have a key of one column: if it has
 * several, a hidden column holds their bytes.
 */
#include "schema.h"

#include "merge.h"

#include <string.h>

#include "private.h"

/* ------------------------------------------------------------- refusals */

/* Words that say what cannot be honoured, outside of parentheses. */
static const char *const refused[] = {
    "CHECK", "AUTOINCREMENT", "GENERATED", "AS", "REFERENCES",
    "ON",    "FOREIGN",       "INDEX",
};

/* The word of args that is refused, or NULL. */
static const char *
find_refused(const char *const *args, int n)
{
    for (int i = 0; i < n; i++) {
        const char *p = args[i];
        int depth = 0;

        if (schema_is_index(args[i]))
            continue; /* read by schema_index.c */
        for (struct token t = token_next(&p); t.kind != TOKEN_END;
             t = token_next(&p)) {
            depth += token_is_char(&t, '(') - token_is_char(&t, ')');
            for (size_t k = 0; k < sizeof(refused) / sizeof(refused[0]); k++) {
                if (depth == 0 && token_is(&t, refused[k]))
                    return refused[k];
            }
            /* Within the parentheses of a key, too. */
            if (token_is(&t, "AUTOINCREMENT"))
                return "AUTOINCREMENT";
        }
    }
    return NULL;
}

/* ------------------------------------------------------ the private table */

/* Declare the table x from the arguments. */
static int
private_declare(sqlite3 *db, const char *const *args, int n, char **err)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    bool first = true;
    char *columns;
    int rc;

    for (int i = 0; i < n; i++) {
        if (schema_is_index(args[i]))
            continue;
        sqlite3_str_appendf(text, "%s%s\n", first ? "" : ",", args[i]);
        first = false;
    }
    columns = sqlite3_str_finish(text);
    if (columns == NULL)
        return SQLITE_NOMEM;
    rc = private_run(db, err, "CREATE TABLE x(%s)", columns);
    sqlite3_free(columns);
    return rc;
}

/* ------------------------------------------------------------- defaults */

/* One of the three defaults that ask the clock? */
static bool
is_clock(const char *text)
{
    const char *p = text;
    struct token t = token_next(&p), end = token_next(&p);

    return end.kind == TOKEN_END &&
           (token_is(&t, "CURRENT_TIME") || token_is(&t, "CURRENT_DATE") ||
            token_is(&t, "CURRENT_TIMESTAMP"));
}

/* A bare word is a text, unless it is one of these. */
static bool
is_bare_text(const char *text)
{
    const char *p = text;
    struct token t = token_next(&p), end = token_next(&p);

    return end.kind == TOKEN_END &&
           (t.kind == TOKEN_QUOTED ||
            (t.kind == TOKEN_WORD && !token_is(&t, "TRUE") &&
             !token_is(&t, "FALSE") && !token_is(&t, "NULL") &&
             !is_clock(text)));
}

/* A DEFAULT as an expression; NULL without memory. */
static char *
default_expression(const char *text)
{
    const char *p = text;
    struct token t;
    char *value, *out;

    if (!is_bare_text(text))
        return sqlite3_mprintf("%s", text);
    t = token_next(&p);
    value = token_value(&t);
    if (value == NULL)
        return NULL;
    out = sqlite3_mprintf("%Q", value);
    sqlite3_free(value);
    return out;
}

/* -------------------------------------------------------------- columns */

static bool
contains(const char *type, const char *part)
{
    size_t n = strlen(part);

    for (; *type != '\0'; type++) {
        if (sqlite3_strnicmp(type, part, (int)n) == 0)
            return true;
    }
    return false;
}

/* By the rules of "Determination Of Column Affinity". */
static enum affinity
affinity_of(const char *type)
{
    if (contains(type, "INT"))
        return AFFINITY_INTEGER;
    if (contains(type, "CHAR") || contains(type, "CLOB") ||
        contains(type, "TEXT"))
        return AFFINITY_TEXT;
    if (contains(type, "BLOB") || *type == '\0')
        return AFFINITY_BLOB;
    if (contains(type, "REAL") || contains(type, "FLOA") ||
        contains(type, "DOUB"))
        return AFFINITY_REAL;
    return AFFINITY_NUMERIC;
}

static const char *
affinity_name(enum affinity a)
{
    static const char *const names[] = { "BLOB", "TEXT", "NUMERIC", "INTEGER",
                                         "REAL" };

    return names[a];
}

enum collation
collation_find(const char *name)
{
    if (name == NULL || sqlite3_stricmp(name, "BINARY") == 0)
        return COLLATION_BINARY;
    if (sqlite3_stricmp(name, "NOCASE") == 0)
        return COLLATION_NOCASE;
    if (sqlite3_stricmp(name, "RTRIM") == 0)
        return COLLATION_RTRIM;
    return COLLATION_OTHER;
}

/* A copy of a result's text; "" if it is NULL. */
static char *
column_text(sqlite3_stmt *stmt, int i)
{
    const char *text = (const char *)sqlite3_column_text(stmt, i);

    return sqlite3_mprintf("%s", text == NULL ? "" : text);
}

static int
read_column(sqlite3 *db, sqlite3_stmt *stmt, struct column *c)
{
    const char *collation = NULL;
    int not_null = 0, rc;

    c->part = -1;
    c->name = column_text(stmt, 0);
    c->type = column_text(stmt, 1);
    if (c->name == NULL || c->type == NULL)
        return SQLITE_NOMEM;
    if (sqlite3_column_type(stmt, 2) != SQLITE_NULL) {
        c->default_text =
            default_expression((const char *)sqlite3_column_text(stmt, 2));
        if (c->default_text == NULL)
            return SQLITE_NOMEM;
    }
    rc = sqlite3_table_column_metadata(db, "main", "x", c->name, NULL,
                                       &collation, &not_null, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    c->affinity = affinity_of(c->type);
    c->not_null = not_null != 0;
    c->collation =
        sqlite3_mprintf("%s", collation == NULL ? "BINARY" : collation);
    return c->collation == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int
read_columns(sqlite3 *db, struct schema *s, char **err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = private_prepare(
        db, "SELECT name, type, dflt_value FROM pragma_table_xinfo('x')", &stmt,
        err);

    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        struct column *grown =
            sqlite3_realloc64(s->columns, ((size_t)s->n + 1) * sizeof(*grown));

        if (grown == NULL) {
            rc = SQLITE_NOMEM;
            break;
        }
        s->columns = grown;
        memset(&grown[s->n], 0, sizeof(*grown));
        rc = read_column(db, stmt, &grown[s->n++]);
    }
    return private_finish(db, stmt, rc, err);
}

/* Find out the value of a constant default. */
static int
read_default(sqlite3 *db, struct column *c, char **err)
{
    sqlite3_stmt *stmt = NULL;
    int rc;

    if (c->default_text == NULL || is_clock(c->default_text))
        return SQLITE_OK;
    /* Only what is constant may stand in a generated column. */
    rc = private_run(db, err,
                     "CREATE TABLE IF NOT EXISTS y(a, b AS (%s), UNIQUE(b))",
                     c->default_text);
    if (rc != SQLITE_OK && rc != SQLITE_NOMEM) {
        sqlite3_free(*err);
        *err = sqlite3_mprintf("moss: the DEFAULT of column %s is not constant",
                               c->name);
    }
    if (rc == SQLITE_OK)
        rc = private_run(db, err, "DROP TABLE y");
    /* A column applies its affinity. */
    if (rc == SQLITE_OK)
        rc = private_run(db, err, "CREATE TABLE y(c %s)",
                         affinity_name(c->affinity));
    if (rc == SQLITE_OK)
        rc = private_run(db, err, "INSERT INTO y VALUES(%s)", c->default_text);
    if (rc == SQLITE_OK)
        rc = private_prepare(db, "SELECT c FROM y", &stmt, err);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        c->fallback = sqlite3_value_dup(sqlite3_column_value(stmt, 0));
        rc = c->fallback == NULL ? SQLITE_NOMEM : SQLITE_OK;
    } else if (rc == SQLITE_OK) {
        rc = private_error(db, sqlite3_errcode(db), err);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? private_run(db, err, "DROP TABLE y") : rc;
}

/* ------------------------------------------------------------------ key */

static int
add_part(struct schema *s, int column, bool desc, enum collation collation)
{
    struct key_part *grown;
    struct key_part part = { column, desc, false, collation, AFFINITY_INTEGER };

    if (column >= 0 && s->columns[column].part >= 0)
        return SQLITE_OK; /* PRIMARY KEY(a, a) */
    grown = sqlite3_realloc64(s->key, ((size_t)s->n_key + 1) * sizeof(*grown));
    if (grown == NULL)
        return SQLITE_NOMEM;
    if (column >= 0) {
        part.affinity = s->columns[column].affinity;
        s->columns[column].part = s->n_key;
    }
    s->key = grown;
    grown[s->n_key++] = part;
    return SQLITE_OK;
}

/* The columns of the index that SQLite made for the key. */
static int
read_key_index(sqlite3 *db, struct schema *s, char **err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = private_prepare(
        db,
        "SELECT i.cid, i.desc, i.coll FROM pragma_index_list('x') AS l,"
        " pragma_index_xinfo(l.name) AS i"
        " WHERE l.origin = 'pk' AND i.key ORDER BY i.seqno",
        &stmt, err);

    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 2);
        enum collation collation = collation_find(name);

        if (collation == COLLATION_OTHER) {
            *err = sqlite3_mprintf("moss: a key cannot be in collation %s; it"
                                   " can be in BINARY, NOCASE and RTRIM",
                                   name);
            rc = *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
        } else {
            rc = add_part(s, sqlite3_column_int(stmt, 0),
                          sqlite3_column_int(stmt, 1) != 0, collation);
        }
    }
    return private_finish(db, stmt, rc, err);
}

/* The column that is INTEGER PRIMARY KEY, or -1. */
static int
find_rowid_column(sqlite3 *db, int *out, char **err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = private_prepare(
        db, "SELECT cid FROM pragma_table_xinfo('x') WHERE pk > 0", &stmt, err);

    *out = -1;
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        *out = sqlite3_column_int(stmt, 0);
    return private_finish(db, stmt, rc, err);
}

static int
read_key(sqlite3 *db, struct schema *s, char **err)
{
    int column, rc = read_key_index(db, s, err);

    if (rc != SQLITE_OK)
        return rc;
    if (s->n_key > 0) {
        for (int i = 0; i < s->n_key; i++)
            s->columns[s->key[i].column].not_null = true;
        return SQLITE_OK;
    }
    s->has_rowid = true;
    rc = find_rowid_column(db, &column, err);
    return rc == SQLITE_OK ? add_part(s, column, false, COLLATION_BINARY) : rc;
}

/* Which columns the record holds: those that the key does not give back. */
static void
place_columns(struct schema *s)
{
    for (int i = 0; i < s->n; i++) {
        struct column *c = &s->columns[i];
        bool in_key =
            c->part >= 0 && s->key[c->part].collation == COLLATION_BINARY;

        c->stored = in_key ? -1 : s->n_stored++;
    }
}

/* ---------------------------------------------------------- declaration */

/*
 * Is the key a column whose collation is not the key's?  SQLite takes what is
 * declared for unique under the collation that is declared: DISTINCT compares
 * no more, and DELETE gathers one key of those that are the same.
 */
static bool
has_own_collation(const struct schema *s)
{
    const struct key_part *key = &s->key[0];

    return s->n_key == 1 && !s->has_rowid &&
           collation_find(s->columns[key->column].collation) != key->collation;
}

static void
declare_column(const struct schema *s, int i, sqlite3_str *text)
{
    const struct column *c = &s->columns[i];
    bool is_key = c->part >= 0 && s->n_key == 1 && !has_own_collation(s);

    sqlite3_str_appendf(text, "%s\"%w\"", i > 0 ? ", " : "", c->name);
    if (*c->type != '\0')
        sqlite3_str_appendf(text, " %s", c->type);
    if (collation_find(c->collation) != COLLATION_BINARY)
        sqlite3_str_appendf(text, " COLLATE \"%w\"", c->collation);
    if (is_key)
        sqlite3_str_appendall(text, " PRIMARY KEY");
    /* For min(), SQLite wants an order with NULLs last, unless there are none. */
    if (c->not_null || (is_key && s->has_rowid))
        sqlite3_str_appendall(text, " NOT NULL");
    if (c->default_text != NULL)
        sqlite3_str_appendf(text, " DEFAULT (%s)", c->default_text);
}

/* Does a column, or the table itself, have that name? */
static bool
is_taken(const struct schema *s, const char *table, const char *name)
{
    for (int i = 0; i < s->n; i++) {
        if (sqlite3_stricmp(s->columns[i].name, name) == 0)
            return true;
    }
    return sqlite3_stricmp(table, name) == 0;
}

/* The names that no column may have. */
static int
check_names(const struct schema *s, char **err)
{
    static const char *const reserved[] = { COMMIT_COLUMN_NAME,
                                            OTHER_ARG_COLUMN_NAME,
                                            KEY_COLUMN_NAME };

    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (!is_taken(s, "", reserved[i]))
            continue;
        *err = sqlite3_mprintf("moss: a column cannot be named %s: every moss"
                               " table has a hidden one of that name",
                               reserved[i]);
        return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
    }
    return SQLITE_OK;
}

/*
 * The hidden columns, in the order in which FROM table(...) names them by
 * place: commit, command, argument, key.
 */
static void
declare_hidden(struct schema *s, const char *table, sqlite3_str *text)
{
    bool has_command = !is_taken(s, "", table) &&
                       sqlite3_stricmp(table, COMMIT_COLUMN_NAME) != 0 &&
                       sqlite3_stricmp(table, OTHER_ARG_COLUMN_NAME) != 0 &&
                       sqlite3_stricmp(table, KEY_COLUMN_NAME) != 0;
    int next = s->n;

    s->commit_column = next++;
    s->command_column = s->arg_column = s->key_column = -1;
    sqlite3_str_appendall(text, ", \"" COMMIT_COLUMN_NAME "\" INTEGER HIDDEN");
    if (has_command) {
        s->command_column = next++;
        s->arg_column = next++;
        sqlite3_str_appendf(text, ", \"%w\" HIDDEN, \"%s\" HIDDEN", table,
                            is_taken(s, table, ARG_COLUMN_NAME)
                                ? OTHER_ARG_COLUMN_NAME
                                : ARG_COLUMN_NAME);
    }
    if (s->n_key > 1) {
        s->key_column = next++;
        sqlite3_str_appendall(text, ", \"" KEY_COLUMN_NAME
                                    "\" BLOB HIDDEN PRIMARY KEY NOT NULL");
    }
}

int
schema_declare(struct schema *s, const char *table, char **err)
{
    static const char *const names[] = {
        [COLLATION_BINARY] = "BINARY",
        [COLLATION_NOCASE] = "NOCASE",
        [COLLATION_RTRIM] = "RTRIM",
    };
    sqlite3_str *text;
    int rc = check_names(s, err);

    if (rc != SQLITE_OK)
        return rc;
    text = sqlite3_str_new(NULL);
    sqlite3_str_appendall(text, "CREATE TABLE x(");
    for (int i = 0; i < s->n; i++)
        declare_column(s, i, text);
    declare_hidden(s, table, text);
    if (has_own_collation(s))
        sqlite3_str_appendf(text, ", PRIMARY KEY(\"%w\" COLLATE %s)",
                            s->columns[s->key[0].column].name,
                            names[s->key[0].collation]);
    sqlite3_str_appendall(text, s->has_rowid ? ")" : ") WITHOUT ROWID");
    s->declaration = sqlite3_str_finish(text);
    return s->declaration == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

/* What a raw table may be: one key and one value, blobs or texts. */
static int
check_raw(const struct schema *s, char **err)
{
    bool good = s->n == 2 && s->n_key == 1 && !s->has_rowid &&
                !s->key[0].desc && s->key[0].collation == COLLATION_BINARY;

    if (s->n_indexes > 0) {
        *err = sqlite3_mprintf("moss: a table with codec=raw has no further"
                               " indexes (%s)",
                               s->indexes[0].name);
        return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
    }
    for (int i = 0; good && i < s->n; i++)
        good = (s->columns[i].affinity == AFFINITY_BLOB ||
                s->columns[i].affinity == AFFINITY_TEXT) &&
               collation_find(s->columns[i].collation) == COLLATION_BINARY;
    if (good)
        return SQLITE_OK;
    *err = sqlite3_mprintf(
        "moss: codec=raw wants two columns, BLOB or TEXT, the key PRIMARY KEY"
        " in collation BINARY, ascending");
    return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
}

/* ----------------------------------------------------------------- parse */

static int
parse_in(sqlite3 *db, const char *const *args, int n, enum codec codec,
         struct schema *s, char **err)
{
    int rc = private_declare(db, args, n, err);

    if (rc == SQLITE_OK)
        rc = read_columns(db, s, err);
    if (rc == SQLITE_OK)
        rc = read_key(db, s, err);
    if (rc == SQLITE_OK)
        rc = schema_read_indexes(db, args, n, s, err);
    if (rc == SQLITE_OK && codec == CODEC_RAW)
        rc = check_raw(s, err);
    for (int i = 0; rc == SQLITE_OK && i < s->n; i++) {
        s->columns[i].not_null |= codec == CODEC_RAW;
        rc = read_default(db, &s->columns[i], err);
    }
    if (rc != SQLITE_OK)
        return rc;
    place_columns(s);
    return SQLITE_OK;
}

static int
parse_definitions(const struct merge_rules *r, enum codec codec,
                  struct schema *out, char **err)
{
    const char *word = find_refused(r->args, r->n);
    sqlite3 *db = NULL;
    int rc;

    if (word != NULL) {
        *err = sqlite3_mprintf("moss: a moss table cannot honour %s", word);
        return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
    }
    rc = sqlite3_open_v2(
        ":memory:", &db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = parse_in(db, r->args, r->n, codec, out, err);
    sqlite3_close(db);
    return rc == SQLITE_OK ? merge_rules_read(r, codec, out, err) : rc;
}

int
schema_parse(const char *const *args, int n, enum codec codec,
             struct schema *out, char **err)
{
    struct merge_rules rules = { 0 };
    int rc = merge_rules_strip(&rules, args, n, err);

    memset(out, 0, sizeof(*out));
    if (rc == SQLITE_OK)
        rc = parse_definitions(&rules, codec, out, err);
    merge_rules_release(&rules);
    if (rc != SQLITE_OK)
        schema_release(out);
    return rc;
}

void
schema_release(struct schema *s)
{
    for (int i = 0; i < s->n; i++) {
        struct column *c = &s->columns[i];

        sqlite3_free(c->name);
        sqlite3_free(c->type);
        sqlite3_free(c->collation);
        sqlite3_free(c->default_text);
        sqlite3_value_free(c->fallback);
    }
    schema_release_indexes(s);
    sqlite3_free(s->columns);
    sqlite3_free(s->key);
    sqlite3_free(s->declaration);
    memset(s, 0, sizeof(*s));
}

int
schema_part(const struct schema *s, int column)
{
    if (column < 0)
        return s->has_rowid ? 0 : -1;
    return column < s->n ? s->columns[column].part : -1;
}

const char *
schema_column_name(const struct schema *s, int column)
{
    return column < 0 ? "rowid" : s->columns[column].name;
}

const char *
schema_part_name(const struct schema *s, int part)
{
    return schema_column_name(s, s->key[part].column);
}
