/*
 * Planning: which constraints narrow a scan (xBestIndex), and to which keys
 * (xFilter).
 *
 * The choice travels in idxStr as EXPLAIN QUERY PLAN shows it, for example
 * "key>=? AND key<'?' DESC".  A '?' in quotes is a text literal; "(any text)"
 * behind a term says that texts compare in another order there than moss
 * keeps them in, so that a text narrows nothing.
 *
 * No row may be lost that SQLite's own comparison accepts.  A scan therefore
 * visits a superset, and SQLite checks every row again (omit is never set).
 * Two things make a superset wider than the comparison looks:
 *
 * Affinity.  The key column has none.  If the other side is an expression
 * with numeric affinity (a typed column of another table, CAST), SQLite
 * compares a text key that looks like a number as that number: '15' and
 * ' 15.0' equal 15.  Neither xBestIndex nor xFilter is told the affinity.  So
 * a number on the right admits, beside the numbers, all texts that begin as a
 * number may.  A text on the right, unless it is a literal or a bound
 * parameter, may come from such a column too: one that looks like a number
 * admits that number beside the text, any other is above all texts that look
 * like numbers.  In a table whose keys are of one type this costs a seek.
 * (What is not covered: an expression of numeric affinity that has text like
 * '15' as its value, which no ordinary column gives, against keys like
 * '15.0'.)  TEXT affinity changes nothing: SQLite applies it to expressions,
 * not to columns.
 *
 * Order.  Under a collation other than BINARY, and for all comparisons but
 * equality in a UTF-16 database, a text on the right admits all texts.
 */
#include "plan.h"

#include <math.h>
#include <string.h>

#include "key.h"

/* What SQLite assumes of a table that was never analyzed. */
#define UNKNOWN_ENTRIES 1048576.0
/* And of an IN list or subquery. */
#define IN_ROWS 25.0

static const char *const op_text[] = {
    [PLAN_EQ] = "=",  [PLAN_IN] = " IN ", [PLAN_GE] = ">=",
    [PLAN_GT] = ">",  [PLAN_LE] = "<=",   [PLAN_LT] = "<",
};
/* In this order a text is recognised: the longer one first. */
static const enum plan_op op_order[] = { PLAN_IN, PLAN_GE, PLAN_LE,
                                         PLAN_GT, PLAN_LT, PLAN_EQ };

#define KEY_TEXT_NAME "key"
#define AND_TEXT " AND "
#define WIDE_TEXT " (any text)"
#define REVERSE_TEXT "DESC"

/* ------------------------------------------------------------------ */
/* xBestIndex                                                         */
/* ------------------------------------------------------------------ */

static bool
plan_op_of(sqlite3_index_info *info, int i, enum plan_op *op)
{
    switch (info->aConstraint[i].op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        *op = sqlite3_vtab_in(info, i, -1) ? PLAN_IN : PLAN_EQ;
        return true;
    case SQLITE_INDEX_CONSTRAINT_IS:
        *op = PLAN_EQ; /* NULL IS NULL, but no key is NULL */
        return true;
    case SQLITE_INDEX_CONSTRAINT_GE:
        *op = PLAN_GE;
        return true;
    case SQLITE_INDEX_CONSTRAINT_GT:
        *op = PLAN_GT;
        return true;
    case SQLITE_INDEX_CONSTRAINT_LE:
        *op = PLAN_LE;
        return true;
    case SQLITE_INDEX_CONSTRAINT_LT:
        *op = PLAN_LT;
        return true;
    default:
        return false; /* LIMIT and OFFSET among them: their column is noise */
    }
}

/* The right-hand side if SQL spells it out, else NULL. */
static sqlite3_value *
literal_value(sqlite3_index_info *info, int i)
{
    sqlite3_value *value = NULL;

    if (sqlite3_vtab_rhs_value(info, i, &value) != SQLITE_OK)
        return NULL;
    return value;
}

/*
 * The entries to plan with, of so many that there are.  In a database that
 * was not analyzed SQLite takes every ordinary table for a large one; with
 * our true, smaller number beside that, joins would scan the moss table and
 * search the other.
 */
