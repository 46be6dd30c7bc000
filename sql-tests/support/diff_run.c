/*
 * Compares the two sides after each step.
 *
 * Some differences are allowed, because the design says so or SQLite leaves
 * it open.  Both sides then roll back, or, where one of them has committed,
 * the episode ends; the report counts them:
 *
 * - DROP TABLE inside a savepoint answers SQLITE_LOCKED when it would lose
 *   changes that ROLLBACK TO must be able to bring back.  The other side is
 *   then not asked.
 * - total_changes() counts rows of moss's own tables in the database file:
 *   the catalog's, of a dropped table, with the first change of a later
 *   transaction, and the log's when it grows with a COMMIT.
 * - A transaction that changed nothing in the end (an insert rolled back to a
 *   savepoint) is a commit to the ordinary side and may be none to moss, or
 *   the other way round: what is stale for SQLITE_BUSY_SNAPSHOT, or has to
 *   wait for a reader with SQLITE_BUSY at COMMIT, differs accordingly.
 * - A connection that has lost its schema (by ROLLBACK) reads it again with
 *   the next statement, moss's own included, as in a COMMIT after DDL.  While
 *   the other connection keeps readers out, the sides may thus find out in
 *   different order that the database is locked and that a statement is
 *   wrong, or only moss's COMMIT meets the lock.
 * - With an attached database, a query that reads both files meets the lock
 *   of one that SQLite found out it need not read, on an ordinary table.
 * - What moss gives is what the ordinary table gives with SQLite's optimizer
 *   switched off.  With it, "WHERE text = number ORDER BY text" takes '5' and
 *   '5.0' for one text, for example.  A query is asked again like that;
 *   INSERT ... SELECT and other changes by what a query says, which cannot be,
 *   run like that on the ordinary side.
 */
#include "diff_run.h"

#include <stdlib.h>
#include <string.h>

void
diff_pair_open(struct diff_pair *pair, const struct diff_mode *mode,
               const char *dir)
{
    pair->apart = false;
    make_empty_dir(dir);
    diff_side_open(&pair->ordinary, mode, dir, "ordinary", false);
    diff_side_open(&pair->moss, mode, dir, "moss", !harness_plain);
}

void
diff_pair_close(struct diff_pair *pair)
{
    diff_side_close(&pair->ordinary);
    diff_side_close(&pair->moss);
}

static bool
is_explain(const struct diff_step *step)
{
    return step->text != NULL && strncmp(step->text, "EXPLAIN", 7) == 0;
}

