/*
 * Runs steps on one side.  Everything an application could see of a step is
 * put into the outcome: code, message, column names, rows with their types,
 * the counters of the connection, and whether a transaction is open.
 */
#include "diff_side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
must(sqlite3 *db, int rc, const char *what)
{
    if (rc != SQLITE_OK)
        fail("%s: %s", what, sqlite3_errmsg(db));
}

/*
 * The pragmas of the mode.  Where the other connection holds a lock, this one
 * goes on with the defaults: the file has had its settings already.
 */
static void
set_up(sqlite3 *db, const char *pragmas)
{
    int rc = sqlite3_exec(db, pragmas, NULL, NULL, NULL);

    if ((rc & 0xff) != SQLITE_BUSY)
        must(db, rc, pragmas);
}

void
diff_layout_text(const struct diff_mode *mode, bool use_moss, char *out,
                 size_t size)
{
    const char *columns =
        mode->schema.n > 0 ? mode->schema.text : mode->layout->columns;
    const char *indexes =
        mode->schema.n > 0 ? mode->schema.indexes : mode->layout->indexes;
    const char *async = mode->async ? "durability='async'" : "";

    if (!use_moss)
        snprintf(out, size, "(%s)%s",
                 columns == NULL ? "key PRIMARY KEY, value" : columns,
                 diff_mode_has_rowid(mode) ? "" : " WITHOUT ROWID");
    else if (columns == NULL)
        snprintf(out, size, "USING moss(%s)", async);
    else
        snprintf(out, size, "USING moss(%s%s%s%s)", columns,
                 indexes == NULL ? "" : indexes, mode->async ? ", " : "",
                 async);
}

static void
open_conn(struct diff_side *side, int i)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI;
    sqlite3 *db = NULL;
    char *err = NULL;
    int rc = sqlite3_open_v2(side->path, &db, flags, NULL);

    must(db, rc, side->path);
    sqlite3_extended_result_codes(db, 1);
    if (side->is_moss) {
        rc = sqlite3_moss_init(db, &err, NULL);
        if (rc != SQLITE_OK)
            fail("sqlite3_moss_init: %s", err ? err : sqlite3_errstr(rc));
    }
    set_up(db, side->mode->setup);
    if (side->mode->attached) {
        char *sql = sqlite3_mprintf("ATTACH '%q-aux' AS aux", side->path);
        must(db, sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
        sqlite3_free(sql);
        set_up(db, side->mode->setup);
    }
    side->db[i] = db;
}

static void
close_conn(struct diff_side *side, int i)
{
    for (int k = 0; k < DIFF_SLOTS; k++) {
        sqlite3_finalize(side->kept[i][k]);
        side->kept[i][k] = NULL;
    }
    sqlite3_finalize(side->reading[i]);
    side->reading[i] = NULL;
    if (sqlite3_close(side->db[i]) != SQLITE_OK)
        fail("closing %s: %s", side->path, sqlite3_errmsg(side->db[i]));
    side->db[i] = NULL;
}

void
diff_side_open(struct diff_side *side, const struct diff_mode *mode,
               const char *dir, const char *name, bool use_moss)
{
    memset(side, 0, sizeof *side);
    side->mode = mode;
    side->is_moss = use_moss;
    side->dialect.table = use_moss ? "VIRTUAL TABLE" : "TABLE";
    side->dialect.layout = side->layout;
    side->dialect.truncates = use_moss;
    diff_layout_text(mode, use_moss, side->layout, sizeof side->layout);
    if (mode->in_memory)
        snprintf(side->path, sizeof side->path, ":memory:");
    else if (mode->memdb)
        snprintf(side->path, sizeof side->path, "file:/%s?vfs=memdb", name);
    else
        snprintf(side->path, sizeof side->path, "%s/%s.db", dir, name);
    for (int i = 0; i < mode->n_conns; i++)
        open_conn(side, i);
}

void
diff_side_close(struct diff_side *side)
{
    for (int i = 0; i < side->mode->n_conns; i++)
        if (side->db[i] != NULL)
            close_conn(side, i);
}

static void
append_bytes(sqlite3_str *out, const unsigned char *p, int n)
{
    for (int i = 0; i < n; i++) {
        if (p[i] < ' ' || p[i] == '\\' || p[i] == '\'' || p[i] == 0x7f)
            sqlite3_str_appendf(out, "\\%02x", p[i]);
        else
            sqlite3_str_appendchar(out, 1, (char)p[i]);
    }
}

