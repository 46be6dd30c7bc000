/*
 * MERGE columns as they are declared and written: the word MERGE in a column's
 * definition, what values such a column takes, and the operand that an INSERT
 * becomes.
 */
#include "merge.h"

#include <string.h>

static const char *const names[MERGE_N] = {
    [MERGE_LAST] = "last", [MERGE_SUM] = "sum",       [MERGE_MIN] = "min",
    [MERGE_MAX] = "max",   [MERGE_APPEND] = "append",
};

/* ----------------------------------------------------------- declarations */

static enum merge_rule
find_rule(const struct token *name)
{
    int i = 0;

    while (i < MERGE_N && (names[i] == NULL || !token_is(name, names[i])))
        i++;
    return (enum merge_rule)i;
}

static int
refuse_rule(const struct token *name, char **err)
{
    *err = sqlite3_mprintf("moss: MERGE %.*s: it is sum, min, max, append or"
                           " last",
                           (int)name->n, name->text);
    return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
}

static int
strip_rule(const char *definition, char **out, enum merge_rule *rule,
           char **err)
{
    const char *p = definition;
    struct token t = token_next(&p); /* the column's name */
    int depth = 0;

    *out = NULL;
    *rule = MERGE_NONE;
    for (; t.kind != TOKEN_END; t = token_next(&p)) {
        struct token name;
        const char *end;

        depth += token_is_char(&t, '(') - token_is_char(&t, ')');
        end = p;
        name = token_next(&end);
        if (depth > 0 || !token_is(&name, "MERGE"))
            continue;
        const char *rest = end;

        t = token_next(&rest);
        *rule = find_rule(&t);
        if (*rule == MERGE_N)
            return refuse_rule(&t, err);
        *out = sqlite3_mprintf("%.*s %s", (int)(name.text - definition),
                               definition, rest);
        return *out == NULL ? SQLITE_NOMEM : SQLITE_OK;
    }
    return SQLITE_OK;
}

static int
refuse_column(const struct column *c, const char *why, char **err)
{
    *err = sqlite3_mprintf("moss: column %s: MERGE %s %s", c->name,
                           names[c->merge], why);
    return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
}

static int
check_rule(const struct column *c, char **err)
{
    struct datum d = { .type = SQLITE_NULL };
    sqlite3_value *owned = NULL;
    bool fits = true;
    int rc = SQLITE_OK;

    if (c->merge == MERGE_NONE)
        return SQLITE_OK;
    if (c->part >= 0)
        return refuse_column(c, "is not for a column of the key", err);
    if (c->merge == MERGE_SUM && c->affinity == AFFINITY_TEXT)
        return refuse_column(c, "is not for a column with TEXT affinity", err);
    if (c->merge == MERGE_APPEND && affinity_is_numeric(c->affinity))
        return refuse_column(c, "is for a column with TEXT affinity or none",
                             err);
    if ((c->merge == MERGE_MIN || c->merge == MERGE_MAX) &&
        collation_find(c->collation) == COLLATION_OTHER)
        return refuse_column(c, "wants collation BINARY, NOCASE or RTRIM", err);
    if (c->fallback != NULL)
        rc = merge_convert(c, c->fallback, &d, &owned, &fits);
    bool changed = c->merge == MERGE_APPEND && owned != NULL;

    sqlite3_value_free(owned);
    if (rc == SQLITE_OK &&
        (!fits || (c->merge == MERGE_SUM && c->default_text != NULL &&
                   c->fallback == NULL)))
        return refuse_column(c, "wants a DEFAULT that is a number", err);
    if (rc == SQLITE_OK && changed)
        return refuse_column(c, "wants a DEFAULT that is text", err);
    return rc;
}

/* Give the column that a definition begins with its rule. */
static void
set_rule(struct schema *s, const char *name, enum merge_rule rule)
{
    for (int i = 0; i < s->n; i++) {
        if (sqlite3_stricmp(s->columns[i].name, name) == 0)
            s->columns[i].merge = rule;
    }
    s->merges = true;
}

static int
read_rule(struct schema *s, const char *definition, enum merge_rule rule)
{
    const char *p = definition;
    struct token t = token_next(&p);
    char *name = token_value(&t);

    if (name == NULL)
        return SQLITE_NOMEM;
    set_rule(s, name, rule);
    sqlite3_free(name);
    return SQLITE_OK;
}

void
merge_rules_release(struct merge_rules *r)
{
    for (int i = 0; r->owned != NULL && i < r->n; i++)
        sqlite3_free(r->owned[i]);
    sqlite3_free(r->args);
    sqlite3_free(r->owned);
    sqlite3_free(r->rules);
}

