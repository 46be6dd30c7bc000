/*
 * What a transaction commits: its pending changes without those to collections
 * that are gone, and the dropped collections that it sweeps; as a batch for
 * the store and as a payload for the log.
 */
#include "pending.h"
#include "txn.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

int
changes_used(struct table *t, struct conn_store *cs, struct pending_table *p,
             bool *out)
{
    char *err = NULL;

    *out = true;
    if (!cs->ddl)
        return SQLITE_OK;
    return report_text(t,
                       catalog_uses(cs->conn->db, cs->schema, cs->row.no,
                                    pending_listed(p), out, &err),
                       &err);
}

/* Is there anything about p to commit? */
static bool
has_effect(const struct pending_table *p)
{
    return pending_created(p) || pending_cleared(p) || pending_count(p) > 0;
}

int
changes_look(struct table *t, struct conn_store *cs, struct extent *out)
{
    *out = (struct extent){ .any = cs->sweep.n > 0, .all = true };
    for (struct pending_table *p = pending_first(cs->pending); p != NULL;
         p = pending_next(p)) {
        bool used;
        int rc = changes_used(t, cs, p, &used);

        if (rc != SQLITE_OK)
            return rc;
        out->all = out->all && used && pending_batch_is_right(p);
        out->any = out->any || (used && has_effect(p));
        if (used)
            out->bytes += pending_table_bytes(p);
    }
    if (out->all)
        out->bytes = pending_bytes(cs->pending);
    return SQLITE_OK;
}

/* ---------------------------------------------------- dropped collections */

const char *
changes_next_dropped(const struct conn_store *cs, const char *name)
{
    const char *first = (const char *)cs->sweep.p;

    if (cs->sweep.n == 0)
        return NULL;
    name = name == NULL ? first : name + strlen(name) + 1;
    return (size_t)(name - first) < cs->sweep.n ? name : NULL;
}

int
changes_filter_sweep(struct table *t, struct conn_store *cs)
{
    struct bytes kept = { NULL, 0, 0 };
    const char *name = NULL;
    int rc = SQLITE_OK;

    while (rc == SQLITE_OK && (name = changes_next_dropped(cs, name)) != NULL) {
        char *err = NULL;
        bool used;

        rc = report_text(t,
                         catalog_uses(cs->conn->db, cs->schema, cs->row.no,
                                      name, &used, &err),
                         &err);
        if (rc == SQLITE_OK && !used)
            rc = bytes_append(&kept, name, strlen(name) + 1);
    }
    if (rc != SQLITE_OK) {
        bytes_release(&kept);
        return rc;
    }
    bytes_release(&cs->sweep);
    cs->sweep = kept;
    return SQLITE_OK;
}

/* ------------------------------------------------------------ as a batch */

static int
copy_changes(struct pending_table *p, struct moss_batch *top)
{
    const struct moss_batch *from = pending_changes(p);
    struct moss_batch *to;
    enum moss_status st =
        batch_at_path(top, moss_str(pending_collection(p)), &to);

    if (st == MOSS_OK && pending_cleared(p))
        moss_batch_clear(to);
    for (size_t i = pending_from(p); i < pending_count(p) && st == MOSS_OK;
         i++) {
        struct moss_slice key, value;

        switch (moss_batch_op(from, i, &key, &value)) {
        case MOSS_OP_SET:
            st = moss_batch_set(to, key, value);
            break;
        case MOSS_OP_MERGE:
            st = moss_batch_merge(to, key, value);
            break;
        case MOSS_OP_DEL:
        default:
            st = moss_batch_del(to, key);
        }
    }
    return error_code(st);
}

int
changes_batch(struct table *t, struct conn_store *cs,
              const struct extent *extent, struct moss_batch **batch,
              struct moss_batch **owned)
{
    const char *name = NULL;
    int rc;

    *owned = NULL;
    *batch = pending_batch(cs->pending);
    if (extent->all && cs->sweep.n == 0)
        return SQLITE_OK;
    rc = error_code(moss_batch_new(0, 0, owned));
    for (struct pending_table *p = pending_first(cs->pending);
         p != NULL && rc == SQLITE_OK; p = pending_next(p)) {
        bool used;

        rc = changes_used(t, cs, p, &used);
        if (rc == SQLITE_OK && used)
            rc = copy_changes(p, *owned);
    }
    while (rc == SQLITE_OK && (name = changes_next_dropped(cs, name)) != NULL)
        rc = error_code(moss_batch_del_child(*owned, moss_str(name)));
    *batch = *owned;
    return rc;
}

/* ---------------------------------------------------------- as a payload */

static int
encode_table(struct table *t, struct conn_store *cs, struct pending_table *p,
             struct bytes *out)
{
    const struct moss_batch *batch = pending_changes(p);
    bool used;
    int rc = changes_used(t, cs, p, &used);

    if (rc != SQLITE_OK || !used)
        return rc;
    rc = payload_collection(out, pending_collection(p));
    if (rc == SQLITE_OK && pending_cleared(p))
        rc = payload_clear(out);
    for (size_t i = pending_from(p); i < pending_count(p) && rc == SQLITE_OK;
         i++) {
        struct moss_slice key, value;
        enum moss_op op = moss_batch_op(batch, i, &key, &value);

        if (pending_is_newest(p, i))
            rc = payload_op(out, op, key, value);
    }
    return rc;
}

int
changes_payload(struct table *t, struct conn_store *cs,
                const struct extent *extent, struct bytes *out)
{
    const char *name = NULL;
    int rc = payload_begin(out, extent->bytes);

    while (rc == SQLITE_OK && (name = changes_next_dropped(cs, name)) != NULL)
        rc = payload_drop(out, name);
    for (struct pending_table *p = pending_first(cs->pending);
         p != NULL && rc == SQLITE_OK; p = pending_next(p))
        rc = encode_table(t, cs, p, out);
    return rc;
}
