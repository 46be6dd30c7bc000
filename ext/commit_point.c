/*
 * Reading older states of a store: its history is walked back from the newest
 * commit point.  It ends where the data file begins, with the last full
 * compaction.  The ids only fall on the way.
 *
 * The store is asked, not the collection: what is committed but not persisted
 * yet has no commit point.
 */
#include "commit_point.h"

#include <inttypes.h>
#include <stdio.h>

#include "txn.h"

/* An id is the file's number times this, and a page number below it. */
#define FILE_FACTOR INT64_C(10000000000)
#define PAGE_BYTES 4096

/* The id of a commit point; 0 if it has none, which takes 40 TB. */
static int64_t
id_of(const struct moss_commit_info *info)
{
    uint64_t file = 0, page = info->offset / PAGE_BYTES;

    if (sscanf(info->data_file, "data-%16" SCNx64, &file) != 1 ||
        file >= INT64_MAX / FILE_FACTOR || page >= FILE_FACTOR)
        return 0;
    return (int64_t)file * FILE_FACTOR + (int64_t)page;
}

static int
failed(struct table *t, enum moss_status st, const struct moss_error *why)
{
    return error_status(t, st, why, "read the history of the store");
}

static int
walk_history(struct table *t,
             int (*each)(void *arg, const struct commit_point *p), void *arg)
{
    struct moss_store *store = t->store->shared->store;
    struct moss_error why = { .status = MOSS_OK };
    struct commit_point p;
    enum moss_status st = moss_store_snapshot(store, &p.top);
    int rc = SQLITE_OK;

    while (st == MOSS_OK && rc == SQLITE_OK) {
        struct moss_snapshot *older = NULL;

        st = moss_store_commit_info(store, p.top, &p.info);
        p.id = id_of(&p.info);
        if (st == MOSS_OK)
            rc = each(arg, &p);
        if (st == MOSS_OK && rc == SQLITE_OK)
            st = moss_store_previous(store, p.top, &older, &why);
        moss_snapshot_unref(p.top);
        p.top = older;
    }
    moss_snapshot_unref(p.top);
    if (rc != SQLITE_OK)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    return st == MOSS_NOT_FOUND ? SQLITE_OK : failed(t, st, &why);
}

int
commit_point_each(struct table *t,
                  int (*each)(void *arg, const struct commit_point *p),
                  void *arg)
{
    int rc = table_resolve(t);

    if (rc != SQLITE_OK || t->store->shared->store == NULL)
        return rc;
    return walk_history(t, each, arg);
}

struct search {
    int64_t wanted;
    int64_t newest, oldest; /* of those that were looked at */
    struct moss_snapshot *top;
};

static int
look_at(void *arg, const struct commit_point *p)
{
    struct search *s = arg;

    if (s->newest == 0)
        s->newest = p->id;
    s->oldest = p->id;
    if (p->id != s->wanted)
        return SQLITE_OK;
    s->top = moss_snapshot_ref(p->top);
    return SQLITE_DONE;
}

static int
report_gone(struct table *t, const struct search *s)
{
    return error_report(t, SQLITE_ERROR,
                        "moss: %s: the store %s has no commit %lld; the ones"
                        " it has lie between %lld and %lld, see"
                        " moss_commits('%s')",
                        t->name, t->store->shared->dir, s->wanted, s->oldest,
                        s->newest, t->name);
}

int
commit_point_open(struct table *t, int64_t id, struct moss_snapshot **out)
{
    struct search s = { .wanted = id };
    enum moss_status st;
    int rc = commit_point_each(t, look_at, &s);

    *out = NULL;
    if (rc != SQLITE_OK)
        return rc;
    if (t->store->shared->store == NULL)
        return error_report(t, SQLITE_ERROR,
                            "moss: %s: a store in memory has no commits to"
                            " read",
                            t->name);
    if (s.top == NULL)
        return report_gone(t, &s);
    st = snapshot_at_path(s.top, t->collection, out);
    moss_snapshot_unref(s.top);
    if (st == MOSS_NOT_FOUND)
        return error_report(t, SQLITE_ERROR,
                            "moss: %s: the table is not in commit %lld; see"
                            " moss_commits('%s')",
                            t->name, id, t->name);
    return st == MOSS_OK ? SQLITE_OK : failed(t, st, NULL);
}

int
commit_point_id(struct table *t, sqlite3_value *v, int64_t *id)
{
    int type = sqlite3_value_numeric_type(v);

    *id = sqlite3_value_int64(v);
    if (type == SQLITE_INTEGER ||
        (type == SQLITE_FLOAT && sqlite3_value_double(v) == (double)*id))
        return SQLITE_OK;
    return error_report(t, SQLITE_MISMATCH,
                        "moss: %s: a commit is an integer, as"
                        " moss_commits('%s') lists them",
                        t->name, t->name);
}