static double
plan_entries(const struct vtab *v, double entries)
{
    bool analyzed;

    analyzed = sqlite3_table_column_metadata(v->db, v->table.schema,
                                             "sqlite_stat1", NULL, NULL, NULL,
                                             NULL, NULL, NULL) == SQLITE_OK;
    return analyzed ? entries : UNKNOWN_ENTRIES + entries;
}

/* How many rows a plan visits of so many entries, not knowing the values. */
static double
guess_rows(const struct plan *plan, double entries)
{
    double rows = entries;

    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_term *term = &plan->terms[i];

        if (term->wide)
            rows = fmin(rows, entries * 0.9);
        else if (term->op == PLAN_EQ)
            rows = fmin(rows, 1);
        else if (term->op == PLAN_IN)
            rows = fmin(rows, IN_ROWS);
        else
            rows = fmax(rows / 4, fmin(rows, 2));
    }
    return rows;
}

static enum moss_status
count_range(struct moss_snapshot *snap, const struct ranges *ranges,
            const struct range *range, double *rows)
{
    struct moss_slice lo = ranges_bytes(ranges, range->lo);
    struct moss_slice hi = ranges_bytes(ranges, range->hi);
    uint64_t entries, bytes;
    enum moss_status st =
        moss_snapshot_estimate(snap, lo.len > 0 ? &lo : NULL,
                               range->open ? NULL : &hi, &entries, &bytes);

    if (st == MOSS_OK)
        *rows += (double)entries;
    return st;
}

/*
 * Count what the values select, if SQL spells them all out; *known tells.
 * Counting that fails is no reason not to plan: reading will say so.
 */
static int
count_rows(const struct vtab *v, struct moss_snapshot *snap,
           const struct plan *plan, sqlite3_value **values, double *rows,
           bool *known)
{
    struct ranges ranges = { 0 };
    int rc = SQLITE_OK;

    *known = snap != NULL;
    for (size_t i = 0; i < plan->n; i++)
        *known = *known && values[i] != NULL && plan->terms[i].op != PLAN_IN;
    if (!*known)
        return SQLITE_OK;
    *rows = 0;
    rc = plan_ranges(plan, v->table.decl.codec, values, &ranges);
    for (size_t i = 0; rc == SQLITE_OK && i < ranges.found.n; i++) {
        if (count_range(snap, &ranges, &ranges.found.v[i], rows) != MOSS_OK)
            *known = false;
    }
    ranges_release(&ranges);
    return rc;
}

/* Set the costs of a plan. */
static int
plan_cost(struct vtab *v, const struct plan *plan, sqlite3_value **values,
          sqlite3_index_info *info)
{
    struct moss_snapshot *snap = table_peek(&v->table);
    double entries = 0, rows = 0, places = 1;
    struct plan all = { 0 };
    bool known;
    int rc = count_rows(v, snap, &all, values, &entries, &known);

    entries = known ? plan_entries(v, entries) : UNKNOWN_ENTRIES;
    if (rc == SQLITE_OK)
        rc = count_rows(v, snap, plan, values, &rows, &known);
    moss_snapshot_unref(snap);
    if (plan->n == 0)
        rows = entries;
    else if (!known)
        rows = guess_rows(plan, entries);
    for (size_t i = 0; i < plan->n; i++)
        places = plan->terms[i].op == PLAN_IN ? IN_ROWS : places;
    rows = fmax(rows, 1);
    info->estimatedRows = (sqlite3_int64)rows;
    info->estimatedCost = places * log2(entries + 2) + 3 * rows;
    return rc;
}

/*
 * Do rows in key order do for ORDER BY, GROUP BY or DISTINCT?  A key comes
 * once, so that what follows it in the list orders nothing.  GROUP BY is
 * treated like ORDER BY: when both are there for the same columns, SQLite
 * relies on the order too, although it says that grouping is enough.
 */
static bool
plan_order(const struct vtab *v, sqlite3_index_info *info, bool *reverse)
{
    bool distinct_only = sqlite3_vtab_distinct(info) == 2;

    *reverse = false;
    for (int i = 0; distinct_only && i < info->nOrderBy; i++) {
        if (info->aOrderBy[i].iColumn == COLUMN_KEY)
            return true;
    }
    if (info->nOrderBy == 0 || info->aOrderBy[0].iColumn != COLUMN_KEY ||
        v->utf16)
        return false;
    *reverse = info->aOrderBy[0].desc;
    return true;
}

