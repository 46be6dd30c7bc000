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
 * number may; a text on the right that looks like a number, unless it is a
 * literal or a bound parameter, admits that number too.  In a table whose
 * keys are of one type this costs one seek.  TEXT affinity changes nothing:
 * SQLite applies it to expressions only, not to columns.
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

static bool
is_text_literal(sqlite3_index_info *info, int i)
{
    sqlite3_value *value = NULL;

    return sqlite3_vtab_rhs_value(info, i, &value) == SQLITE_OK &&
           value != NULL && sqlite3_value_type(value) == SQLITE_TEXT;
}

/* How many rows a plan visits of so many entries, and in how many places. */
static double
plan_rows(const struct plan *plan, double entries, double *places)
{
    double rows = entries;

    *places = 1;
    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_term *term = &plan->terms[i];

        if (term->wide) {
            rows = fmin(rows, entries * 0.9);
        } else if (term->op == PLAN_EQ) {
            rows = fmin(rows, 1);
        } else if (term->op == PLAN_IN) {
            rows = fmin(rows, IN_ROWS);
            *places = IN_ROWS;
        } else {
            rows = fmax(rows / 4, fmin(rows, 2));
        }
    }
    return rows;
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
             struct plan *plan, sqlite3_str *text)
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
        term->literal = is_text_literal(info, i);
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
    const struct vtab *v = (const struct vtab *)vtab;
    sqlite3_str *text = sqlite3_str_new(NULL);
    double entries = v->entries < 0 ? UNKNOWN_ENTRIES : v->entries;
    struct plan plan = { 0 };
    double rows, places;
    int rc;

    choose_terms(v, info, true, &plan, text);
    choose_terms(v, info, false, &plan, text);
    info->orderByConsumed = plan_order(v, info, &plan.reverse);
    if (plan.reverse)
        sqlite3_str_appendall(text, plan.n > 0 ? " " REVERSE_TEXT
                                               : REVERSE_TEXT);

    rows = fmax(plan_rows(&plan, entries, &places), 1);
    info->estimatedRows = (sqlite3_int64)rows;
    info->estimatedCost = places * log2(entries + 2) + 3 * rows;

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

/*
 * The number that the text in value is under numeric affinity, if it may be
 * compared so and is one; else SQLITE_NULL in out->type.
 */
static int
number_of_text(const struct plan_term *term, const struct datum *text,
               sqlite3_value *value, struct datum *out)
{
    sqlite3_value *copy;
    int rc;

    memset(out, 0, sizeof(*out));
    out->type = SQLITE_NULL;
    if (term->literal || sqlite3_value_frombind(value) ||
        text->bytes.len == 0 || !may_begin_number(text->bytes.bytes[0]))
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

/* Admit the numbers that compare so with a text that stands for number. */
static int
admit_number_of_text(enum plan_op op, const struct datum *number,
                     struct ranges *out)
{
    struct bound at, after, texts;
    int rc;

    if (op == PLAN_EQ || op == PLAN_IN)
        return admit_value(PLAN_EQ, CODEC_TYPED, number, out);
    if (op == PLAN_LE || op == PLAN_LT)
        return SQLITE_OK; /* all numbers are below all texts anyway */
    rc = value_bounds(CODEC_TYPED, number, out, &at, &after);
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
    struct datum d, number;
    int rc = datum_read(value, &d);

    if (rc != SQLITE_OK || d.type == SQLITE_NULL)
        return rc;
    if (d.type == SQLITE_TEXT) {
        rc = number_of_text(term, &d, value, &number);
        if (rc == SQLITE_OK && number.type != SQLITE_NULL)
            rc = admit_number_of_text(term->op, &number, out);
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
