/*
 * Steps and their texts.  A text has marker bytes where the two sides differ
 * and where a value stands, so that one text serves as SQL with bound values,
 * as SQL with literals, and as a script to read.
 */
#include "diff_step.h"

#include <stdlib.h>
#include <string.h>

void
diff_step_release(struct diff_step *step)
{
    for (int i = 0; i < step->n_values; i++)
        diff_value_release(&step->values[i]);
    free(step->values);
    step->values = NULL;
    step->n_values = 0;
    sqlite3_free(step->text);
    step->text = NULL;
}

void
diff_steps_append(struct diff_steps *steps, const struct diff_step *step)
{
    if (steps->n == steps->cap) {
        steps->cap = steps->cap ? 2 * steps->cap : 256;
        steps->at = realloc(steps->at, steps->cap * sizeof *steps->at);
        if (steps->at == NULL)
            abort();
    }
    steps->at[steps->n++] = *step;
}

void
diff_steps_release(struct diff_steps *steps)
{
    for (size_t i = 0; i < steps->n; i++)
        diff_step_release(&steps->at[i]);
    free(steps->at);
    memset(steps, 0, sizeof *steps);
}

static char *
finish(sqlite3_str *out)
{
    char *text = sqlite3_str_finish(out);

    if (text == NULL)
        abort();
    return text;
}

/* The name without its schema is that of the command's column. */
static char *
truncate_sql(const char *table, const struct diff_dialect *dialect)
{
    sqlite3_str *out = sqlite3_str_new(NULL);
    const char *dot = strchr(table, '.');

    if (dialect->truncates)
        sqlite3_str_appendf(out, "INSERT INTO %s(%s) VALUES('truncate')", table,
                            dot == NULL ? table : dot + 1);
    else
        sqlite3_str_appendf(out, "DELETE FROM %s", table);
    return finish(out);
}

char *
diff_step_sql(const struct diff_step *step, const struct diff_dialect *dialect,
              bool bound)
{
    sqlite3_str *out;
    int next = 0;

    if (step->text[0] == DIFF_TRUNCATE[0])
        return truncate_sql(step->text + 1, dialect);
    out = sqlite3_str_new(NULL);
    for (const char *p = step->text; *p; p++) {
        if (*p == DIFF_TABLE[0])
            sqlite3_str_appendall(out, dialect->table);
        else if (*p == DIFF_LAYOUT[0])
            sqlite3_str_appendall(out, dialect->layout);
        else if (*p != DIFF_VALUE[0])
            sqlite3_str_appendchar(out, 1, *p);
        else if (bound)
            sqlite3_str_appendchar(out, 1, '?');
        else
            diff_value_literal(&step->values[next++], out);
    }
    return finish(out);
}

char *
diff_step_script(const struct diff_step *step,
                 const struct diff_dialect *dialect)
{
    sqlite3_str *out = sqlite3_str_new(NULL);
    char *sql = NULL;

    if (step->text != NULL)
        sql = diff_step_sql(step, dialect, false);
    sqlite3_str_appendf(out, ".connection %d\n", step->conn);
    switch (step->action) {
    case DIFF_SQL:
        sqlite3_str_appendf(out, "%s;\n", sql);
        break;
    case DIFF_TEMPLATE:
        sqlite3_str_appendf(out, "%s; -- kept prepared, values bound\n", sql);
        break;
    case DIFF_OPEN_READ:
        sqlite3_str_appendf(out, "-- step %d rows of, and leave open:\n%s;\n",
                            step->slot, sql);
        break;
    case DIFF_END_READ:
        sqlite3_str_appendall(out, "-- read the rest of the open statement\n");
        break;
    case DIFF_RECONNECT:
        sqlite3_str_appendall(out, "-- close and open this connection\n");
        break;
    case DIFF_REOPEN:
        sqlite3_str_appendall(out, "-- close and open all connections\n");
        break;
    case DIFF_CHECK:
        sqlite3_str_appendall(out, "INSERT INTO t(t) VALUES ('check');\n");
        break;
    }
    if (step->action == DIFF_SQL && step->bound && step->n_values > 0)
        sqlite3_str_appendall(out, "-- (with its values bound)\n");
    sqlite3_free(sql);
    return finish(out);
}