static void
append_term(sqlite3_str *text, const struct plan_term *term)
{
    if (sqlite3_str_length(text) > 0)
        sqlite3_str_appendall(text, AND_TEXT);
    sqlite3_str_appendall(text, KEY_TEXT_NAME);
    sqlite3_str_appendall(text, op_text[term->op]);
    sqlite3_str_appendall(text, term->literal ? "'?'" : "?");
    if (term->wide)
        sqlite3_str_appendall(text, WIDE_TEXT);
}

static bool
is_binary(sqlite3_index_info *info, int i)
{
    const char *name = sqlite3_vtab_collation(info, i);

    return name != NULL && sqlite3_stricmp(name, "BINARY") == 0;
}

/* Take the usable constraints on the key: equalities, or the others. */
static void
choose_terms(const struct vtab *v, sqlite3_index_info *info, bool equalities,
             struct plan *plan, sqlite3_value **values, sqlite3_str *text)
{
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        struct plan_term *term = &plan->terms[plan->n];
        enum plan_op op;

        if (plan->n == PLAN_MAX_TERMS)
            return;
        if (!c->usable || !plan_op_of(info, i, &op) ||
            c->iColumn != COLUMN_KEY)
            continue;
        if ((op == PLAN_EQ || op == PLAN_IN) != equalities)
            continue;
        term->op = op;
        term->wide = !is_binary(info, i) || (v->utf16 && !equalities);
        values[plan->n] = literal_value(info, i);
        term->literal = values[plan->n] != NULL &&
                        sqlite3_value_type(values[plan->n]) == SQLITE_TEXT;
        if (op == PLAN_IN)
            sqlite3_vtab_in(info, i, 1);
        append_term(text, term);
        plan->n++;
        info->aConstraintUsage[i].argvIndex = (int)plan->n;
    }
}

int
plan_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    struct vtab *v = (struct vtab *)vtab;
    sqlite3_value *values[PLAN_MAX_TERMS] = { NULL };
    sqlite3_str *text = sqlite3_str_new(NULL);
    struct plan plan = { 0 };
    int rc;

    choose_terms(v, info, true, &plan, values, text);
    choose_terms(v, info, false, &plan, values, text);
    info->orderByConsumed = plan_order(v, info, &plan.reverse);
    if (plan.reverse)
        sqlite3_str_appendall(text, plan.n > 0 ? " " REVERSE_TEXT
                                               : REVERSE_TEXT);
    rc = plan_cost(v, &plan, values, info);
    if (rc == SQLITE_OK)
        rc = sqlite3_str_errcode(text);
    if (rc != SQLITE_OK) {
        sqlite3_free(sqlite3_str_finish(text));
        return rc;
    }
    info->idxStr = sqlite3_str_finish(text); /* NULL if empty */
    info->needToFreeIdxStr = 1;
    return SQLITE_OK;
}

/* ------------------------------------------------------------------ */
/* xFilter                                                            */
/* ------------------------------------------------------------------ */

/* If text begins with word, step over it. */
static bool
skip(const char **text, const char *word)
{
    size_t n = strlen(word);

    if (strncmp(*text, word, n) != 0)
        return false;
    *text += n;
    return true;
}

static bool
parse_term(const char **text, struct plan_term *term)
{
    size_t i = 0, n_ops = sizeof(op_order) / sizeof(op_order[0]);

    if (!skip(text, KEY_TEXT_NAME))
        return false;
    while (i < n_ops && !skip(text, op_text[op_order[i]]))
        i++;
    if (i == n_ops)
        return false;
    term->op = op_order[i];
    term->literal = skip(text, "'?'");
    if (!term->literal && !skip(text, "?"))
        return false;
    term->wide = skip(text, WIDE_TEXT);
    return true;
}

int
plan_parse(const char *idx_str, struct plan *out)
{
    const char *text = idx_str == NULL ? "" : idx_str;

    memset(out, 0, sizeof(*out));
    if (strcmp(text, REVERSE_TEXT) == 0) {
        out->reverse = true;
        return SQLITE_OK;
    }
    while (*text != '\0') {
        if (out->n == PLAN_MAX_TERMS ||
            !parse_term(&text, &out->terms[out->n]))
            return SQLITE_ERROR;
        out->n++;
        if (strcmp(text, " " REVERSE_TEXT) == 0) {
            out->reverse = true;
            return SQLITE_OK;
        }
        if (*text != '\0' && !skip(&text, AND_TEXT))
            return SQLITE_ERROR;
    }
    return SQLITE_OK;
}

