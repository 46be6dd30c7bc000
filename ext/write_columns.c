/*
 * The columns of a row that is written.
 *
 * SQLite applies neither affinity nor DEFAULT nor NOT NULL to a virtual table:
 * all of that is here.  A NULL that INSERT gives to a column with a DEFAULT
 * cannot be told from a column that was left out, and becomes the default.
 */
#include "write_columns.h"

#include "merge.h"

static int
not_null_violated(const struct change *c, int column)
{
    if (c->conflict == SQLITE_IGNORE)
        return SQLITE_CONSTRAINT_NOTNULL;
    return error_report(&c->v->table, SQLITE_CONSTRAINT_NOTNULL,
                        "NOT NULL constraint failed: %s.%s", c->v->table.name,
                        c->s->columns[column].name);
}

/* What CURRENT_TIMESTAMP and its like are now. */
static int
read_clock(const struct change *c, const struct column *column,
           sqlite3_value **out)
{
    char *sql = sqlite3_mprintf("SELECT %s", column->default_text);
    sqlite3_stmt *stmt = NULL;
    int rc;

    *out = NULL;
    if (sql == NULL)
        return SQLITE_NOMEM;
    rc = sqlite3_prepare_v2(c->v->db, sql, -1, &stmt, NULL);
    sqlite3_free(sql);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        *out = sqlite3_value_dup(sqlite3_column_value(stmt, 0));
        if (*out == NULL)
            rc = SQLITE_NOMEM;
    }
    if (rc != SQLITE_OK) {
        sqlite3_finalize(stmt);
        return rc;
    }
    return sqlite3_finalize(stmt);
}

/* A column's DEFAULT. */
static int
read_default(const struct change *c, const struct column *column,
             struct cell *cell)
{
    sqlite3_value *now;
    int rc;

    if (column->fallback != NULL)
        return datum_convert(column->fallback, column->affinity, &cell->d,
                             &cell->owned);
    rc = read_clock(c, column, &now);
    if (rc != SQLITE_OK)
        return rc;
    rc = datum_convert(now, column->affinity, &cell->d, &cell->owned);
    if (cell->owned != NULL)
        sqlite3_value_free(now);
    else
        cell->owned = now;
    return rc;
}

/* A raw table takes what it stores and no other type. */
static int
check_raw(const struct change *c, const struct column *column,
          const struct datum *d)
{
    bool text = column->affinity == AFFINITY_TEXT;

    if (d->type == (text ? SQLITE_TEXT : SQLITE_BLOB))
        return SQLITE_OK;
    return error_report(&c->v->table, SQLITE_MISMATCH,
                        "datatype mismatch: %s.%s holds %s, not %s",
                        c->v->table.name, column->name, text ? "TEXT" : "BLOB",
                        datum_type_name(d->type));
}

/*
 * Does the column's DEFAULT take the place of a NULL?  OR REPLACE does so with
 * a NULL that may not be.
 */
static bool
falls_back(const struct change *c, const struct column *column, bool insert)
{
    return column->default_text != NULL &&
           (insert || (c->conflict == SQLITE_REPLACE && column->not_null));
}

/* Column i of the new row is v. */
static int
read_column(const struct change *c, int i, sqlite3_value *v, bool insert)
{
    const struct column *column = &c->s->columns[i];
    struct cell *cell = &c->cells[i];
    bool fits = true;
    int rc;

    if (sqlite3_value_type(v) == SQLITE_NULL && falls_back(c, column, insert))
        rc = read_default(c, column, cell);
    else if (column->merge != MERGE_NONE)
        rc = merge_convert(column, v, &cell->d, &cell->owned, &fits);
    else if (change_is_raw(c))
        rc = datum_read(v, &cell->d);
    else
        rc = datum_convert(v, column->affinity, &cell->d, &cell->owned);
    if (rc != SQLITE_OK)
        return rc;
    if (!fits)
        return error_report(&c->v->table, SQLITE_MISMATCH,
                            "datatype mismatch: %s.%s sums numbers, not %s",
                            c->v->table.name, column->name,
                            datum_type_name(cell->d.type));
    if (cell->d.type == SQLITE_NULL && c->s->has_rowid && column->part >= 0)
        return SQLITE_OK; /* the next rowid */
    if (cell->d.type == SQLITE_NULL && column->not_null)
        return not_null_violated(c, i);
    return change_is_raw(c) && cell->d.type != SQLITE_NULL
               ? check_raw(c, column, &cell->d)
               : SQLITE_OK;
}

int
change_read_columns(const struct change *c, sqlite3_value **columns,
                    bool insert)
{
    int first = c->s->has_rowid ? c->s->key[0].column : -1;
    int rc = SQLITE_OK;

    if (first >= 0)
        rc = read_column(c, first, columns[first], insert);
    if (rc == SQLITE_OK && first >= 0 &&
        c->cells[first].d.type != SQLITE_INTEGER &&
        !(insert && c->cells[first].d.type == SQLITE_NULL))
        return error_report(&c->v->table, SQLITE_MISMATCH, "datatype mismatch");
    for (int i = 0; rc == SQLITE_OK && i < c->s->n; i++) {
        bool kept = !insert && c->s->columns[i].part < 0 &&
                    sqlite3_value_nochange(columns[i]);

        if (i != first && !kept)
            rc = read_column(c, i, columns[i], insert);
    }
    return rc;
}

int
change_keep_columns(const struct change *c, struct moss_slice row,
                    sqlite3_value **columns)
{
    struct moss_slice rest;
    int rc = row_notes(row, c->notes, (size_t)c->s->n_key, &rest)
                 ? SQLITE_OK
                 : SQLITE_CORRUPT;

    for (int i = 0; rc == SQLITE_OK && i < c->s->n; i++) {
        struct datum d;

        if (c->s->columns[i].stored < 0)
            continue;
        rc = row_column(&rest, &c->s->columns[i], &d);
        if (rc == SQLITE_OK && c->s->columns[i].part < 0 &&
            sqlite3_value_nochange(columns[i]))
            c->cells[i].d = d;
    }
    if (rc != SQLITE_CORRUPT)
        return rc;
    return error_report(&c->v->table, SQLITE_CORRUPT,
                        "moss: %s: the stored bytes are not a typed row (is "
                        "the collection raw, or of other columns?)",
                        c->v->table.name);
}

void
change_keep_raw(const struct change *c, sqlite3_value **columns)
{
    for (int i = 0; i < c->s->n; i++) {
        if (c->s->columns[i].part < 0 && sqlite3_value_nochange(columns[i])) {
            c->cells[i].d.type = SQLITE_BLOB;
            c->cells[i].d.bytes = c->row.bytes;
        }
    }
}
