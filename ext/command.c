/*
 * Commands, as full-text tables have them: a row that is inserted with a value
 * in the hidden column named as the table is no row but a command.  Each is a
 * line in the list below.
 *
 * SQLite has begun a write transaction when a command comes, and counts one
 * row as inserted.  What a command does to rows is part of the transaction;
 * what it does to the store's files is not, and concerns committed data only.
 */
#include "command.h"

#include <math.h>
#include <string.h>

#include "txn.h"

/* The longest wait between two looks at the clock and at interrupts. */
#define SLICE_MS 50

static const struct {
    const char *name;
    const char *argument; /* what it is, for people; NULL: it takes none */
    bool wanted;          /* it cannot be left out */
    bool reads;           /* a database that may not write can run it, too */
    int (*run)(struct vtab *v, sqlite3_value *arg);
} commands[] = {
    { "flush", "seconds", false, false, command_flush },
    { "merge", "seconds", false, false, command_merge },
    { "compact", "seconds", false, false, command_compact },
    { "check", "seconds", false, true, command_check },
    { "columns", "columns and constraints", true, false, command_columns },
    { "truncate", NULL, false, false, command_truncate },
    { "revert", "commit", true, false, command_revert },
    { "adopt", NULL, false, true, command_adopt },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* ------------------------------------------------------------ deadlines */

int
deadline_begin(struct deadline *d, struct table *t, const char *command,
               sqlite3_value *arg)
{
    struct moss_os *os = registry_os();
    int type = arg == NULL ? SQLITE_NULL : sqlite3_value_numeric_type(arg);

    memset(d, 0, sizeof(*d));
    d->t = t;
    d->command = command;
    d->limited = type != SQLITE_NULL;
    if (d->limited) {
        d->seconds = sqlite3_value_double(arg);
        if ((type != SQLITE_INTEGER && type != SQLITE_FLOAT) ||
            !(d->seconds >= 0))
            return error_report(t, SQLITE_ERROR,
                                "moss: %s: the argument of '%s' is a number of"
                                " seconds",
                                t->name, command);
        d->end_ns =
            os->ops->monotonic_ns(os) + (uint64_t)(fmin(d->seconds, 1e9) * 1e9);
    }
    /* An authorizer may deny it: then nothing tells of an interrupt. */
    (void)sqlite3_prepare_v2(t->conn->db, "SELECT 1", -1, &d->probe, NULL);
    return SQLITE_OK;
}

void
deadline_end(struct deadline *d)
{
    sqlite3_finalize(d->probe);
    d->probe = NULL;
}

/* A statement of ours is interrupted with the one that runs the command. */
static bool
is_interrupted(const struct deadline *d)
{
    int rc;

    if (d->probe == NULL)
        return false;
    rc = sqlite3_step(d->probe);
    (void)sqlite3_reset(d->probe);
    return rc == SQLITE_INTERRUPT;
}

int
deadline_check(struct deadline *d)
{
    struct moss_os *os = registry_os();

    if (is_interrupted(d))
        return error_report(d->t, SQLITE_INTERRUPT, "interrupted");
    if (!d->limited || os->ops->monotonic_ns(os) < d->end_ns)
        return SQLITE_OK;
    return error_report(d->t, SQLITE_BUSY,
                        "moss: %s: '%s' was not done within %g seconds",
                        d->t->name, d->command, d->seconds);
}

uint64_t
deadline_slice_ms(const struct deadline *d)
{
    struct moss_os *os = registry_os();
    uint64_t now = os->ops->monotonic_ns(os);
    uint64_t left_ms;

    if (!d->limited)
        return SLICE_MS;
    left_ms = d->end_ns > now ? (d->end_ns - now) / 1000000 + 1 : 1;
    return left_ms < SLICE_MS ? left_ms : SLICE_MS;
}

/* ------------------------------------------------------------- commands */

static int
report_unknown(struct table *t, const char *name)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    char *known;
    int rc;

    for (size_t i = 0; i < N_COMMANDS; i++) {
        sqlite3_str_appendf(text, "%s'%s'", i > 0 ? ", " : "",
                            commands[i].name);
        if (commands[i].argument != NULL)
            sqlite3_str_appendf(text, commands[i].wanted ? " (%s)" : " [%s]",
                                commands[i].argument);
    }
    known = sqlite3_str_finish(text);
    if (known == NULL)
        return SQLITE_NOMEM;
    rc = error_report(t, SQLITE_ERROR,
                      "moss: %s: unknown command '%s'; known are %s", t->name,
                      name, known);
    sqlite3_free(known);
    return rc;
}

static int
run(struct vtab *v, sqlite3_value *command, sqlite3_value *arg)
{
    struct table *t = &v->table;
    const char *name = (const char *)sqlite3_value_text(command);
    bool given = sqlite3_value_type(arg) != SQLITE_NULL;
    int rc;

    if (name == NULL)
        return SQLITE_NOMEM;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (sqlite3_stricmp(commands[i].name, name) != 0)
            continue;
        if (given && commands[i].argument == NULL)
            return error_report(t, SQLITE_ERROR,
                                "moss: %s: '%s' takes no argument", t->name,
                                commands[i].name);
        if (!given && commands[i].wanted)
            return error_report(t, SQLITE_ERROR,
                                "moss: %s: '%s' wants an argument: %s", t->name,
                                commands[i].name, commands[i].argument);
        rc = commands[i].reads ? table_resolve(t) : txn_join(t);
        return rc == SQLITE_OK ? commands[i].run(v, arg) : rc;
    }
    return report_unknown(t, name);
}

/* Hidden column i of the row; NULL stands for one that is not declared. */
static bool
is_given(sqlite3_value **columns, int i)
{
    return i >= 0 && sqlite3_value_type(columns[i]) != SQLITE_NULL;
}

int
command_take(struct vtab *v, bool insert, sqlite3_value **columns,
             bool *is_command)
{
    const struct schema *s = &v->schema;
    struct table *t = &v->table;
    bool command = is_given(columns, s->command_column);
    bool arg = is_given(columns, s->arg_column);

    *is_command = insert && command;
    if (is_given(columns, s->commit_column))
        return error_report(t, SQLITE_READONLY,
                            "moss: %s: a past commit can only be read",
                            t->name);
    if (!command && !arg)
        return SQLITE_OK;
    if (!insert || !command)
        return error_report(t, SQLITE_ERROR,
                            "moss: %s: a command is given by INSERT INTO"
                            " %s(%s) or (%s, argument)",
                            t->name, t->name, t->name, t->name);
    for (int i = 0; i < s->n; i++) {
        if (sqlite3_value_type(columns[i]) != SQLITE_NULL)
            return error_report(t, SQLITE_ERROR,
                                "moss: %s: a command is given alone, without"
                                " column %s",
                                t->name, s->columns[i].name);
    }
    return run(v, columns[s->command_column], columns[s->arg_column]);
}
