/* Random declarations of tables, in words that both sides understand. */
#include "diff_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *type;
    bool has_affinity;
    bool is_exact;
} types[] = {
    { "", false, false },       { " BLOB", false, false },
    { " INTEGER", true, true }, { " INT", true, true },
    { " REAL", true, false },   { " DOUBLE", true, false },
    { " NUMERIC", true, true }, { " DATE", true, true },
    { " TEXT", true, true },    { " VARCHAR(9)", true, true },
    { " TEXT", true, true },    { " TEXT", true, true },
};

static const char *const collations[] = { " COLLATE NOCASE", " COLLATE RTRIM",
                                          " COLLATE BINARY" };
enum { COLLATE_BINARY = 2 };

static const char *const defaults[] = { "7",        "-1.5",   "'dflt'",
                                        "x'00ff'",  "''",     "(1 + 2)",
                                        "('a'||5)", "'12.0'", "1e300" };

#define COUNT(a) ((unsigned)(sizeof(a) / sizeof(a)[0]))

static void
append(char *out, size_t size, const char *format, ...)
{
    size_t n = strlen(out);
    va_list ap;

    va_start(ap, format);
    if (vsnprintf(out + n, size - n, format, ap) >= (int)(size - n))
        fail("a declaration that is too long");
    va_end(ap);
}

/* One column with its constraints, but PRIMARY KEY. */
static void
column_text(struct rng *r, struct diff_column *c, bool only_part, char *out,
            size_t size)
{
    unsigned type = rng_below(r, COUNT(types));
    unsigned collation = rng_below(r, COUNT(collations));

    if (only_part && strcmp(types[type].type, " INTEGER") == 0)
        type++; /* it would be the rowid */
    c->has_affinity = types[type].has_affinity;
    c->is_exact = types[type].is_exact;
    c->is_plain = true;
    append(out, size, "%s%s", c->name, types[type].type);
    if (rng_percent(r, 30)) {
        append(out, size, "%s", collations[collation]);
        c->is_plain = collation == COLLATE_BINARY;
        c->is_exact = c->is_exact && c->is_plain;
    }
    c->not_null = rng_percent(r, 20);
    if (c->not_null)
        append(out, size, " NOT NULL");
    /* A key with one cannot be left out: that a NULL is meant is not seen. */
    c->has_default = c->part < 0 && rng_percent(r, 25);
    if (c->has_default)
        append(out, size, " DEFAULT %s",
               defaults[rng_below(r, COUNT(defaults))]);
}

static void
key_text(struct rng *r, struct diff_schema *s)
{
    append(s->text, sizeof s->text, ", PRIMARY KEY(");
    for (int part = 0; part < s->n_parts; part++) {
        struct diff_column *c = &s->columns[s->parts[part]];

        append(s->text, sizeof s->text, "%s%s", part ? ", " : "", c->name);
        if (rng_percent(r, 15)) {
            append(s->text, sizeof s->text, "%s",
                   collations[rng_below(r, COUNT(collations))]);
            s->recollated = true;
        }
        append(s->text, sizeof s->text, "%s",
               rng_percent(r, 35) ? " DESC" : "");
    }
    append(s->text, sizeof s->text, ")");
}

/* Give s->n columns their names, the parts of the key in random places. */
static void
name_columns(struct rng *r, struct diff_schema *s)
{
    int others = 0;

    for (int i = 0; i < s->n; i++)
        s->columns[i].part = -1;
    for (int part = 0; part < s->n_parts; part++) {
        int i = rng_between(r, 0, s->n - 1);

        if (rng_percent(r, 60))
            i = part; /* as people do it */
        while (s->columns[i].part >= 0)
            i = (i + 1) % s->n;
        s->columns[i].part = part;
        s->parts[part] = i;
    }
    for (int i = 0; i < s->n; i++) {
        struct diff_column *c = &s->columns[i];

        snprintf(c->name, sizeof c->name, "%c%c", c->part < 0 ? 'c' : 'k',
                 '1' + (c->part < 0 ? others++ : c->part));
    }
}

/*
 * The moss table may have indexes, which change no row.  They begin with no
 * part of the key, which is to serve where rows must be changed in its order.
 */
static void
indexes_text(struct rng *r, struct diff_schema *s)
{
    int n = rng_percent(r, 50) ? rng_between(r, 1, 3) : 0;

    for (int i = 0; i < n && s->n > s->n_parts; i++) {
        int length = rng_between(r, 1, 3);

        append(s->indexes, sizeof s->indexes, ", INDEX i%d(", i + 1);
        for (int k = 0; k < length; k++) {
            int c = rng_between(r, 0, s->n - 1);

            while (k == 0 && s->columns[c].part >= 0)
                c = (c + 1) % s->n;
            append(s->indexes, sizeof s->indexes, "%s%s%s%s", k ? ", " : "",
                   s->columns[c].name,
                   rng_percent(r, 20) ? collations[rng_below(r, 3)] : "",
                   rng_percent(r, 35) ? " DESC" : "");
        }
        append(s->indexes, sizeof s->indexes, ")");
    }
}

void
diff_schema_random(struct rng *r, struct diff_schema *out)
{
    unsigned kind = rng_below(r, 100);
    bool is_rowid = kind < 15; /* INTEGER PRIMARY KEY */
    bool by_constraint = rng_percent(r, 30);

    memset(out, 0, sizeof *out);
    out->has_rowid = kind < 25;
    out->n_parts = is_rowid ? 1 : kind < 25 ? 0 : rng_between(r, 1, DIFF_PARTS);
    out->n = out->n_parts + rng_between(r, out->n_parts == 0, 3);
    name_columns(r, out);
    for (int i = 0; i < out->n; i++) {
        struct diff_column *c = &out->columns[i];

        append(out->text, sizeof out->text, "%s", i ? ", " : "");
        if (is_rowid && c->part == 0) {
            c->is_rowid = c->is_exact = c->has_affinity = c->is_plain = true;
            append(out->text, sizeof out->text, "%s INTEGER%s", c->name,
                   by_constraint ? "" : " PRIMARY KEY");
        } else {
            column_text(r, c, c->part == 0 && out->n_parts == 1, out->text,
                        sizeof out->text);
        }
    }
    if (is_rowid && by_constraint)
        append(out->text, sizeof out->text, ", PRIMARY KEY(k1)");
    else if (!out->has_rowid)
        key_text(r, out);
    indexes_text(r, out);
}

const char *
diff_schema_kind(const struct diff_schema *s)
{
    if (s->has_rowid)
        return s->n_parts == 0 ? "rowid" : "INTEGER PRIMARY KEY";
    return s->n_parts == 1   ? "key of 1"
           : s->n_parts == 2 ? "key of 2"
                             : "key of 3";
}