/* One value so that different values, types included, differ as text. */
static void
append_column(sqlite3_str *out, sqlite3_stmt *stmt, int i)
{
    char real[64];

    switch (sqlite3_column_type(stmt, i)) {
    case SQLITE_NULL:
        sqlite3_str_appendall(out, "NULL");
        break;
    case SQLITE_INTEGER:
        sqlite3_str_appendf(out, "%lld", sqlite3_column_int64(stmt, i));
        break;
    case SQLITE_FLOAT:
        snprintf(real, sizeof real, "real %.17g",
                 sqlite3_column_double(stmt, i));
        sqlite3_str_appendall(out, real);
        break;
    case SQLITE_TEXT:
        sqlite3_str_appendall(out, "'");
        append_bytes(out, sqlite3_column_text(stmt, i),
                     sqlite3_column_bytes(stmt, i));
        sqlite3_str_appendall(out, "'");
        break;
    default:
        sqlite3_str_appendall(out, "x'");
        append_bytes(out, sqlite3_column_blob(stmt, i),
                     sqlite3_column_bytes(stmt, i));
        sqlite3_str_appendall(out, "'");
    }
}

static char *
finish(sqlite3_str *out)
{
    char *text = sqlite3_str_finish(out);

    if (text == NULL) /* also for an empty string */
        text = sqlite3_mprintf("");
    if (text == NULL)
        abort();
    return text;
}

static void
keep_columns(struct diff_outcome *out, sqlite3_stmt *stmt)
{
    sqlite3_str *names = sqlite3_str_new(NULL);

    for (int i = 0; i < sqlite3_column_count(stmt); i++)
        sqlite3_str_appendf(names, "%s|", sqlite3_column_name(stmt, i));
    sqlite3_free(out->columns);
    out->columns = finish(names);
}

static void
keep_row(struct diff_outcome *out, sqlite3_stmt *stmt)
{
    sqlite3_str *row = sqlite3_str_new(NULL);

    for (int i = 0; i < sqlite3_data_count(stmt); i++) {
        append_column(row, stmt, i);
        sqlite3_str_appendchar(row, 1, '|');
    }
    if (out->n_rows == out->cap_rows) {
        out->cap_rows = out->cap_rows ? 2 * out->cap_rows : 16;
        out->rows = realloc(out->rows, out->cap_rows * sizeof *out->rows);
        if (out->rows == NULL)
            abort();
    }
    out->rows[out->n_rows++] = finish(row);
}

/* Step until the end, or until limit rows if it is not negative. */
static int
read_rows(sqlite3_stmt *stmt, int limit, struct diff_outcome *out)
{
    int rc = SQLITE_ROW;

    while (limit != 0) {
        rc = sqlite3_step(stmt);
        if (rc != SQLITE_ROW)
            break;
        if (out->n_rows == 0)
            keep_columns(out, stmt);
        keep_row(out, stmt);
        if (limit > 0)
            limit--;
    }
    if (out->columns == NULL)
        keep_columns(out, stmt);
    return rc;
}

static void
note_error(sqlite3 *db, struct diff_outcome *out)
{
    out->rc = sqlite3_extended_errcode(db);
    out->message = sqlite3_mprintf("%s", sqlite3_errmsg(db));
}

static int
prepare(sqlite3 *db, struct diff_side *side, const struct diff_step *step,
        bool bound, sqlite3_stmt **stmt)
{
    char *sql = diff_step_sql(step, &side->dialect, bound);
    int rc = sqlite3_prepare_v2(db, sql, -1, stmt, NULL);

    sqlite3_free(sql);
    return rc;
}

/* Is stmt what the step says? */
static bool
is_prepared_as(sqlite3_stmt *stmt, struct diff_side *side,
               const struct diff_step *step)
{
    char *sql = diff_step_sql(step, &side->dialect, true);
    bool same = strcmp(sql, sqlite3_sql(stmt)) == 0;

    sqlite3_free(sql);
    return same;
}

static int
bind_values(sqlite3_stmt *stmt, const struct diff_step *step)
{
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i < step->n_values; i++)
        rc = diff_value_bind(&step->values[i], stmt, i + 1);
    return rc;
}

/* A statement prepared for this step alone. */
static void
run_once(sqlite3 *db, struct diff_side *side, const struct diff_step *step,
         struct diff_outcome *out)
{
    sqlite3_stmt *stmt = NULL;
    int rc = prepare(db, side, step, step->bound, &stmt);

    if (rc == SQLITE_OK && step->bound)
        rc = bind_values(stmt, step);
    if (rc == SQLITE_OK)
        rc = read_rows(stmt, -1, out);
    if (rc != SQLITE_DONE)
        note_error(db, out);
    sqlite3_finalize(stmt);
}

/*
 * A statement that stays prepared until its connection is closed.  When its
 * table is gone, SQLite finds that out with the transaction's read lock taken
 * or, after a virtual table was renamed, without it.  From then on both have
 * it, if it can be had.
 */
static void
run_template(sqlite3 *db, struct diff_side *side, const struct diff_step *step,
             struct diff_outcome *out)
{
    sqlite3_stmt **stmt = &side->kept[step->conn][step->slot];
    int rc = SQLITE_OK;

