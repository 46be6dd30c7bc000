/*
 * Preparing a statement anew when more is known about it.
 *
 * xBestIndex is not told the affinity of what a column is compared with.  For
 * a key that may be a text it can promise little for that reason: '15' and
 * '15.0' both equal an expression that is a number.  So a scan visits more
 * than the comparison asks for and SQLite compares again for each row; and
 * what UPDATE and DELETE find is gathered in a table of SQLite's own first,
 * which costs more than all the rest.
 *
 * A parameter has no affinity.  So when a statement has run a few times, its
 * text is looked at.  If that can only be a statement whose conditions compare
 * columns of this table with parameters (plain.c), it is prepared anew: xFilter
 * returns SQLITE_SCHEMA, as if the schema had changed, before anything is read,
 * and sqlite3_step() does the rest.  The next xBestIndex is that statement's.
 *
 * Two things make sure of that.  The text is that of the only statement of the
 * connection that runs; and xFilter's failure has a message of its own, which
 * is still the connection's last one in that xBestIndex, and never again.
 *
 * A statement of the old sqlite3_prepare() is not prepared anew: its caller
 * gets SQLITE_SCHEMA, as when the schema has changed, and whatever is prepared
 * then is another statement.  It cannot be told before.  So a statement that
 * was never prepared anew is first stopped once for nothing; if it does not
 * come back at once, only statements that once were are stopped from then on.
 *
 * What fails while it changes something outside of a transaction rolls back,
 * and that would be seen by a rollback hook: UPDATE and DELETE are stopped in
 * an explicit transaction only.  A SELECT that is alone ends no more than its
 * own reading.
 */
#include "anew.h"

#include <string.h>

#include "plain.h"

/*
 * Which runs of a statement that writes are looked at; which scans of a table
 * (a prime, so that statements that take turns each have theirs), and from
 * which run on; and how often one is prepared anew.
 */
enum { FIRST_RUN = 8, EVERY_RUN = 64, EVERY_SCAN = 31, MAX_PREPARES = 16 };

/* The one statement of the connection that runs, or NULL if there are more. */
static sqlite3_stmt *
only_statement(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL, *found = NULL;

    while ((stmt = sqlite3_next_stmt(db, stmt)) != NULL) {
        if (!sqlite3_stmt_busy(stmt))
            continue;
        if (found != NULL)
            return NULL;
        found = stmt;
    }
    return found;
}

/* Would it be one row if the values on the right had no affinity? */
static bool
gains_one_row(const struct plan *plan)
{
    struct plan known = *plan;

    for (size_t i = 0; i < known.n; i++)
        known.terms[i].plain = known.terms[i].op == PLAN_EQ;
    return !plan_is_single(plan) && plan_is_single(&known);
}

/* Would SQLite have less to compare? */
static bool
gains_exactness(const struct plan *plan)
{
    bool gains = false;

    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_term *term = &plan->terms[i];

        if (!plan_op_is_comparison(term->op) || term->wide)
            return false;
        gains = gains || !term->plain;
    }
    return gains;
}

/* The statement to look at, or NULL. */
static sqlite3_stmt *
find_statement(struct vtab *v, sqlite3_stmt *writing, const struct plan *plan,
               bool again)
{
    sqlite3_stmt *stmt;
    int run;

    if (plan->past || v->table.decl.codec != CODEC_TYPED)
        return NULL;
    if (writing != NULL) {
        if (sqlite3_get_autocommit(v->db) || !gains_one_row(plan))
            return NULL;
        run = sqlite3_stmt_status(writing, SQLITE_STMTSTATUS_RUN, 0);
        if (!again && run % EVERY_RUN != FIRST_RUN)
            return NULL;
        return only_statement(v->db) == writing ? writing : NULL;
    }
    if ((!again && ++v->anew.scans % EVERY_SCAN != 0) || v->utf16 ||
        !gains_exactness(plan))
        return NULL;
    stmt = only_statement(v->db);
    if (stmt == NULL)
        return NULL;
    run = sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_RUN, 0);
    return run >= FIRST_RUN ? stmt : NULL;
}

/* Has it been seen that stmt is prepared anew when it fails? */
static bool
is_proven(struct vtab *v, sqlite3_stmt *stmt)
{
    if (sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_REPREPARE, 0) == 0)
        return false;
    if (v->anew.tried == stmt)
        v->anew.tried = NULL;
    return true;
}

bool
anew_is_due(struct vtab *v, sqlite3_stmt *writing, const struct plan *plan)
{
    struct anew *a = &v->anew;
    bool again = a->trying;
    sqlite3_stmt *stmt = find_statement(v, writing, plan, again);
    const char *sql = stmt == NULL ? NULL : sqlite3_sql(stmt);
    bool proven;

    a->trying = false;
    if (sql == NULL || sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_REPREPARE,
                                           0) >= MAX_PREPARES)
        return false;
    proven = is_proven(v, stmt);
    if ((!proven && a->tried != NULL) ||
        !(writing != NULL ? plain_is_change(v, sql) : plain_is_query(v, sql)))
        return false;
    if (!proven) {
        a->tried = stmt;
        a->trying = true;
        return true;
    }
    sqlite3_free(a->message);
    a->message = sqlite3_mprintf("moss: %s.%s: it is prepared anew (%u)",
                                 v->table.schema, v->table.name, ++a->times);
    if (a->message == NULL)
        return false;
    (void)error_report(&v->table, SQLITE_SCHEMA, "%s", a->message);
    return true;
}

void
anew_opened(struct vtab *v)
{
    if (v->anew.message != NULL)
        anew_release(v);
}

bool
anew_is_known(struct vtab *v)
{
    bool known;

    if (v->anew.message == NULL)
        return false;
    known = (sqlite3_errcode(v->db) & 0xff) == SQLITE_SCHEMA &&
            strcmp(sqlite3_errmsg(v->db), v->anew.message) == 0;
    anew_release(v);
    return known;
}

void
anew_release(struct vtab *v)
{
    sqlite3_free(v->anew.message);
    v->anew.message = NULL;
}
