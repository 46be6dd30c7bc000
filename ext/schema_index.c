/*
 * Indexes.  INDEX name(columns) and UNIQUE INDEX name(columns) become CREATE
 * INDEX in the private database, UNIQUE stands in its table x already, and
 * SQLite says what came of them all, in the order in which it would check them
 * for a row that is written.
 *
 * An index goes on with the parts of the key: rows that agree in its columns
 * come in the order of the key.
 */
#include "schema.h"

#include <stdlib.h>
#include <string.h>

#include "private.h"

/* What stands in an argument. */
struct definition {
    bool unique;
    struct token name;
    const char *columns; /* from the parenthesis on */
};

/* Step over INDEX or UNIQUE INDEX. */
static bool
take_index(const char **p, bool *unique)
{
    struct token t = token_next(p);

    *unique = token_is(&t, "UNIQUE");
    if (*unique)
        t = token_next(p);
    return token_is(&t, "INDEX");
}

bool
schema_is_index(const char *arg)
{
    bool unique;

    return take_index(&arg, &unique);
}

static int
refuse(char **err, const char *format, const char *a, const char *b)
{
    *err = sqlite3_mprintf(format, a, b);
    return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
}

/* Nothing follows the columns; a WHERE clause least of all. */
static int
check_end(const char *arg, const char *columns, char **err)
{
    const char *p = columns;
    struct token t = token_next(&p);
    int depth = token_is_char(&t, '(');

    while (depth > 0 && t.kind != TOKEN_END) {
        t = token_next(&p);
        depth += token_is_char(&t, '(') - token_is_char(&t, ')');
    }
    if (t.kind == TOKEN_END)
        return refuse(err, "moss: \"%s\" is not INDEX name(column, ...)%s", arg,
                      "");
    t = token_next(&p);
    if (token_is(&t, "WHERE"))
        return refuse(err, "moss: a moss table cannot honour WHERE in \"%s\"%s",
                      arg, "");
    return t.kind == TOKEN_END
               ? SQLITE_OK
               : refuse(err, "moss: more than columns in \"%s\"%s", arg, "");
}

static int
parse(const char *arg, struct definition *out, char **err)
{
    const char *p = arg;

    (void)take_index(&p, &out->unique);
    out->name = token_next(&p);
    out->columns = p;
    if (out->name.kind != TOKEN_WORD && out->name.kind != TOKEN_QUOTED)
        return refuse(err, "moss: \"%s\" is not INDEX name(column, ...)%s", arg,
                      "");
    return check_end(arg, out->columns, err);
}

/* Argument i as CREATE INDEX; it is called i there: users' names may clash. */
static int
declare(sqlite3 *db, int i, const char *arg, char **err)
{
    struct definition d;
    int rc = parse(arg, &d, err);

    if (rc != SQLITE_OK)
        return rc;
    return private_run(db, err, "CREATE %sINDEX \"i%d\" ON x%s",
                       d.unique ? "UNIQUE " : "", i, d.columns);
}

/* ----------------------------------------------------------------- names */

static bool
has_name(const struct schema *s, const char *name)
{
    for (int i = 0; i < s->n_indexes; i++) {
        const char *other = s->indexes[i].name;

        if (other != NULL && sqlite3_stricmp(other, name) == 0)
            return true;
    }
    return false;
}

/* The name in an argument. */
static int
name_declared(struct schema *s, const char *arg, struct index *ix, char **err)
{
    struct definition d;
    int rc = parse(arg, &d, err);
    char *name;

    if (rc != SQLITE_OK)
        return rc;
    name = token_value(&d.name);
    if (name == NULL)
        return SQLITE_NOMEM;
    if (has_name(s, name)) {
        rc = refuse(err, "moss: two indexes are called %s%s", name, "");
        sqlite3_free(name);
        return rc;
    }
    ix->name = name;
    return SQLITE_OK;
}

/* For a UNIQUE without one: those of its columns. */
static int
name_by_columns(struct schema *s, struct index *ix)
{
    for (int again = 1; ix->name == NULL; again++) {
        sqlite3_str *text = sqlite3_str_new(NULL);
        char *name;

        for (int i = 0; i < ix->n_own; i++)
            sqlite3_str_appendf(text, "%s%s", i > 0 ? "_" : "",
                                s->columns[ix->parts[i].column].name);
        if (again > 1 || sqlite3_str_length(text) == 0)
            sqlite3_str_appendf(text, "_%d", again);
        name = sqlite3_str_finish(text);
        if (name == NULL)
            return SQLITE_NOMEM;
        if (has_name(s, name))
            sqlite3_free(name);
        else
            ix->name = name;
    }
    return SQLITE_OK;
}

/* What of a name can stand in a path; its number makes up for the rest. */
static char *
child_name(const char *name, int number)
{
    char text[49];
    bool plain = *name != '\0';
    size_t n = 0;

    for (; name[n] != '\0' && n < sizeof text - 1; n++) {
        char c = name[n];
        bool good = c == '_' || (c >= '0' && c <= '9') ||
                    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        text[n] = good ? c : '_';
        plain = plain && good;
    }
    text[n] = '\0';
    return plain && name[n] == '\0' ? sqlite3_mprintf("%s", text)
                                    : sqlite3_mprintf("%s~%d", text, number);
}

/* ----------------------------------------------------------------- parts */

static int
add_part(struct index *ix, const struct key_part *part)
{
    struct key_part *grown =
        sqlite3_realloc64(ix->parts, ((size_t)ix->n + 1) * sizeof(*grown));

    if (grown == NULL)
        return SQLITE_NOMEM;
    ix->parts = grown;
    grown[ix->n++] = *part;
    return SQLITE_OK;
}

