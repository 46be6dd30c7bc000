/*
 * A virtual table that does nothing: rows are numbers, a key is computed from
 * one when a column is asked for, all values are the same bytes.  Keys are
 * compared with texts that are keys only, so that it can set "omit", as the
 * moss table does for statements that run often: SQLite compares nothing again.
 */
#include "bench_sql.h"

#include <stdlib.h>
#include <string.h>

struct blank {
    sqlite3_vtab base;
    uint64_t rows;
};

struct blank_cursor {
    sqlite3_vtab_cursor base;
    uint64_t at, end;
};

/* idxNum: which bounds there are, in the order of their arguments. */
enum { HAS_EQ = 1, HAS_LOW = 2, HAS_HIGH = 4, IS_AFTER = 8, IS_UP_TO = 16 };

static char value[VALUE_LEN];

static int
blank_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
              sqlite3_vtab **out, char **err)
{
    struct blank *t;
    int rc = sqlite3_declare_vtab(
        db, "CREATE TABLE t(key TEXT PRIMARY KEY NOT NULL, value BLOB)"
            " WITHOUT ROWID");

    (void)aux;
    (void)err;
    if (rc != SQLITE_OK)
        return rc;
    t = sqlite3_malloc(sizeof(*t));
    if (t == NULL)
        return SQLITE_NOMEM;
    memset(t, 0, sizeof(*t));
    t->rows = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    *out = &t->base;
    return SQLITE_OK;
}

static int
blank_disconnect(sqlite3_vtab *t)
{
    sqlite3_free(t);
    return SQLITE_OK;
}

/* The first usable constraint on the key with one of two operators, or -1. */
static int
find(const sqlite3_index_info *info, int op, int other)
{
    for (int i = 0; i < info->nConstraint; i++) {
        if (info->aConstraint[i].usable && info->aConstraint[i].iColumn == 0 &&
            (info->aConstraint[i].op == op || info->aConstraint[i].op == other))
            return i;
    }
    return -1;
}

static int
blank_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    double rows = (double)((struct blank *)vtab)->rows;
    int eq = find(info, SQLITE_INDEX_CONSTRAINT_EQ, SQLITE_INDEX_CONSTRAINT_EQ);
    int low =
        find(info, SQLITE_INDEX_CONSTRAINT_GE, SQLITE_INDEX_CONSTRAINT_GT);
    int high =
        find(info, SQLITE_INDEX_CONSTRAINT_LT, SQLITE_INDEX_CONSTRAINT_LE);
    int n = 0;

    if (eq >= 0) {
        info->aConstraintUsage[eq].argvIndex = ++n;
        info->aConstraintUsage[eq].omit = 1;
        info->idxNum = HAS_EQ;
        rows = 1;
    } else {
        if (low >= 0) {
            info->aConstraintUsage[low].argvIndex = ++n;
            info->aConstraintUsage[low].omit = 1;
            info->idxNum |= HAS_LOW;
            if (info->aConstraint[low].op == SQLITE_INDEX_CONSTRAINT_GT)
                info->idxNum |= IS_AFTER;
            rows /= 4;
        }
        if (high >= 0) {
            info->aConstraintUsage[high].argvIndex = ++n;
            info->aConstraintUsage[high].omit = 1;
            info->idxNum |= HAS_HIGH;
            if (info->aConstraint[high].op == SQLITE_INDEX_CONSTRAINT_LE)
                info->idxNum |= IS_UP_TO;
            rows /= 4;
        }
    }
    info->orderByConsumed = info->nOrderBy == 1 &&
                            info->aOrderBy[0].iColumn == 0 &&
                            !info->aOrderBy[0].desc;
    info->estimatedRows = (sqlite3_int64)rows;
    info->estimatedCost = rows;
    return SQLITE_OK;
}

static int
blank_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
    struct blank_cursor *c = sqlite3_malloc(sizeof(*c));

    (void)vtab;
    if (c == NULL)
        return SQLITE_NOMEM;
    memset(c, 0, sizeof(*c));
    *out = &c->base;
    return SQLITE_OK;
}

static int
blank_close(sqlite3_vtab_cursor *c)
{
    sqlite3_free(c);
    return SQLITE_OK;
}

static uint64_t
rank_of(sqlite3_value *v, uint64_t rows)
{
    const void *p = sqlite3_value_text(v);

    return key_rank(p, (size_t)sqlite3_value_bytes(v), rows);
}

static int
blank_filter(sqlite3_vtab_cursor *cursor, int plan, const char *text, int n,
             sqlite3_value **v)
{
    struct blank_cursor *c = (struct blank_cursor *)cursor;
    uint64_t rows = ((struct blank *)cursor->pVtab)->rows;

    (void)text;
    (void)n;
    c->at = 0;
    c->end = rows;
    if (plan & HAS_EQ) {
        c->at = rank_of(*v, rows);
        c->end = c->at < rows ? c->at + 1 : rows;
        return SQLITE_OK;
    }
    if (plan & HAS_LOW)
        c->at = rank_of(*v++, rows) + ((plan & IS_AFTER) != 0);
    if (plan & HAS_HIGH)
        c->end = rank_of(*v, rows) + ((plan & IS_UP_TO) != 0);
    return SQLITE_OK;
}

static int
blank_next(sqlite3_vtab_cursor *cursor)
{
    ((struct blank_cursor *)cursor)->at++;
    return SQLITE_OK;
}

static int
blank_eof(sqlite3_vtab_cursor *cursor)
{
    const struct blank_cursor *c = (struct blank_cursor *)cursor;

    return c->at >= c->end;
}

static int
blank_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column)
{
    char key[KEY_LEN];

    if (column != 0) {
        sqlite3_result_blob(context, value, VALUE_LEN, SQLITE_STATIC);
        return SQLITE_OK;
    }
    key_text(((struct blank_cursor *)cursor)->at,
             ((struct blank *)cursor->pVtab)->rows, key);
    sqlite3_result_text(context, key, KEY_LEN, SQLITE_TRANSIENT);
    return SQLITE_OK;
}

/* SQLite asks for none of a table without rowid. */
static int
blank_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
    *rowid = (sqlite3_int64)((struct blank_cursor *)cursor)->at;
    return SQLITE_OK;
}

static const sqlite3_module blank_module = {
    .iVersion = 1,
    .xCreate = blank_connect,
    .xConnect = blank_connect,
    .xBestIndex = blank_best_index,
    .xDisconnect = blank_disconnect,
    .xDestroy = blank_disconnect,
    .xOpen = blank_open,
    .xClose = blank_close,
    .xFilter = blank_filter,
    .xNext = blank_next,
    .xEof = blank_eof,
    .xColumn = blank_column,
    .xRowid = blank_rowid,
};

int
blank_register(sqlite3 *db)
{
    return sqlite3_create_module(db, "blank", &blank_module, NULL);
}