int
merge_rules_strip(struct merge_rules *r, const char *const *args, int n,
                  char **err)
{
    size_t room = (size_t)n + 1;
    int rc = SQLITE_OK;

    r->n = n;
    r->args = sqlite3_malloc64(room * sizeof(*r->args));
    r->owned = sqlite3_malloc64(room * sizeof(*r->owned));
    r->rules = sqlite3_malloc64(room * sizeof(*r->rules));
    if (r->owned != NULL)
        memset(r->owned, 0, room * sizeof(*r->owned));
    if (r->args == NULL || r->owned == NULL || r->rules == NULL)
        return SQLITE_NOMEM;
    for (int i = 0; i < n && rc == SQLITE_OK; i++) {
        rc = strip_rule(args[i], &r->owned[i], &r->rules[i], err);
        r->args[i] = r->owned[i] != NULL ? r->owned[i] : args[i];
    }
    return rc;
}

int
merge_rules_read(const struct merge_rules *r, enum codec codec,
                 struct schema *s, char **err)
{
    int rc = SQLITE_OK;

    for (int i = 0; i < r->n && rc == SQLITE_OK; i++) {
        if (r->owned[i] != NULL)
            rc = read_rule(s, r->args[i], r->rules[i]);
    }
    if (rc == SQLITE_OK && s->merges && codec == CODEC_RAW) {
        *err = sqlite3_mprintf("moss: codec=raw has no MERGE columns");
        return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
    }
    if (rc == SQLITE_OK && s->merges && s->n_indexes > 0) {
        *err = sqlite3_mprintf("moss: a table with MERGE columns has no INDEX"
                               " and no UNIQUE");
        return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
    }
    for (int i = 0; i < s->n && rc == SQLITE_OK; i++)
        rc = check_rule(&s->columns[i], err);
    return rc;
}

const char *
merge_name(enum merge_rule rule)
{
    return names[rule];
}

/* ------------------------------------------------------------------ values */

int
merge_convert(const struct column *column, sqlite3_value *v, struct datum *d,
              sqlite3_value **owned, bool *fits)
{
    int rc = datum_convert(v, column->affinity, d, owned);
    bool number = d->type == SQLITE_INTEGER || d->type == SQLITE_FLOAT;

    *fits = column->merge != MERGE_SUM || number || d->type == SQLITE_NULL;
    if (rc != SQLITE_OK || column->merge != MERGE_APPEND || !number)
        return rc;
    sqlite3_value_free(*owned);
    *owned = sqlite3_value_dup(v);
    if (*owned == NULL)
        return SQLITE_NOMEM;
    d->bytes.bytes = sqlite3_value_text(*owned);
    if (d->bytes.bytes == NULL)
        return SQLITE_NOMEM;
    d->bytes.len = (size_t)sqlite3_value_bytes(*owned);
    d->type = SQLITE_TEXT;
    return SQLITE_OK;
}

/* ---------------------------------------------------------------- operands */

/* What rows have that lack the column, if that is anything. */
static int
append_base(struct bytes *out, const struct column *c, uint8_t head)
{
    struct datum d = { .type = SQLITE_NULL };
    sqlite3_value *owned = NULL;
    bool fits;
    int rc = SQLITE_OK;

    if (c->fallback != NULL && c->merge > MERGE_LAST)
        rc = merge_convert(c, c->fallback, &d, &owned, &fits);
    if (d.type != SQLITE_NULL)
        head |= MERGE_HAS_BASE;
    if (rc == SQLITE_OK)
        rc = bytes_append(out, &head, 1);
    if (rc == SQLITE_OK && d.type != SQLITE_NULL)
        rc = row_append(out, &d);
    sqlite3_value_free(owned);
    return rc;
}

/* A sum's value: integers, then the reals. */
static int
append_sum(struct bytes *out, const struct datum *d)
{
    const struct datum null = { .type = SQLITE_NULL };
    bool real = d->type == SQLITE_FLOAT;
    const uint8_t n_reals = real ? 1 : 0;
    int rc = row_append(out, real ? &null : d);

    if (rc == SQLITE_OK)
        rc = bytes_append(out, &n_reals, 1);
    return rc == SQLITE_OK && real ? row_append_real(out, d->r) : rc;
}

int
merge_append(struct bytes *out, const struct column *c, const struct datum *d)
{
    uint8_t head = (uint8_t)(c->part >= 0 ? MERGE_FIRST : c->merge);
    int rc;

    if (c->merge == MERGE_MIN || c->merge == MERGE_MAX)
        head |=
            (uint8_t)(collation_find(c->collation) << MERGE_COLLATION_SHIFT);
    rc = append_base(out, c, head);
    if (rc == SQLITE_OK)
        rc = c->merge == MERGE_SUM ? append_sum(out, d) : row_append(out, d);
    return rc;
}

int
merge_begin(struct bytes *out, const uint8_t *notes, size_t n_notes)
{
    uint8_t n = (uint8_t)n_notes;
    int rc = bytes_append(out, &n, 1);

    return rc == SQLITE_OK ? row_append_notes(out, notes, n_notes) : rc;
}