/* The bounds of a value's key.  None is longer than a stored key can be. */
static int
value_bounds(enum codec codec, const struct datum *d, struct ranges *out,
             struct bound *at, struct bound *after)
{
    size_t off = out->keys.n;
    int rc = codec == CODEC_RAW
                 ? bytes_append(&out->keys, d->bytes.bytes, d->bytes.len)
                 : key_encode(&out->keys, d);
    bool too_long = out->keys.n - off > MOSS_MAX_KEY;

    if (rc != SQLITE_OK)
        return rc;
    if (too_long)
        out->keys.n = off + MOSS_MAX_KEY;
    rc = ranges_key_end(out, off, at, after);
    /* What is stored lies before both or behind both, and equals neither. */
    if (too_long)
        *at = *after;
    return rc;
}

/* The bound before all keys of a class, or those that go on with first. */
static int
class_bound(uint8_t class, uint8_t first, struct ranges *out, struct bound *at)
{
    const uint8_t prefix[2] = { class, first };
    size_t off = out->keys.n;
    struct bound after;
    int rc = bytes_append(&out->keys, prefix, first == 0 ? 1 : 2);

    return rc == SQLITE_OK ? ranges_key_end(out, off, at, &after) : rc;
}

/* Can a text that SQLite takes for a number begin with this byte? */
#define NUMERIC_FIRST 0x09
#define NUMERIC_LAST 0x39
static bool
may_begin_number(uint8_t byte)
{
    return byte >= NUMERIC_FIRST && byte <= NUMERIC_LAST;
}

static int
admit_numeric_texts(struct ranges *out)
{
    struct bound lo, hi;
    int rc = class_bound(KEY_TEXT, NUMERIC_FIRST, out, &lo);

    if (rc == SQLITE_OK)
        rc = class_bound(KEY_TEXT, NUMERIC_LAST + 1, out, &hi);
    return rc == SQLITE_OK ? ranges_admit(out, lo, hi) : rc;
}

/* Admit what op says of the value whose bounds are at and after. */
static int
admit_op(enum plan_op op, struct bound at, struct bound after,
         struct ranges *out)
{
    struct bound start = { 0, 0 };

    switch (op) {
    case PLAN_GE:
        return ranges_admit_from(out, at);
    case PLAN_GT:
        return ranges_admit_from(out, after);
    case PLAN_LE:
        return ranges_admit(out, start, after);
    case PLAN_LT:
        return ranges_admit(out, start, at);
    default:
        return ranges_admit(out, at, after);
    }
}

static int
admit_value(enum plan_op op, enum codec codec, const struct datum *d,
            struct ranges *out)
{
    struct bound at, after;
    int rc = value_bounds(codec, d, out, &at, &after);

    return rc == SQLITE_OK ? admit_op(op, at, after, out) : rc;
}

/* May value come from an expression with numeric affinity? */
static bool
may_have_affinity(const struct plan_term *term, sqlite3_value *value)
{
    return !term->literal && !sqlite3_value_frombind(value);
}

/* The number that a text stands for under numeric affinity, or NULL. */
static int
number_of_text(const struct datum *text, sqlite3_value *value,
               struct datum *out)
{
    sqlite3_value *copy;
    int rc;

    memset(out, 0, sizeof(*out));
    out->type = SQLITE_NULL;
    if (text->bytes.len == 0 || !may_begin_number(text->bytes.bytes[0]))
        return SQLITE_OK;
    /* A copy: the conversion would change what SQLite compares later. */
    copy = sqlite3_value_dup(value);
    if (copy == NULL)
        return SQLITE_NOMEM;
    (void)sqlite3_value_numeric_type(copy);
    rc = datum_read(copy, out);
    if (out->type == SQLITE_TEXT)
        out->type = SQLITE_NULL;
    sqlite3_value_free(copy);
    return rc;
}

