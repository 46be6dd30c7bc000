/*
 * Making a database the home of a store that belongs to another one.
 *
 * The marker of a database that was the home once claims a history that the
 * store has gone beyond: as home again, the database would bring the store
 * back to it.  So the marker is written anew first, without a claim, and the
 * store is taken over when that is committed.  A marker without a claim
 * follows the newest state, whatever happens in between.
 */
#include "txn.h"

SQLITE_EXTENSION_INIT3

/* How long to wait for what the other database has committed. */
#define FLUSH_WAIT_MS 30000

static int
flush(struct table *t, struct shared_store *ss)
{
    struct moss_error why = { .status = MOSS_OK };
    enum moss_status st =
        moss_collection_flush(ss->collection, FLUSH_WAIT_MS, &why);

    if (st == MOSS_TIMEOUT)
        return error_report(t, SQLITE_BUSY,
                            "moss: the store %s takes too long to persist",
                            ss->dir);
    return st == MOSS_OK ? SQLITE_OK
                         : error_status(t, st, &why, "adopt the store");
}

/* Give up the marker's claim; true in *had: there was one. */
static int
give_up_claim(struct table *t, struct conn_store *cs, bool *had)
{
    struct log_ref log = conn_store_log(cs);
    struct marker m;
    char *err = NULL;
    int rc = report_text(t, log_read_marker(&log, &m, &err), &err);

    *had = rc == SQLITE_OK && marker_claims(&m);
    if (rc != SQLITE_OK || !*had)
        return rc;
    m.tag = moss_collection_tag(cs->shared->collection);
    m.prev_id = 0;
    m.last = (struct log_place){ 0, 0, 0 };
    return report_text(t, log_write_marker(&log, &m, &err), &err);
}

int
table_adopt(struct table *t)
{
    struct conn_store *cs = t->store;
    int rc;

    if (!sqlite3_get_autocommit(t->conn->db))
        return error_report(t, SQLITE_ERROR,
                            "moss: %s: 'adopt' cannot be part of a transaction",
                            t->name);
    if (conn_store_role(cs) != ROLE_GUEST)
        return SQLITE_OK; /* it is ours, or will be with the first write */
    rc = conn_store_upgrade(t, cs, true);
    if (rc != SQLITE_OK)
        return rc;
    if (cs->shared->readonly || *cs->file == '\0')
        return report_guest(t, cs);
    rc = flush(t, cs->shared);
    if (rc == SQLITE_OK && !cs->row.async)
        rc = give_up_claim(t, cs, &t->adopting);
    if (rc != SQLITE_OK || t->adopting)
        return rc;
    return conn_store_adopt(t, cs);
}
