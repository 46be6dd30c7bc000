/*
 * Counters by name, kept in small arrays and sorted when printed.  Plans are
 * counted by their shape as EXPLAIN QUERY PLAN tells it.
 */
#include "diff_report.h"

#include <stdlib.h>
#include <string.h>

static const char *const titles[DIFF_SECTIONS] = {
    "episodes by mode",    "statements by kind",
    "errors by code",      "plans of moss tables (sampled)",
    "allowed differences",
};

void
diff_report_count(struct diff_report *r, enum diff_section section,
                  const char *name)
{
    size_t n = r->sections[section].n;
    struct diff_count *at = r->sections[section].at;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(at[i].name, name) == 0) {
            at[i].n++;
            return;
        }
    }
    if (n == r->sections[section].cap) {
        r->sections[section].cap = n ? 2 * n : 16;
        at = realloc(at, r->sections[section].cap * sizeof *at);
        if (at == NULL)
            abort();
        r->sections[section].at = at;
    }
    at[n].name = strdup(name);
    at[n].n = 1;
    if (at[n].name == NULL)
        abort();
    r->sections[section].n++;
}

static void
count_error(struct diff_report *r, const struct diff_outcome *out)
{
    char *name = sqlite3_mprintf("%4d %s", out->rc, out->message);

    if (name == NULL)
        abort();
    r->compared_errors++;
    diff_report_count(r, DIFF_ERRORS, name);
    sqlite3_free(name);
}

/* A row of EXPLAIN QUERY PLAN ends in 'the detail'|. */
static void
count_plan(struct diff_report *r, const char *row)
{
    const char *at = strstr(row, "VIRTUAL TABLE INDEX ");
    char shape[120];
    size_t n;

    if (at == NULL)
        return;
    n = strcspn(at, "'");
    if (n >= sizeof shape)
        n = sizeof shape - 1;
    memcpy(shape, at, n);
    shape[n] = '\0';
    diff_report_count(r, DIFF_PLANS, shape);
}

void
diff_report_step(struct diff_report *r, const struct diff_step *step,
                 const struct diff_outcome *out)
{
    bool is_plan = step->text != NULL &&
                   strncmp(step->text, "EXPLAIN QUERY PLAN", 18) == 0;

    r->statements++;
    diff_report_count(r, DIFF_KINDS, step->kind);
    if (out->rc != SQLITE_OK)
        count_error(r, out);
    if (is_plan)
        for (size_t i = 0; i < out->n_rows; i++)
            count_plan(r, out->rows[i]);
    else if (step->compare != DIFF_CODE)
        r->rows += (long)out->n_rows;
}

static int
by_count(const void *a, const void *b)
{
    const struct diff_count *x = a;
    const struct diff_count *y = b;

    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return strcmp(x->name, y->name);
}

void
diff_report_print(struct diff_report *r, FILE *to)
{
    fprintf(to, "%ld statements, %ld rows and %ld errors compared\n",
            r->statements, r->rows, r->compared_errors);
    for (int s = 0; s < DIFF_SECTIONS; s++) {
        struct diff_count *at = r->sections[s].at;
        size_t n = r->sections[s].n;

        fprintf(to, "\n%s%s\n", titles[s], n == 0 ? ": none" : "");
        if (n > 0)
            qsort(at, n, sizeof *at, by_count);
        for (size_t i = 0; i < n; i++)
            fprintf(to, "%8ld  %s\n", at[i].n, at[i].name);
    }
}

void
diff_report_release(struct diff_report *r)
{
    for (int s = 0; s < DIFF_SECTIONS; s++) {
        for (size_t i = 0; i < r->sections[s].n; i++)
            free(r->sections[s].at[i].name);
        free(r->sections[s].at);
    }
    memset(r, 0, sizeof *r);
}