/* Admit what else a text may equal or exceed under numeric affinity. */
static int
admit_affinity_of_text(enum plan_op op, const struct datum *text,
                       sqlite3_value *value, struct ranges *out)
{
    struct bound at, after, texts;
    struct datum number;
    int rc = number_of_text(text, value, &number);

    if (rc != SQLITE_OK)
        return rc;
    if (op == PLAN_LE || op == PLAN_LT)
        return number.type == SQLITE_NULL ? admit_numeric_texts(out)
                                          : SQLITE_OK;
    if (number.type == SQLITE_NULL)
        return SQLITE_OK;
    if (op == PLAN_EQ || op == PLAN_IN)
        return admit_value(PLAN_EQ, CODEC_TYPED, &number, out);
    rc = value_bounds(CODEC_TYPED, &number, out, &at, &after);
    if (rc == SQLITE_OK)
        rc = class_bound(KEY_TEXT, 0, out, &texts);
    return rc == SQLITE_OK ? ranges_admit(out, at, texts) : rc;
}

/* Admit for a text that stands anywhere among the texts. */
static int
admit_any_text(enum plan_op op, struct ranges *out)
{
    struct bound texts, blobs;
    int rc = class_bound(KEY_TEXT, 0, out, &texts);

    if (rc == SQLITE_OK)
        rc = class_bound(KEY_BLOB, 0, out, &blobs);
    if (rc != SQLITE_OK)
        return rc;
    if (op == PLAN_GT)
        op = PLAN_GE;
    else if (op == PLAN_LT)
        op = PLAN_LE;
    return admit_op(op, texts, blobs, out);
}

/* Admit the keys that may satisfy a term of a typed table for value. */
static int
admit_typed(const struct plan_term *term, sqlite3_value *value,
            struct ranges *out)
{
    struct datum d;
    int rc = datum_read(value, &d);

    if (rc != SQLITE_OK || d.type == SQLITE_NULL)
        return rc;
    if (d.type == SQLITE_TEXT) {
        if (may_have_affinity(term, value))
            rc = admit_affinity_of_text(term->op, &d, value, out);
        if (rc == SQLITE_OK && term->wide)
            return admit_any_text(term->op, out);
    } else if (d.type != SQLITE_BLOB) {
        if (term->op != PLAN_GE && term->op != PLAN_GT)
            rc = admit_numeric_texts(out);
    }
    return rc == SQLITE_OK ? admit_value(term->op, CODEC_TYPED, &d, out) : rc;
}

/*
 * The same of a raw table: its keys are blobs, which no affinity changes and
 * which are above all numbers and texts.
 */
static int
admit_raw(const struct plan_term *term, sqlite3_value *value,
          struct ranges *out)
{
    struct bound start = { 0, 0 };
    struct datum d;
    int rc = datum_read(value, &d);

    if (rc != SQLITE_OK || d.type == SQLITE_NULL)
        return rc;
    if (d.type == SQLITE_BLOB)
        return admit_value(term->op, CODEC_RAW, &d, out);
    if (term->op == PLAN_GE || term->op == PLAN_GT)
        return ranges_admit_from(out, start);
    return SQLITE_OK;
}

static int
admit(const struct plan_term *term, enum codec codec, sqlite3_value *value,
      struct ranges *out)
{
    return codec == CODEC_RAW ? admit_raw(term, value, out)
                              : admit_typed(term, value, out);
}

static int
plan_term_ranges(const struct plan_term *term, enum codec codec,
                 sqlite3_value *arg, struct ranges *out)
{
    sqlite3_value *value = NULL;
    int rc;

    ranges_term_begin(out);
    if (term->op != PLAN_IN) {
        rc = admit(term, codec, arg, out);
        return rc == SQLITE_OK ? ranges_term_end(out) : rc;
    }
    rc = sqlite3_vtab_in_first(arg, &value);
    while (rc == SQLITE_OK && value != NULL) {
        rc = admit(term, codec, value, out);
        if (rc == SQLITE_OK)
            rc = sqlite3_vtab_in_next(arg, &value);
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        return rc;
    return ranges_term_end(out);
}

int
plan_ranges(const struct plan *plan, enum codec codec, sqlite3_value **argv,
            struct ranges *out)
{
    int rc = ranges_reset(out);

    for (size_t i = 0; rc == SQLITE_OK && i < plan->n; i++)
        rc = plan_term_ranges(&plan->terms[i], codec, argv[i], out);
    return rc;
}
