/*
 * Statements that compare columns with parameters and with nothing else, told
 * by their text.  SQLite has compiled it, so that it is well-formed: what has
 * to be ruled out is what else it might mean.
 *
 * The name of the table may stand for something else: a temporary view or table
 * goes before one of main.  The name of a column may be that of an expression
 * in the result: only where it is no column of the table.  A condition on a
 * column may stand elsewhere than behind WHERE: in HAVING, or in a join.  And
 * the table may be read a second time, by a subquery or by IN.
 */
#include "plain.h"

#include <string.h>

/* A word that lets an expression call a function or read another table. */
static bool
is_suspect(const struct token *t)
{
    static const char *const words[] = {
        "SELECT", "FROM", "IN", "LIKE", "GLOB", "REGEXP", "MATCH", "COLLATE"
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (token_is(t, words[i]))
            return true;
    }
    return t->kind == TOKEN_END || token_is_char(t, '(');
}

/* Step over a parameter. */
static bool
skip_parameter(const char **p)
{
    struct token t = token_next(p);

    if (t.kind == TOKEN_WORD)
        return *t.text == '$';
    if (token_is_char(&t, '?')) {
        while (**p >= '0' && **p <= '9')
            ++*p;
        return true;
    }
    if (!token_is_char(&t, ':') && !token_is_char(&t, '@'))
        return false;
    return token_next(p).kind == TOKEN_WORD;
}

/* Is the token that name? */
static bool
is_named(const struct token *t, const char *name)
{
    char *value;
    bool same;

    if (t->kind != TOKEN_WORD && t->kind != TOKEN_QUOTED)
        return false;
    value = token_value(t);
    same = value != NULL && sqlite3_stricmp(value, name) == 0;
    sqlite3_free(value);
    return same;
}

/* Is there a table or view of that name that hides one of main? */
static bool
is_hidden(sqlite3 *db, const char *name)
{
    sqlite3_stmt *stmt = NULL;
    bool hidden = true;

    if (sqlite3_prepare_v2(db,
                           "SELECT 1 FROM temp.sqlite_master"
                           " WHERE name = ? COLLATE NOCASE",
                           -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) == SQLITE_OK)
        hidden = sqlite3_step(stmt) != SQLITE_DONE;
    sqlite3_finalize(stmt);
    return hidden;
}

/* Step over a name that can only be the table's. */
static bool
skip_name(const struct vtab *v, const char **p)
{
    const struct table *t = &v->table;
    struct token first = token_next(p), dot;
    const char *behind = *p;

    dot = token_next(&behind);
    if (token_is_char(&dot, '.')) {
        struct token name = token_next(&behind);

        *p = behind;
        return is_named(&first, t->schema) && is_named(&name, t->name);
    }
    return is_named(&first, t->name) &&
           (sqlite3_stricmp(t->schema, "temp") == 0 ||
            (sqlite3_stricmp(t->schema, "main") == 0 &&
             !is_hidden(v->db, t->name)));
}

/* Step over a column of the table, which its name may stand before. */
static bool
skip_column(const struct vtab *v, const char **p)
{
    struct token t = token_next(p), dot;
    const char *behind = *p;

    dot = token_next(&behind);
    if (token_is_char(&dot, '.')) {
        t = token_next(&behind);
        *p = behind;
    }
    for (int i = 0; i < v->schema.n; i++) {
        if (is_named(&t, schema_column_name(&v->schema, i)))
            return true;
    }
    return false;
}

/* Step over "= ?" or another comparison; BETWEEN is two. */
static bool
skip_comparison(const char **p, bool equalities)
{
    struct token t = token_next(p);
    bool equal = token_is_char(&t, '=');

    if (token_is(&t, "BETWEEN")) {
        if (equalities || !skip_parameter(p))
            return false;
        t = token_next(p);
        return token_is(&t, "AND") && skip_parameter(p);
    }
    if (!equal && !token_is_char(&t, '<') && !token_is_char(&t, '>'))
        return false;
    if (**p == '=') /* <=, >= or == */
        ++*p;
    return (equal || !equalities) && skip_parameter(p);
}

/* Step over what follows WHERE; equalities: there may be no others. */
static bool
skip_conditions(const struct vtab *v, const char **p, bool equalities)
{
    struct token t;

    for (;;) {
        const char *behind;

        if (!skip_column(v, p) || !skip_comparison(p, equalities))
            return false;
        behind = *p;
        t = token_next(&behind);
        if (!token_is(&t, "AND"))
            return true;
        *p = behind;
    }
}

