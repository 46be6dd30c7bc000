/*
 * The uncommitted changes of one connection to one store.
 *
 * Each collection has a moss_batch that only grows, so that a savepoint is a
 * count, and going back to it a truncation.  A hash table finds the newest
 * change of a key: its slots hold change numbers and the keys' hashes, so that
 * few other keys are looked at, and each change remembers the one of the same
 * key before it.  Changes leave in the reverse order of
 * their coming, so a slot that is emptied never lies inside another key's
 * probe sequence; a rebuild keeps that, as it enters the keys by age.  The
 * table may be dropped to save memory; then it is made again when it is next
 * needed, and where there is no memory for that, changes are looked through
 * one by one.
 *
 * For range reads (sight.c) the changes are laid over the transaction's base
 * snapshot, only those that came since the last time.  A savepoint keeps the
 * overlay that it found, so going back does not build it again.
 */
#include "pending.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

#include "pending_table.h"
#include "txn.h"

SQLITE_EXTENSION_INIT3

#define NONE UINT32_MAX
#define FIRST_SLOTS 64

int
pending_new(struct pending **out)
{
    *out = sqlite3_malloc64(sizeof **out);
    if (*out == NULL)
        return SQLITE_NOMEM;
    memset(*out, 0, sizeof **out);
    if (moss_batch_new(0, 0, &(*out)->batch) == MOSS_OK)
        return SQLITE_OK;
    sqlite3_free(*out);
    *out = NULL;
    return SQLITE_NOMEM;
}

struct moss_batch *
pending_batch(struct pending *p)
{
    return p->batch;
}

static void
table_free(struct pending_table *t)
{
    moss_snapshot_unref(t->overlay);
    moss_snapshot_unref(t->base);
    bytes_release(&t->last);
    sqlite3_free(t->slots);
    sqlite3_free(t->before);
    sqlite3_free(t->listed);
    sqlite3_free(t->alive);
    sqlite3_free(t->collection);
    sqlite3_free(t);
}

void
pending_free(struct pending *p)
{
    if (p == NULL)
        return;
    pending_settle_sights(p, NULL, 0);
    for (size_t i = 0; i < p->n_savepoints; i++)
        savepoint_release(&p->savepoints[i]);
    sqlite3_free(p->savepoints);
    while (p->tables != NULL) {
        struct pending_table *t = p->tables;

        p->tables = t->next;
        table_free(t);
    }
    moss_batch_free(p->batch);
    sqlite3_free(p);
}

struct pending_table *
pending_find(struct pending *p, const char *collection)
{
    struct pending_table *t = p->tables;

    while (t != NULL && strcmp(t->collection, collection) != 0)
        t = t->next;
    return t;
}

int
pending_open(struct pending *p, const char *collection, const char *listed,
             struct pending_table **out)
{
    struct pending_table *t = pending_find(p, collection);
    struct pending_table **end = &p->tables;
    enum moss_status st;

