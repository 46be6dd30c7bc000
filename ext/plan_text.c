/*
 * A plan as text, and back: idxStr, as EXPLAIN QUERY PLAN shows it, for example
 * "sensor=? AND at<'?' DESC".  A '?' in quotes is a text literal; "(any text)"
 * behind a term says that texts compare in another order there than moss
 * keeps them in, so that a text narrows nothing; "(no affinity)" that the
 * value is a parameter alone; "(as one)" that the order of
 * the rows is that of the other parts, even if several keys equal the value.
 *
 * A plan for an index names it: "by_city: city=?", or "COVERING by_city:
 * city=?" if no row has to be looked up.
 */
#include "plan.h"

#include <string.h>

static const char *const op_text[] = {
    [PLAN_EQ] = "=",
    [PLAN_IN] = " IN ",
    [PLAN_IS] = " IS ",
    [PLAN_NULL] = " IS NULL",
    [PLAN_NOT_NULL] = " IS NOT NULL",
    [PLAN_GE] = ">=",
    [PLAN_GT] = ">",
    [PLAN_LE] = "<=",
    [PLAN_LT] = "<",
};
/* In this order a text is recognised: the longer one first. */
static const enum plan_op op_order[] = {
    PLAN_IN, PLAN_NULL, PLAN_NOT_NULL, PLAN_IS, PLAN_GE,
    PLAN_LE, PLAN_GT,   PLAN_LT,       PLAN_EQ,
};

#define COVERING_TEXT "COVERING "
#define AND_TEXT " AND "
#define PLAIN_TEXT " (no affinity)"
#define WIDE_TEXT " (any text)"
#define ONE_TEXT " (as one)"
#define REVERSE_TEXT "DESC"
#define PAST_TEXT COMMIT_COLUMN_NAME "=?"

/* A name as SQL would have it. */
static void
append_name(sqlite3_str *text, const char *name)
{
    const char *p = name;
    struct token t = token_next(&p);

    if (t.kind == TOKEN_WORD && t.text == name && *p == '\0')
        sqlite3_str_appendall(text, name);
    else
        sqlite3_str_appendf(text, "\"%w\"", name);
}

static void
append_term(sqlite3_str *text, const struct schema *s, const struct plan *plan,
            const struct plan_term *term)
{
    int column = plan->parts[term->part].column;

    append_name(text, schema_column_name(s, column));
    sqlite3_str_appendall(text, op_text[term->op]);
    if (plan_op_has_value(term->op))
        sqlite3_str_appendall(text, term->literal ? "'?'" : "?");
    if (term->plain)
        sqlite3_str_appendall(text, PLAIN_TEXT);
    if (term->wide)
        sqlite3_str_appendall(text, WIDE_TEXT);
    if (term->as_one)
        sqlite3_str_appendall(text, ONE_TEXT);
}

char *
plan_text(const struct schema *s, const struct plan *plan, bool covering)
{
    sqlite3_str *text = sqlite3_str_new(NULL);

    if (plan->index != NULL) {
        if (covering)
            sqlite3_str_appendall(text, COVERING_TEXT);
        if (sqlite3_stricmp(plan->index->name, "COVERING") == 0)
            sqlite3_str_appendf(text, "\"%w\"", plan->index->name);
        else
            append_name(text, plan->index->name);
        if (plan->n > 0 || plan->past)
            sqlite3_str_appendall(text, ": ");
    }
    if (plan->past)
        sqlite3_str_appendall(text, PAST_TEXT);
    for (size_t i = 0; i < plan->n; i++) {
        if (i > 0 || plan->past)
            sqlite3_str_appendall(text, AND_TEXT);
        append_term(text, s, plan, &plan->terms[i]);
    }
    if (plan->reverse)
        sqlite3_str_appendall(text, sqlite3_str_length(text) > 0
                                        ? " " REVERSE_TEXT
                                        : REVERSE_TEXT);
    return sqlite3_str_finish(text);
}

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

/* The operator that text begins with; false if it does not. */
static bool
parse_op(const char **text, enum plan_op *op)
{
    for (size_t i = 0; i < sizeof(op_order) / sizeof(op_order[0]); i++) {
        if (skip(text, op_text[op_order[i]])) {
            *op = op_order[i];
            return true;
        }
    }
    return false;
}

/* A part's name and the operator behind it. */
static int
parse_part(const struct schema *schema, const struct plan *plan,
           const char **text, struct plan_term *term, bool *found)
{
    const char *p = *text;
    struct token t = token_next(&p);
    char *name;

    *found = false;
    if (t.kind != TOKEN_WORD && t.kind != TOKEN_QUOTED)
        return SQLITE_OK;
    name = token_value(&t);
    if (name == NULL)
        return SQLITE_NOMEM;
    for (int part = 0; part < plan->n_narrow && !*found; part++) {
        int column = plan->parts[part].column;

        term->part = part;
        *found = strcmp(name, schema_column_name(schema, column)) == 0;
    }
    sqlite3_free(name);
    *text = p;
    *found = *found && parse_op(text, &term->op);
    return SQLITE_OK;
}

static int
parse_term(const struct schema *schema, const struct plan *plan,
           const char **text, struct plan_term *term)
{
    bool found;
    int rc = parse_part(schema, plan, text, term, &found);

    if (rc != SQLITE_OK)
        return rc;
    if (!found)
        return SQLITE_ERROR;
    if (!plan_op_has_value(term->op))
        return SQLITE_OK;
    term->literal = skip(text, "'?'");
    if (!term->literal && !skip(text, "?"))
        return SQLITE_ERROR;
    term->plain = skip(text, PLAIN_TEXT);
    term->wide = skip(text, WIDE_TEXT);
    term->as_one = skip(text, ONE_TEXT);
    return SQLITE_OK;
}

/* Step over what stands before the terms. */
static bool
parse_index(const struct plan *plan, const char **text)
{
    struct token t;

    if (plan->index == NULL)
        return true;
    (void)skip(text, COVERING_TEXT);
    t = token_next(text);
    if (t.kind != TOKEN_WORD && t.kind != TOKEN_QUOTED)
        return false;
    return skip(text, ": ") || **text == '\0' || **text == ' ';
}

int
plan_parse(const struct schema *schema, int idx_num, const char *idx_str,
           struct plan *out)
{
    const char *text = idx_str == NULL ? "" : idx_str;
    bool first;
    int rc = SQLITE_OK;

    if (idx_num < 0 || idx_num > schema->n_indexes)
        return SQLITE_ERROR;
    plan_begin(schema, idx_num, out);
    if (!parse_index(out, &text))
        return SQLITE_ERROR;
    out->past = skip(&text, PAST_TEXT);
    first = !out->past;
    if (first && strcmp(text, REVERSE_TEXT) == 0) {
        out->reverse = true;
        return SQLITE_OK;
    }
    while (rc == SQLITE_OK && *text != '\0') {
        if (strcmp(text, " " REVERSE_TEXT) == 0) {
            out->reverse = true;
            return SQLITE_OK;
        }
        if (out->n == PLAN_MAX_TERMS)
            return SQLITE_ERROR;
        if (!first && !skip(&text, AND_TEXT))
            return SQLITE_ERROR;
        first = false;
        rc = parse_term(schema, out, &text, &out->terms[out->n++]);
    }
    return rc;
}
