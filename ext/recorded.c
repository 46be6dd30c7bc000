/*
 * Declarations as they are recorded: the text of the columns, beside the rows
 * in the store and in the catalog.  Two of them fit if the rows that are
 * written under one read the same under the other: the same key, the same
 * columns in the same order.  Columns at the end may be missing on one side,
 * since a row without them reads as their DEFAULT.
 */
#include "recorded.h"

#include "merge.h"

#include <string.h>

/* ------------------------------------------------------- text to columns */

/* The commas of text that separate definitions. */
static int
count_commas(char *text, bool cut)
{
    const char *p = text;
    int depth = 0, n = 0;

    for (struct token t = token_next(&p); t.kind != TOKEN_END;
         t = token_next(&p)) {
        depth += token_is_char(&t, '(') - token_is_char(&t, ')');
        if (depth > 0 || !token_is_char(&t, ','))
            continue;
        n++;
        if (cut)
            text[t.text - text] = '\0';
    }
    return n;
}

int
recorded_schema(const char *columns, enum codec codec, struct schema *out,
                char **err)
{
    char *text = sqlite3_mprintf("%s", columns);
    int n = text == NULL ? 0 : count_commas(text, false) + 1;
    const char **args = sqlite3_malloc64((size_t)n * sizeof(*args) + 1);
    int rc = SQLITE_NOMEM;

    memset(out, 0, sizeof(*out));
    if (text != NULL && args != NULL) {
        const char *next = text, *end = text + strlen(text);

        /* The definitions stand one behind the other, each with a NUL. */
        (void)count_commas(text, true);
        for (int i = 0; i < n; i++) {
            args[i] = next + strspn(next, " ");
            next += next < end ? strlen(next) + 1 : 0;
        }
        rc = schema_parse(args, n, codec, out, err);
    }
    sqlite3_free(args);
    sqlite3_free(text);
    return rc;
}

/* ------------------------------------------------------------- comparing */

static void
describe_column(sqlite3_str *text, const struct column *c)
{
    sqlite3_str_appendf(text, "%s%s%s", c->name, *c->type != '\0' ? " " : "",
                        c->type);
    if (collation_find(c->collation) != COLLATION_BINARY)
        sqlite3_str_appendf(text, " COLLATE %s", c->collation);
    if (c->merge != MERGE_NONE)
        sqlite3_str_appendf(text, " MERGE %s", merge_name(c->merge));
    if (c->not_null)
        sqlite3_str_appendall(text, " NOT NULL");
    if (c->default_text != NULL)
        sqlite3_str_appendf(text, " DEFAULT %s", c->default_text);
}

static void
describe_key(sqlite3_str *text, const struct schema *s)
{
    for (int i = 0; i < s->n_key; i++) {
        static const char *const names[] = { "", " COLLATE NOCASE",
                                             " COLLATE RTRIM", "" };

        sqlite3_str_appendf(text, "%s%s%s%s", i > 0 ? ", " : "",
                            schema_part_name(s, i), names[s->key[i].collation],
                            s->key[i].desc ? " DESC" : "");
    }
}

static bool
same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_column(const struct column *a, const struct column *b)
{
    return sqlite3_stricmp(a->name, b->name) == 0 &&
           a->affinity == b->affinity && a->merge == b->merge &&
           a->not_null == b->not_null &&
           sqlite3_stricmp(a->collation, b->collation) == 0 &&
           same_text(a->default_text, b->default_text) && a->part == b->part;
}

static bool
same_key(const struct schema *a, const struct schema *b)
{
    bool same = a->n_key == b->n_key && a->has_rowid == b->has_rowid;

    for (int i = 0; same && i < a->n_key; i++)
        same = a->key[i].desc == b->key[i].desc &&
               a->key[i].collation == b->key[i].collation &&
               a->key[i].column == b->key[i].column;
    return same;
}

static bool
same_index(const struct index *a, const struct index *b)
{
    bool same = sqlite3_stricmp(a->name, b->name) == 0 &&
                a->unique == b->unique && a->n_own == b->n_own;

    for (int i = 0; same && i < a->n_own; i++)
        same = a->parts[i].desc == b->parts[i].desc &&
               a->parts[i].collation == b->parts[i].collation &&
               a->parts[i].column == b->parts[i].column;
    return same;
}

static bool
same_indexes(const struct schema *a, const struct schema *b)
{
    bool same = a->n_indexes == b->n_indexes;

    for (int i = 0; same && i < a->n_indexes; i++)
        same = same_index(&a->indexes[i], &b->indexes[i]);
    return same;
}

/* What tells a from b in the columns and the key that both have; or "". */
static char *
difference(const struct schema *there, const struct schema *here)
{
    int n = there->n < here->n ? there->n : here->n;
    sqlite3_str *text = sqlite3_str_new(NULL);

    for (int i = 0; i < n && sqlite3_str_length(text) == 0; i++) {
        if (same_column(&there->columns[i], &here->columns[i]))
            continue;
        sqlite3_str_appendf(text, "column %d is ", i + 1);
        describe_column(text, &there->columns[i]);
        sqlite3_str_appendall(text, " there and ");
        describe_column(text, &here->columns[i]);
        sqlite3_str_appendall(text, " here");
    }
    /* A column's part of the key counts among what makes it the same. */
    if (!same_key(there, here)) {
        sqlite3_str_reset(text);
        sqlite3_str_appendall(text, "the key is (");
        describe_key(text, there);
        sqlite3_str_appendall(text, ") there and (");
        describe_key(text, here);
        sqlite3_str_appendall(text, ") here");
    }
    if (sqlite3_str_length(text) == 0 && !same_indexes(there, here))
        sqlite3_str_appendall(text, "INDEX and UNIQUE are others");
    sqlite3_str_appendchar(text, 1, '\0');
    return sqlite3_str_finish(text);
}

int
recorded_compare(const struct schema *there, const struct schema *here,
                 enum fit *fit, char **what)
{
    *what = difference(there, here);
    if (*what == NULL)
        return SQLITE_NOMEM;
    *fit = **what != '\0'        ? FIT_NOT
           : there->n == here->n ? FIT_SAME
           : there->n > here->n  ? FIT_MORE
                                 : FIT_FEWER;
    return SQLITE_OK;
}

int
recorded_fit(const char *there, enum codec codec, const char *here,
             enum fit *fit, char **what)
{
    struct schema a, b;
    int rc;

    *what = NULL;
    *fit = FIT_SAME;
    if (strcmp(there, here) == 0 || codec == CODEC_RAW)
        return SQLITE_OK;
    memset(&b, 0, sizeof(b));
    rc = recorded_schema(there, codec, &a, what);
    if (rc == SQLITE_OK)
        rc = recorded_schema(here, codec, &b, what);
    if (rc == SQLITE_OK)
        rc = recorded_compare(&a, &b, fit, what);
    schema_release(&a);
    schema_release(&b);
    return rc;
}