    *out = t;
    if (t != NULL)
        return SQLITE_OK;
    t = sqlite3_malloc64(sizeof *t);
    if (t == NULL)
        return SQLITE_NOMEM;
    memset(t, 0, sizeof *t);
    t->owner = p;
    t->collection = sqlite3_mprintf("%s", collection);
    t->listed = sqlite3_mprintf("%s", listed);
    st = t->collection == NULL || t->listed == NULL
             ? MOSS_NOMEM
             : batch_at_path(p->batch, moss_str(collection), &t->batch);
    if (st != MOSS_OK) {
        table_free(t);
        return error_code(st);
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = t;
    p->n_tables++;
    *out = t;
    return SQLITE_OK;
}

/* ----------------------------------------------------------- the index */

static uint32_t
hash_of(struct moss_slice key)
{
    return (uint32_t)XXH3_64bits(key.bytes, key.len);
}

/* Is key that of change i? */
static bool
has_key(const struct pending_table *t, size_t i, struct moss_slice key)
{
    struct moss_slice other, value;

    (void)moss_batch_op(t->batch, i, &other, &value);
    return other.len == key.len &&
           (key.len == 0 || memcmp(other.bytes, key.bytes, key.len) == 0);
}

/* The slot of key: the one that holds it, or the empty one where it goes. */
static size_t
slot_of(const struct pending_table *t, struct moss_slice key, uint32_t hash)
{
    size_t mask = t->n_slots - 1;
    size_t i = hash & mask;

    while (t->slots[i].change != NONE &&
           (t->slots[i].hash != hash || !has_key(t, t->slots[i].change, key)))
        i = (i + 1) & mask;
    return i;
}

/* n empty ones, or NULL. */
static struct slot *
slots_new(size_t n)
{
    struct slot *slots = sqlite3_malloc64(n * sizeof *slots);

    if (slots != NULL)
        memset(slots, 0xff, n * sizeof *slots);
    return slots;
}

/*
 * Twice the slots; keys go in by the age of their first change.  Which changes
 * are of one key is known, so no keys are compared.
 */
static int
index_grow(struct pending_table *t)
{
    size_t n = t->n_slots == 0 ? FIRST_SLOTS : 2 * t->n_slots;
    size_t count = moss_batch_count(t->batch);
    struct slot *slots = slots_new(n);

    if (slots == NULL)
        return SQLITE_NOMEM;
    for (size_t i = 0; i < count; i++) {
        struct moss_slice key, value;
        uint32_t hash;
        size_t at;

        (void)moss_batch_op(t->batch, i, &key, &value);
        hash = hash_of(key);
        at = hash & (n - 1);
        while (slots[at].change != t->before[i])
            at = (at + 1) & (n - 1);
        slots[at] = (struct slot){ (uint32_t)i, hash };
    }
    sqlite3_free(t->slots);
    t->slots = slots;
    t->n_slots = n;
    return SQLITE_OK;
}

void
pending_drop_index(struct pending *p)
{
    for (struct pending_table *t = p->tables; t != NULL; t = t->next) {
        sqlite3_free(t->slots);
        sqlite3_free(t->before);
        t->slots = NULL;
        t->before = NULL;
        t->n_slots = t->n_keys = t->cap_before = 0;
        t->dropped = true;
    }
}

/* Change i, the newest one so far, of key. */
static void
index_put(struct pending_table *t, size_t i, struct moss_slice key)
{
    uint32_t hash = hash_of(key);
    struct slot *slot = &t->slots[slot_of(t, key, hash)];

    t->before[i] = slot->change;
    t->n_keys += slot->change == NONE;
    *slot = (struct slot){ (uint32_t)i, hash };
}

/* Make an index that was dropped again. */
static int
index_ensure(struct pending_table *t)
{
    size_t count = moss_batch_count(t->batch);
    size_t n = FIRST_SLOTS;
    struct slot *slots;
    uint32_t *before;

    if (!t->dropped)
        return SQLITE_OK;
    while (4 * (count + 1) > 3 * n)
        n *= 2;
    slots = slots_new(n);
    before = sqlite3_malloc64((count + 1) * sizeof *before);
    if (slots == NULL || before == NULL) {
        sqlite3_free(slots);
        sqlite3_free(before);
        return SQLITE_NOMEM;
    }
    t->slots = slots;
    t->n_slots = n;
    t->n_keys = 0;
    t->before = before;
    t->cap_before = count + 1;
    t->dropped = false;
    for (size_t i = 0; i < count; i++) {
        struct moss_slice key, value;

        (void)moss_batch_op(t->batch, i, &key, &value);
        index_put(t, i, key);
    }
    return SQLITE_OK;
}

/* The newest change of key before number to, or NONE. */
static uint32_t
find_before(struct pending_table *t, struct moss_slice key, size_t to)
{
    if (index_ensure(t) == SQLITE_OK) {
        uint32_t i = NONE;

        if (t->n_keys > 0)
            i = t->slots[slot_of(t, key, hash_of(key))].change;
        while (i != NONE && i >= to)
            i = t->before[i];
        return i;
    }
    while (to > 0) {
        to--;
        if (has_key(t, to, key))
            return (uint32_t)to;
    }
    return NONE;
}

/* The newest change of key, or NONE. */
static uint32_t
index_find(struct pending_table *t, struct moss_slice key)
{
    return find_before(t, key, moss_batch_count(t->batch));
}

/* Room for one more change, so that noting it cannot fail. */
static int
index_reserve(struct pending_table *t)
{
    size_t count = moss_batch_count(t->batch);
    int rc = index_ensure(t);

    if (rc != SQLITE_OK)
        return rc;
    if (count >= NONE)
        return SQLITE_FULL;
    if (count == t->cap_before) {
        size_t cap = t->cap_before == 0 ? FIRST_SLOTS : 2 * t->cap_before;
        uint32_t *before = sqlite3_realloc64(t->before, cap * sizeof *before);

        if (before == NULL)
            return SQLITE_NOMEM;
        t->before = before;
        t->cap_before = cap;
    }
    if (4 * (t->n_keys + 1) > 3 * t->n_slots)
        return index_grow(t);
    return SQLITE_OK;
}

/* The change just made, number i. */
static void
index_note(struct pending_table *t, size_t i, struct moss_slice key)
{
    index_put(t, i, key);
    t->owner->version++;
}

void
pending_index_forget(struct pending_table *t, size_t count)
{
    if (t->dropped)
        return;
    for (size_t i = moss_batch_count(t->batch); i > count; i--) {
        struct moss_slice key, value;
        struct slot *slot;

        (void)moss_batch_op(t->batch, i - 1, &key, &value);
        slot = &t->slots[slot_of(t, key, hash_of(key))];
        slot->change = t->before[i - 1];
        t->n_keys -= slot->change == NONE;
    }
}

/* --------------------------------------------------------- greatest key */

static int
compare_keys(struct moss_slice a, struct moss_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.bytes, b.bytes, n);

    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

void
pending_note_last(struct pending_table *t, struct moss_slice key)
{
    t->last.n = 0;
    /* Without memory it is looked up again. */
    t->last_known = bytes_append(&t->last, key.bytes, key.len) == SQLITE_OK;
}

bool
pending_last(const struct pending_table *t, struct moss_slice *key)
{
    *key = moss_slice(t->last.p, t->last.n);
    return t->last_known;
}

/* The table's greatest key, once key is set or deleted. */
static void
follow_last(struct pending_table *t, struct moss_slice key, bool set)
{
    int c;

    if (!t->last_known)
        return;
    c = compare_keys(key, moss_slice(t->last.p, t->last.n));
    if (set && c > 0)
        pending_note_last(t, key);
    else if (!set && c == 0)
        t->last_known = false;
}

/* -------------------------------------------------------------- changes */

static int
batch_code(enum moss_status st)
{
    return st == MOSS_OK ? SQLITE_OK : error_code(st);
}

int
pending_set(struct pending_table *t, struct moss_slice key,
            struct moss_slice value)
{
    size_t i = moss_batch_count(t->batch);
    int rc = index_reserve(t);