/* Does the statement end with the token, which p is behind? */
static bool
is_end(struct token t, const char **p)
{
    if (token_is_char(&t, ';'))
        t = token_next(p);
    return t.kind == TOKEN_END;
}

bool
plain_is_change(const struct vtab *v, const char *sql)
{
    const char *p = sql;
    struct token t = token_next(&p);
    bool update = token_is(&t, "UPDATE");
    const char *behind = p;

    if (update) {
        t = token_next(&behind);
        if (token_is(&t, "OR")) {
            (void)token_next(&behind); /* IGNORE and so on */
            p = behind;
        }
    } else {
        bool deletes = token_is(&t, "DELETE");

        t = token_next(&p);
        if (!deletes || !token_is(&t, "FROM"))
            return false;
    }
    if (!skip_name(v, &p))
        return false;
    t = token_next(&p);
    if (update && !token_is(&t, "SET"))
        return false;
    while (update && !token_is(&t, "WHERE")) {
        t = token_next(&p);
        if (is_suspect(&t))
            return false;
    }
    return token_is(&t, "WHERE") && skip_conditions(v, &p, true) &&
           is_end(token_next(&p), &p);
}

/* A word that what is selected must not have. */
static bool
is_odd(const struct token *t)
{
    static const char *const words[] = { "SELECT",  "VALUES", "IN",   "WHERE",
                                         "COLLATE", "CAST",   "OVER", "FILTER",
                                         "EXISTS",  "MATCH",  "RAISE" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (token_is(t, words[i]))
            return true;
    }
    return t->kind == TOKEN_END;
}

/* Step over what is selected, and FROM. */
static bool
skip_result(const char **p)
{
    bool distinct = false; /* IS DISTINCT FROM */

    for (;;) {
        struct token t = token_next(p);

        if (token_is(&t, "FROM"))
            return !distinct;
        if (is_odd(&t))
            return false;
        distinct = token_is(&t, "DISTINCT");
    }
}

/* Step over "AS name" or "name", if it is there, and WHERE. */
static bool
skip_where(const char **p)
{
    struct token t = token_next(p);

    if (token_is(&t, "AS"))
        t = token_next(p);
    else if (token_is(&t, "WHERE"))
        return true;
    if (t.kind != TOKEN_WORD && t.kind != TOKEN_QUOTED)
        return false;
    t = token_next(p);
    return token_is(&t, "WHERE");
}

/* Step over columns, or numbers of columns, and how they are sorted. */
static bool
skip_list(const char **p, struct token *next)
{
    struct token t = token_next(p);

    if (!token_is(&t, "BY"))
        return false;
    for (;;) {
        t = token_next(p);
        if (t.kind != TOKEN_WORD && t.kind != TOKEN_QUOTED &&
            !(t.kind == TOKEN_OTHER && *t.text >= '0' && *t.text <= '9'))
            return false;
        t = token_next(p);
        while (token_is_char(&t, '.')) {
            (void)token_next(p);
            t = token_next(p);
        }
        if (token_is(&t, "ASC") || token_is(&t, "DESC"))
            t = token_next(p);
        if (!token_is_char(&t, ',')) {
            *next = t;
            return true;
        }
    }
}

/* Step over a parameter or a number. */
static bool
skip_number(const char **p)
{
    const char *behind = *p;
    struct token t = token_next(&behind);

    if (t.kind != TOKEN_OTHER || *t.text < '0' || *t.text > '9')
        return skip_parameter(p);
    *p = behind;
    return true;
}

bool
plain_is_query(const struct vtab *v, const char *sql)
{
    const char *p = sql;
    struct token t = token_next(&p);

    if (!token_is(&t, "SELECT") || !skip_result(&p) || !skip_name(v, &p) ||
        !skip_where(&p) || !skip_conditions(v, &p, false))
        return false;
    t = token_next(&p);
    if (token_is(&t, "GROUP") && !skip_list(&p, &t))
        return false;
    if (token_is(&t, "ORDER") && !skip_list(&p, &t))
        return false;
    if (token_is(&t, "LIMIT")) {
        if (!skip_number(&p))
            return false;
        t = token_next(&p);
        if (token_is(&t, "OFFSET") || token_is_char(&t, ',')) {
            if (!skip_number(&p))
                return false;
            t = token_next(&p);
        }
    }
    return is_end(t, &p);
}