    if (*stmt != NULL && !is_prepared_as(*stmt, side, step)) {
        sqlite3_finalize(*stmt);
        *stmt = NULL;
    }
    if (*stmt == NULL)
        rc = prepare(db, side, step, true, stmt);
    if (rc == SQLITE_OK)
        rc = bind_values(*stmt, step);
    if (rc == SQLITE_OK)
        rc = read_rows(*stmt, -1, out);
    if (rc != SQLITE_DONE)
        note_error(db, out);
    sqlite3_reset(*stmt);
    if (out->rc == SQLITE_ERROR && !sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
}

static void
open_read(sqlite3 *db, struct diff_side *side, const struct diff_step *step,
          struct diff_outcome *out)
{
    sqlite3_stmt **stmt = &side->reading[step->conn];
    int rc;

    sqlite3_finalize(*stmt);
    *stmt = NULL;
    rc = prepare(db, side, step, false, stmt);
    if (rc == SQLITE_OK)
        rc = read_rows(*stmt, step->slot, out);
    if (rc == SQLITE_ROW)
        return;
    if (rc != SQLITE_DONE)
        note_error(db, out);
    sqlite3_finalize(*stmt);
    *stmt = NULL;
}

static void
end_read(sqlite3 *db, struct diff_side *side, const struct diff_step *step,
         struct diff_outcome *out)
{
    sqlite3_stmt **stmt = &side->reading[step->conn];

    if (*stmt == NULL)
        return;
    if (read_rows(*stmt, -1, out) != SQLITE_DONE)
        note_error(db, out);
    sqlite3_finalize(*stmt);
    *stmt = NULL;
}

/*
 * The command 'check' of each table that there is: rows and indexes.  Only
 * damage is an error; a lock is none.
 */
static void
check_tables(sqlite3 *db, const struct diff_side *side,
             struct diff_outcome *out)
{
    static const char *const tables[][2] = {
        { "main", "t" }, { "main", "u" }, { "main", "t2" },
        { "temp", "w" }, { "aux", "v" },  { "temp", "w2" },
    };

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char *sql = sqlite3_mprintf("INSERT INTO %s.%s(%s) VALUES ('check')",
                                    tables[i][0], tables[i][1], tables[i][1]);
        int rc =
            side->is_moss ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_OK;

        sqlite3_free(sql);
        if ((rc & 0xff) == SQLITE_CORRUPT && out->rc == SQLITE_OK)
            note_error(db, out);
    }
}

void
diff_side_run(struct diff_side *side, const struct diff_step *step,
              struct diff_outcome *out)
{
    sqlite3 *db = side->db[step->conn];
    int before = sqlite3_total_changes(db);

    memset(out, 0, sizeof *out);
    switch (step->action) {
    case DIFF_SQL:
        run_once(db, side, step, out);
        break;
    case DIFF_TEMPLATE:
        run_template(db, side, step, out);
        break;
    case DIFF_OPEN_READ:
        open_read(db, side, step, out);
        break;
    case DIFF_END_READ:
        end_read(db, side, step, out);
        break;
    case DIFF_RECONNECT:
        close_conn(side, step->conn);
        open_conn(side, step->conn);
        break;
    case DIFF_CHECK:
        check_tables(db, side, out);
        sqlite3_set_last_insert_rowid(db, 0);
        break;
    case DIFF_REOPEN:
        for (int i = 0; i < side->mode->n_conns; i++)
            close_conn(side, i);
        for (int i = 0; i < side->mode->n_conns; i++)
            open_conn(side, i);
        break;
    }
    if (step->action == DIFF_RECONNECT || step->action == DIFF_REOPEN) {
        db = side->db[step->conn];
        before = sqlite3_total_changes(db);
    }
    if (out->message == NULL)
        out->message = sqlite3_mprintf("");
    if (out->columns == NULL)
        out->columns = sqlite3_mprintf("");
    /* It copies all tables, those of the catalog too. */
    if (strcmp(step->kind, "VACUUM") == 0)
        sqlite3_set_last_insert_rowid(db, 0);
    out->changes = sqlite3_changes(db);
    out->total_changes = sqlite3_total_changes(db) - before;
    out->rowid = sqlite3_last_insert_rowid(db);
    out->autocommit = sqlite3_get_autocommit(db) != 0;
}

void
diff_side_run_plainly(struct diff_side *side, const struct diff_step *step,
                      struct diff_outcome *out)
{
    sqlite3 *db = side->db[step->conn];

    sqlite3_test_control(SQLITE_TESTCTRL_OPTIMIZATIONS, db, -1);
    diff_side_run(side, step, out);
    sqlite3_test_control(SQLITE_TESTCTRL_OPTIMIZATIONS, db, 0);
}

void
diff_outcome_release(struct diff_outcome *out)
{
    for (size_t i = 0; i < out->n_rows; i++)
        sqlite3_free(out->rows[i]);
    free(out->rows);
    sqlite3_free(out->columns);
    sqlite3_free(out->message);
    memset(out, 0, sizeof *out);
}