    if (rc == SQLITE_OK)
        rc = batch_code(moss_batch_set(t->batch, key, value));
    if (rc == SQLITE_OK) {
        index_note(t, i, key);
        follow_last(t, key, true);
    }
    return rc;
}

int
pending_del(struct pending_table *t, struct moss_slice key)
{
    size_t i = moss_batch_count(t->batch);
    int rc = index_reserve(t);

    if (rc == SQLITE_OK)
        rc = batch_code(moss_batch_del(t->batch, key));
    if (rc == SQLITE_OK) {
        index_note(t, i, key);
        follow_last(t, key, false);
    }
    return rc;
}

int
pending_merge(struct pending_table *t, struct moss_slice key,
              struct moss_slice operand)
{
    size_t i = moss_batch_count(t->batch);
    int rc = index_reserve(t);

    if (rc == SQLITE_OK)
        rc = batch_code(moss_batch_merge(t->batch, key, operand));
    if (rc == SQLITE_OK) {
        t->merges = true;
        index_note(t, i, key);
        follow_last(t, key, true);
    }
    return rc;
}

bool
pending_get(struct pending_table *t, struct moss_slice key, enum moss_op *op,
            struct moss_slice *value)
{
    struct moss_slice found;
    uint32_t i = index_find(t, key);

    if (i != NONE && i >= t->from) {
        *op = moss_batch_op(t->batch, i, &found, value);
        return true;
    }
    *op = MOSS_OP_DEL;
    *value = moss_slice(NULL, 0);
    return t->cleared;
}

bool
pending_get_within(struct pending_table *t, size_t from, size_t to,
                   struct moss_slice key, enum moss_op *op,
                   struct moss_slice *value)
{
    struct moss_slice found;
    uint32_t i = find_before(t, key, to);