/* A column of an index as index_xinfo gives it: cid, desc, coll. */
static int
read_part(const struct schema *s, sqlite3_stmt *stmt, const char *name,
          struct index *ix, char **err)
{
    const char *collation = (const char *)sqlite3_column_text(stmt, 2);
    struct key_part part = { .column = sqlite3_column_int(stmt, 0),
                             .desc = sqlite3_column_int(stmt, 1) != 0,
                             .collation = collation_find(collation) };
    const struct column *c;

    if (part.column < 0)
        return refuse(err,
                      "moss: index %s is over an %s: only columns can be"
                      " indexed",
                      name,
                      part.column == -1 ? "undeclared rowid" : "expression");
    if (part.collation == COLLATION_OTHER)
        return refuse(err,
                      "moss: index %s cannot be in collation %s; it can be in"
                      " BINARY, NOCASE and RTRIM",
                      name, collation);
    c = &s->columns[part.column];
    part.nullable = !c->not_null && c->part < 0;
    part.affinity = c->affinity;
    return add_part(ix, &part);
}

static int
read_parts(sqlite3 *db, const struct schema *s, const char *name,
           const char *private_name, struct index *ix, char **err)
{
    char *sql = sqlite3_mprintf("SELECT cid, desc, coll"
                                " FROM pragma_index_xinfo(%Q)"
                                " WHERE key ORDER BY seqno",
                                private_name);
    sqlite3_stmt *stmt = NULL;
    int rc = SQLITE_NOMEM;

    if (sql != NULL)
        rc = private_prepare(db, sql, &stmt, err);
    sqlite3_free(sql);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        rc = read_part(s, stmt, name, ix, err);
    rc = private_finish(db, stmt, rc, err);
    ix->n_own = ix->n;
    for (int i = 0; rc == SQLITE_OK && i < s->n_key; i++)
        rc = add_part(ix, &s->key[i]);
    return rc;
}

/* A value comes back from a part in collation BINARY; others are stored. */
static int
place_columns(const struct schema *s, struct index *ix)
{
    int stored = 0;

    ix->places = sqlite3_malloc64((size_t)s->n * sizeof(*ix->places));
    if (ix->places == NULL)
        return SQLITE_NOMEM;
    for (int i = 0; i < s->n; i++) {
        struct place *place = &ix->places[i];
        bool there = false;

        place->part = place->stored = -1;
        for (int k = 0; k < ix->n; k++) {
            if (ix->parts[k].column != i)
                continue;
            there = true;
            if (ix->parts[k].collation == COLLATION_BINARY && place->part < 0)
                place->part = k;
        }
        if (there && place->part < 0)
            place->stored = stored++;
    }
    return SQLITE_OK;
}

/* ------------------------------------------------------------------ read */

/* An index as index_list gives it: name, unique, origin. */
static int
read_index(sqlite3 *db, const char *const *args, sqlite3_stmt *stmt,
           struct schema *s, char **err)
{
    const char *private_name = (const char *)sqlite3_column_text(stmt, 0);
    const char *origin = (const char *)sqlite3_column_text(stmt, 2);
    struct index *grown, *ix;
    int rc = SQLITE_OK;

    if (private_name == NULL || origin == NULL)
        return SQLITE_NOMEM;
    if (strcmp(origin, "pk") == 0) {
        s->key_place = s->n_indexes;
        return SQLITE_OK;
    }
    grown = sqlite3_realloc64(s->indexes,
                              ((size_t)s->n_indexes + 1) * sizeof(*grown));
    if (grown == NULL)
        return SQLITE_NOMEM;
    s->indexes = grown;
    ix = &grown[s->n_indexes++];
    memset(ix, 0, sizeof(*ix));
    ix->unique = sqlite3_column_int(stmt, 1) != 0;
    if (strcmp(origin, "c") == 0)
        rc = name_declared(s, args[atoi(private_name + 1)], ix, err);
    if (rc == SQLITE_OK)
        rc = read_parts(db, s, ix->name == NULL ? "UNIQUE" : ix->name,
                        private_name, ix, err);
    return rc == SQLITE_OK ? place_columns(s, ix) : rc;
}

/* The names that are left, in the order of the declaration. */
static int
finish_names(struct schema *s)
{
    int rc = SQLITE_OK;

    for (int i = s->n_indexes - 1; rc == SQLITE_OK && i >= 0; i--) {
        struct index *ix = &s->indexes[i];

        rc = name_by_columns(s, ix);
        if (rc == SQLITE_OK) {
            ix->child = child_name(ix->name, s->n_indexes - i);
            rc = ix->child == NULL ? SQLITE_NOMEM : SQLITE_OK;
        }
    }
    return rc;
}

int
schema_read_indexes(sqlite3 *db, const char *const *args, int n,
                    struct schema *s, char **err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i < n; i++) {
        if (schema_is_index(args[i]))
            rc = declare(db, i, args[i], err);
    }
    if (rc == SQLITE_OK)
        rc = private_prepare(db,
                             "SELECT name, \"unique\", origin"
                             " FROM pragma_index_list('x') ORDER BY seq",
                             &stmt, err);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        rc = read_index(db, args, stmt, s, err);
    rc = private_finish(db, stmt, rc, err);
    return rc == SQLITE_OK ? finish_names(s) : rc;
}

void
schema_release_indexes(struct schema *s)
{
    for (int i = 0; i < s->n_indexes; i++) {
        sqlite3_free(s->indexes[i].name);
        sqlite3_free(s->indexes[i].child);
        sqlite3_free(s->indexes[i].parts);
        sqlite3_free(s->indexes[i].places);
    }
    sqlite3_free(s->indexes);
    s->indexes = NULL;
    s->n_indexes = 0;
}
