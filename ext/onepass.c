/*
 * UPDATE and DELETE of one row, in one pass.
 *
 * SQLite changes a row as it is found if xBestIndex promises that there is no
 * other.  Else it gathers what it has found in a table of its own, which costs
 * more than all the rest.  For a key that may be a text the promise depends on
 * the affinity of what it is compared with, which xBestIndex is not told:
 * '15' and '15.0' both equal an expression that is a number.
 *
 * A parameter has no affinity.  So when a statement has run a few times in a
 * transaction, its text is looked at.  If it can only be one of
 *
 *     UPDATE t SET ... WHERE column = ? AND ...
 *     DELETE FROM t WHERE column = ? AND ...
 *
 * where t is no other table and nothing in it calls a function or reads
 * another table, it is prepared anew: xFilter returns SQLITE_SCHEMA, as if the
 * schema had changed, before anything is read, and sqlite3_step() does the
 * rest.  The next xBestIndex is that statement's, and makes the promise.
 *
 * That is for statements in an explicit transaction: what fails outside of one
 * rolls back, and that would be seen by a rollback hook.
 *
 * A statement of the old sqlite3_prepare() is not prepared anew: its caller
 * gets SQLITE_SCHEMA, as when the schema has changed.  That cannot be told
 * before; once it has happened, the table leaves all statements as they are.
 */
#include "onepass.h"

#include <string.h>

/* Which runs of a statement are looked at, and how often it may be in vain. */
enum { FIRST_RUN = 8, EVERY_RUN = 64, MAX_PREPARES = 3 };

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
        const char *behind = *p;

        t = token_next(&behind);
        if (t.kind == TOKEN_OTHER && *t.text >= '0' && *t.text <= '9')
            *p = behind;
        return true;
    }
    if (!token_is_char(&t, ':') && !token_is_char(&t, '@'))
        return false;
    return token_next(p).kind == TOKEN_WORD;
}

/* Is what follows WHERE a list of columns that equal parameters? */
static bool
is_equalities(const char *p)
{
    struct token t;

    do {
        t = token_next(&p);
        if (t.kind != TOKEN_WORD && t.kind != TOKEN_QUOTED)
            return false;
        t = token_next(&p);
        if (!token_is_char(&t, '=') || !skip_parameter(&p))
            return false;
        t = token_next(&p);
    } while (token_is(&t, "AND"));
    if (token_is_char(&t, ';'))
        t = token_next(&p);
    return t.kind == TOKEN_END;
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

static bool
is_of_one_row(const struct vtab *v, const char *p)
{
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
    return token_is(&t, "WHERE") && is_equalities(p);
}

bool
onepass_is_due(struct vtab *v, sqlite3_stmt *writing, const struct plan *plan)
{
    struct plan known = *plan;
    int run;

    if (v->not_prepared_anew || writing == NULL || plan->past ||
        plan_is_single(plan) || sqlite3_get_autocommit(v->db) ||
        v->table.decl.codec != CODEC_TYPED)
        return false;
    run = sqlite3_stmt_status(writing, SQLITE_STMTSTATUS_RUN, 0);
    if (run % EVERY_RUN != FIRST_RUN || sqlite3_sql(writing) == NULL ||
        sqlite3_stmt_status(writing, SQLITE_STMTSTATUS_REPREPARE, 0) >=
            MAX_PREPARES)
        return false;
    for (size_t i = 0; i < known.n; i++)
        known.terms[i].plain = known.terms[i].op == PLAN_EQ;
    if (!plan_is_single(&known) || !is_of_one_row(v, sqlite3_sql(writing)))
        return false;
    v->one_pass = true;
    return true;
}

void
onepass_opened(struct vtab *v)
{
    v->not_prepared_anew = v->not_prepared_anew || v->one_pass;
    v->one_pass = false;
}

bool
onepass_is_known(struct vtab *v)
{
    bool known = v->one_pass;

    v->one_pass = false;
    return known && (sqlite3_errcode(v->db) & 0xff) == SQLITE_SCHEMA;
}
