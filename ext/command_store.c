/*
 * The commands that work on a store's files and memory: they concern what is
 * committed, of all tables of the store, and change no rows.
 *
 * The command holds SQLite's write lock, so nobody exchanges the store's
 * collection meanwhile.
 */
#include "command.h"

#include "txn.h"

static int
failed(struct table *t, enum moss_status st, const struct moss_error *why,
       const char *command)
{
    char *doing = sqlite3_mprintf("%s of table %s", command, t->name);
    int rc;

    if (doing == NULL)
        return SQLITE_NOMEM;
    rc = error_status(t, st, why, doing);
    sqlite3_free(doing);
    return rc;
}

/*
 * Wait in slices, so as to look at interrupts and at the clock.  The goal is
 * set once: others may go on writing to the store.
 */
static int
reach(struct deadline *d, enum moss_goal_kind kind)
{
    struct moss_collection *c = d->t->store->shared->collection;
    struct moss_error why = { .status = MOSS_OK };
    struct moss_goal goal;
    enum moss_status st = moss_collection_ask(c, kind, &goal);
    int rc = SQLITE_OK;

    if (st < 0)
        return failed(d->t, st, NULL, d->command);
    do {
        st = moss_collection_await(c, &goal, deadline_slice_ms(d), &why);
        if (st == MOSS_TIMEOUT)
            rc = deadline_check(d);
    } while (rc == SQLITE_OK && st == MOSS_TIMEOUT);
    return rc == SQLITE_OK && st < 0 ? failed(d->t, st, &why, d->command) : rc;
}

/* Everything that is committed is on disk then. */
static int
flush(struct deadline *d)
{
    return reach(d, MOSS_GOAL_PERSISTED);
}

/* One segment for each collection, as far as they are in memory. */
static int
merge(struct deadline *d)
{
    return reach(d, MOSS_GOAL_MERGED_ALL);
}

/* Let the rows be read from what a compaction has left. */
static int
read_anew(struct deadline *d)
{
    return reach(d, MOSS_GOAL_TIDIED);
}

struct progress {
    struct deadline *d;
    int rc;
};

static bool
go_on(void *ctx, uint64_t done, uint64_t total)
{
    struct progress *p = ctx;

    (void)done;
    (void)total;
    p->rc = deadline_check(p->d);
    return p->rc == SQLITE_OK;
}

static int
compact(struct deadline *d)
{
    struct shared_store *ss = d->t->store->shared;
    struct progress p = { d, SQLITE_OK };
    struct moss_compact_options options = {
        .kind = MOSS_COMPACT_FULL,
        .progress = go_on,
        .ctx = &p,
    };
    struct moss_error why = { .status = MOSS_OK };
    enum moss_status st;
    int rc;

    if (ss->memory)
        return merge(d); /* all that there is to make smaller */
    rc = flush(d);
    if (rc != SQLITE_OK)
        return rc;
    st = moss_store_compact(ss->store, &options, &why);
    if (st == MOSS_ABORTED && p.rc != SQLITE_OK)
        return p.rc;
    return st < 0 ? failed(d->t, st, &why, d->command) : read_anew(d);
}

static int
run_until(struct vtab *v, const char *name, sqlite3_value *arg,
          int (*work)(struct deadline *d))
{
    struct deadline d;
    int rc = deadline_begin(&d, &v->table, name, arg);

    if (rc == SQLITE_OK)
        rc = deadline_check(&d);
    if (rc == SQLITE_OK)
        rc = work(&d);
    deadline_end(&d);
    return rc;
}

int
command_flush(struct vtab *v, sqlite3_value *arg)
{
    return run_until(v, "flush", arg, flush);
}

int
command_merge(struct vtab *v, sqlite3_value *arg)
{
    return run_until(v, "merge", arg, merge);
}

int
command_compact(struct vtab *v, sqlite3_value *arg)
{
    return run_until(v, "compact", arg, compact);
}

int
command_adopt(struct vtab *v, sqlite3_value *arg)
{
    (void)arg;
    return table_adopt(&v->table);
}