static bool
is_query(const struct diff_step *step)
{
    return strncmp(step->kind, "SELECT", 6) == 0;
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
compare_rows(const struct diff_step *step, struct diff_outcome *o,
             struct diff_outcome *m, sqlite3_str *out)
{
    size_t i = 0;

    if (step->compare == DIFF_CODE || is_explain(step))
        return;
    if (step->compare == DIFF_BAG && o->n_rows > 0)
        qsort(o->rows, o->n_rows, sizeof *o->rows, by_text);
    if (step->compare == DIFF_BAG && m->n_rows > 0)
        qsort(m->rows, m->n_rows, sizeof *m->rows, by_text);
    while (i < o->n_rows && i < m->n_rows &&
           strcmp(o->rows[i], m->rows[i]) == 0)
        i++;
    if (i == o->n_rows && i == m->n_rows)
        return;
    sqlite3_str_appendf(out,
                        "rows: %d ordinary, %d moss; first difference"
                        " at %d%s\n  ordinary %.500s\n  moss     %.500s\n",
                        (int)o->n_rows, (int)m->n_rows, (int)i,
                        step->compare == DIFF_BAG ? " (sorted)" : "",
                        i < o->n_rows ? o->rows[i] : "(none)",
                        i < m->n_rows ? m->rows[i] : "(none)");
}

static void
compare_number(const char *what, int64_t ordinary, int64_t moss,
               sqlite3_str *out)
{
    if (ordinary != moss)
        sqlite3_str_appendf(out, "%s: ordinary %lld, moss %lld\n", what,
                            (long long)ordinary, (long long)moss);
}

/*
 * Does changes() tell of this statement?  Otherwise it tells of one before,
 * which may have been DDL, and that writes to the catalog.
 */
static bool
sets_changes(const struct diff_step *step, const struct diff_outcome *o)
{
    return step->is_change && !is_explain(step) &&
           (o->rc == SQLITE_OK || (o->rc & 0xff) == SQLITE_CONSTRAINT);
}

/* What differs, or NULL. */
static char *
compare(const struct diff_step *step, struct diff_outcome *o,
        struct diff_outcome *m)
{
    sqlite3_str *out = sqlite3_str_new(NULL);

    if (o->rc != m->rc || strcmp(o->message, m->message) != 0)
        sqlite3_str_appendf(out, "ordinary: %d %s\nmoss:     %d %s\n", o->rc,
                            o->message, m->rc, m->message);
    if (strcmp(o->columns, m->columns) != 0 && o->rc == SQLITE_OK)
        sqlite3_str_appendf(out, "columns: ordinary %s, moss %s\n", o->columns,
                            m->columns);
    compare_rows(step, o, m, out);
    if (sets_changes(step, o))
        compare_number("changes()", o->changes, m->changes, out);
    if (!step->is_ddl)
        compare_number("total_changes()", o->total_changes, m->total_changes,
                       out);
    compare_number("last_insert_rowid()", o->rowid, m->rowid, out);
    compare_number("autocommit", o->autocommit, m->autocommit, out);
    if (sqlite3_str_length(out) == 0) {
        sqlite3_free(sqlite3_str_finish(out));
        return NULL;
    }
    return sqlite3_str_finish(out);
}

static bool
is_kind(const struct diff_step *step, const char *kind)
{
    return strcmp(step->kind, kind) == 0;
}

static void
run_rollback(struct diff_side *side, int conn)
{
    sqlite3 *db = side->db[conn];

    /* One side may have inserted a row. */
    sqlite3_set_last_insert_rowid(db, 0);
    if (!sqlite3_get_autocommit(db) &&
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        fail("ROLLBACK after an allowed difference: %s", sqlite3_errmsg(db));
}

static bool
is_busy(const struct diff_outcome *out)
{
    return out->rc == SQLITE_BUSY;
}

static bool
ends_transaction(const struct diff_step *step)
{
    static const char *const words[] = { "COMMIT", "END", "RELEASE" };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (step->text != NULL &&
            strncmp(step->text, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

/* The name of the difference if it is allowed, otherwise NULL. */
static const char *
allowed(const struct diff_mode *mode, const struct diff_step *step,
        const struct diff_outcome *o, const struct diff_outcome *m)
{
    if (o->rc == m->rc)
        return NULL;
    if (o->rc == SQLITE_BUSY_SNAPSHOT || m->rc == SQLITE_BUSY_SNAPSHOT)
        return "BUSY_SNAPSHOT on one side";
    if ((is_busy(o) && m->rc == SQLITE_ERROR) ||
        (is_busy(m) && o->rc == SQLITE_ERROR))
        return "locked, or wrong";
    if (is_query(step) && mode->attached && is_busy(m))
        return "query busy on one side";
    if (ends_transaction(step) && (is_busy(o) || is_busy(m)))
        return "COMMIT busy on one side";
    return NULL;
}

/*
 * Leave out of total_changes() what moss's own tables in the database file
 * add to it; a query adds nothing.
 */
static void
leave_out_own(const struct diff_step *step, const struct diff_outcome *o,
              struct diff_outcome *m, struct diff_report *report)
{
    if (is_query(step) || m->total_changes <= o->total_changes)
        return;
    m->total_changes = o->total_changes;
    if (report != NULL)
        diff_report_count(report, DIFF_EXCUSED,
                          "total_changes() with rows of moss's own tables");
}

/* Is it a query whose rows on the ordinary side depend on the plan? */
static bool
is_misled(struct diff_pair *pair, const struct diff_step *step,
          const struct diff_outcome *o, struct diff_outcome *m)
{
    struct diff_step once = *step;
    struct diff_outcome again;
    char *difference;

    if (!is_query(step) || o->rc != SQLITE_OK)
        return false;
    once.action = DIFF_SQL;
    diff_side_run_plainly(&pair->ordinary, &once, &again);
    difference = compare(step, &again, m);
    diff_outcome_release(&again);
    sqlite3_free(difference);
    return difference == NULL;
}

/* Does it write rows that a query chose, which SQLite might get wrong? */
static bool
writes_what_it_reads(const struct diff_step *step)
{
    static const char *const kinds[] = { "INSERT SELECT", "UPDATE FROM",
                                         "UPDATE by another table",
                                         "DELETE by another table",
                                         "change through a view" };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (is_kind(step, kinds[i]))
            return true;
    return false;
}

char *
diff_pair_run(struct diff_pair *pair, const struct diff_step *step,
              struct diff_report *report, struct diff_outcome *out)
{
    struct diff_outcome m;
    const char *excuse;
    char *difference = NULL;

    diff_side_run(&pair->moss, step, &m);
    if (is_kind(step, "DROP") && m.rc == SQLITE_LOCKED && !m.autocommit) {
        if (report != NULL)
            diff_report_count(report, DIFF_EXCUSED, m.message);
        *out = m;
        return NULL;
    }
    if (writes_what_it_reads(step))
        diff_side_run_plainly(&pair->ordinary, step, out);
    else
        diff_side_run(&pair->ordinary, step, out);
    excuse = allowed(pair->moss.mode, step, out, &m);
    if (excuse != NULL) {
        pair->apart = ends_transaction(step);
        run_rollback(&pair->ordinary, step->conn);
        run_rollback(&pair->moss, step->conn);
        out->autocommit = true;
        if (report != NULL)
            diff_report_count(report, DIFF_EXCUSED, excuse);
    } else {
        leave_out_own(step, out, &m, report);
        difference = compare(step, out, &m);
        if (difference != NULL && is_misled(pair, step, out, &m)) {
            sqlite3_free(difference);
            difference = NULL;
            excuse = "rows that SQLite's optimizer gets wrong";
            if (report != NULL)
                diff_report_count(report, DIFF_EXCUSED, excuse);
        }
    }
    if (report != NULL && difference == NULL && excuse == NULL)
        diff_report_step(report, step, &m);
    diff_outcome_release(&m);
    return difference;
}