    if (i == NONE || i < from)
        return false;
    *op = moss_batch_op(t->batch, i, &found, value);
    return true;
}

int
pending_clear(struct pending_table *t, const struct moss_merge_operator *merge)
{
    struct moss_snapshot *empty;
    enum moss_status st = moss_snapshot_empty(merge, &empty);

    if (st != MOSS_OK)
        return error_code(st);
    moss_snapshot_unref(t->overlay);
    t->overlay = empty;
    t->from = t->overlaid = moss_batch_count(t->batch);
    t->cleared = true;
    t->last_known = false;
    t->owner->version++;
    /* As long as there is nothing to lose, the batch itself can say so. */
    if (t->from == 0) {
        moss_batch_clear(t->batch);
        t->batch_cleared = true;
    }
    return SQLITE_OK;
}

bool
pending_cleared(const struct pending_table *t)
{
    return t->cleared;
}

size_t
pending_from(const struct pending_table *t)
{
    return t->from;
}

bool
pending_batch_is_right(const struct pending_table *t)
{
    return t->from == 0 && t->cleared == t->batch_cleared;
}

void
pending_mark_created(struct pending_table *t)
{
    t->created = true;
    t->owner->version++;
}

bool
pending_created(const struct pending_table *t)
{
    return t->created;
}

struct moss_snapshot *
pending_base(const struct pending_table *t)
{
    return t->base;
}

void
pending_note_base(struct pending_table *t, struct moss_snapshot *base)
{
    if (t->base == NULL)
        t->base = moss_snapshot_ref(base);
}

int
pending_overlay(struct pending_table *t, struct moss_snapshot *base,
                struct moss_snapshot **out)
{
    size_t count = moss_batch_count(t->batch);
    struct moss_snapshot *next = NULL;
    enum moss_status st;

    *out = NULL;
    if (t->overlaid < count) {
        st = moss_snapshot_overlay(t->overlay != NULL ? t->overlay : base,
                                   t->batch, t->overlaid, count, &next);
        if (st != MOSS_OK)
            return error_code(st);
        moss_snapshot_unref(t->overlay);
        t->overlay = next;
        t->overlaid = count;
    }
    *out = moss_snapshot_ref(t->overlay != NULL ? t->overlay : base);
    return SQLITE_OK;
}

/* -------------------------------------------------------------- looking */

uint64_t
pending_table_bytes(const struct pending_table *t)
{
    return moss_batch_bytes(t->batch) +
           9 * (uint64_t)moss_batch_count(t->batch) + strlen(t->collection) +
           16;
}

uint64_t
pending_bytes(const struct pending *p)
{
    uint64_t n = moss_batch_bytes(p->batch);

    for (const struct pending_table *t = p->tables; t != NULL; t = t->next)
        n += 9 * (uint64_t)moss_batch_count(t->batch) + strlen(t->collection) +
             16;
    return n;
}

uint64_t
pending_version(const struct pending *p)
{
    return p->version;
}

struct pending_table *
pending_first(struct pending *p)
{
    return p->tables;
}

struct pending_table *
pending_next(struct pending_table *t)
{
    return t->next;
}

const char *
pending_collection(const struct pending_table *t)
{
    return t->collection;
}

const char *
pending_listed(const struct pending_table *t)
{
    return t->listed;
}

size_t
pending_count(const struct pending_table *t)
{
    return moss_batch_count(t->batch);
}

/* Is change i the newest of its key? */
static bool
is_newest(struct pending_table *t, size_t i)
{
    struct moss_slice key, value;

    if (!t->dropped && t->n_keys == moss_batch_count(t->batch))
        return true;
    (void)moss_batch_op(t->batch, i, &key, &value);
    return index_find(t, key) == i;
}

/* From the newest to the oldest: an operand needs what is before it. */
static int
table_settle(struct pending_table *t)
{
    size_t count = moss_batch_count(t->batch);
    uint8_t *alive = sqlite3_realloc64(t->alive, count + 1);

    if (alive == NULL)
        return SQLITE_NOMEM;
    t->alive = alive;
    memset(alive, 0, count);
    if (index_ensure(t) != SQLITE_OK) /* before[] is needed */
        return SQLITE_NOMEM;
    for (size_t i = count; i-- > 0;) {
        struct moss_slice key, value;

        alive[i] = alive[i] || is_newest(t, i);
        if (alive[i] && t->before[i] != NONE &&
            moss_batch_op(t->batch, i, &key, &value) == MOSS_OP_MERGE)
            alive[t->before[i]] = true;
    }
    return SQLITE_OK;
}

int
pending_settle(struct pending *p)
{
    int rc = SQLITE_OK;

    for (struct pending_table *t = p->tables; t != NULL && rc == SQLITE_OK;
         t = t->next)
        if (t->merges)
            rc = table_settle(t);
    return rc;
}

bool
pending_is_newest(struct pending_table *t, size_t i)
{
    return t->merges ? t->alive[i] != 0 : is_newest(t, i);
}

const struct moss_batch *
pending_changes(const struct pending_table *t)
{
    return t->batch;
}
