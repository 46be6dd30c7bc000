/*
 * Batches: each change is recorded beside the batch that took it; when the
 * batch is published, the record is applied to the newest state.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/coding.h"
#include "support/machine_impl.h"

static void
record_add(struct record *c, struct change change)
{
    if (c->n == c->cap) {
        c->cap = 2 * c->cap + 16;
        c->list = must_alloc(realloc(c->list, c->cap * sizeof(*c->list)));
    }
    c->list[c->n++] = change;
}

void
record_release(struct record *c)
{
    for (size_t i = 0; i < c->n; i++)
        blob_unref(c->list[i].value);
    free(c->list);
    *c = (struct record){ 0 };
}

static void
record_copy(struct record *to, const struct record *from)
{
    for (size_t i = 0; i < from->n; i++) {
        if (from->list[i].value != NULL)
            (void)blob_ref(from->list[i].value);
        record_add(to, from->list[i]);
    }
}

void
batch_slot_release(struct batch_slot *b)
{
    moss_batch_free(b->batch);
    b->batch = NULL;
    record_release(&b->changes);
}

void
prepared_slot_release(struct prepared_slot *p)
{
    moss_prepared_free(p->prepared);
    p->prepared = NULL;
    record_release(&p->changes);
}

/* ------------------------------------------------------ filling a batch */

/* The batch of a slot, made if need be; NULL: not now. */
static struct batch_slot *
some_batch(struct machine *m)
{
    struct batch_slot *b = &m->batches[draw(m, BATCHES)];

    if (b->batch != NULL)
        return b;
    if (!works(m, moss_batch_new((size_t)draw(m, 10), (size_t)draw(m, 1000),
                                 &b->batch)))
        return NULL;
    b->tag = one_in(m, 3) ? 0 : ++m->newest_tag;
    if (b->tag > 0)
        moss_batch_set_tag(b->batch, (struct moss_tag){ b->tag, 3 * b->tag });
    return b;
}

/* A collection in it, and the path there; NULL: not now. */
static struct moss_batch *
go_down(struct machine *m, struct batch_slot *b, struct change *c)
{
    struct moss_batch *at = b->batch;
    size_t depth = 0;

    memset(c, 0, sizeof(*c));
    if (one_in(m, 3))
        depth = 1 + (size_t)draw(m, KEY_DEPTH);
    while (depth-- > 0) {
        uint8_t name = (uint8_t)draw(m, KEY_NAMES);

        if (!works(m, moss_batch_child(at, m->table.names[name], &at)))
            return NULL;
        c->kind = CHANGE_CHILD;
        c->name = name;
        record_add(&b->changes, *c);
        c->path[c->depth++] = name;
    }
    return at;
}

/* What nobody has written before, but for the empty one. */
static struct blob *
new_value(struct machine *m)
{
    char text[64];
    struct blob *b;
    size_t n;

    if (m->model_merge == key_merge_add && m->merge != NULL) {
        uint8_t number[8];

        store_le64(number, rng_next(&m->rng));
        return blob_new(number, 8);
    }
    if (one_in(m, 16))
        return blob_new("", 0);
    if (one_in(m, 64)) /* what looks like a footer */
        return blob_new("0m1o2s0m1o2s\4\0\0\0\60\0\0\0{}", 22);
    n = (size_t)snprintf(text, sizeof(text), "%u.%llx", m->step,
                         (unsigned long long)draw(m, 65536));
    if (!one_in(m, 6))
        return blob_new(text, n);
    b = blob_new(NULL, one_in(m, 8) ? 3000 + (size_t)draw(m, 9000) : 100);
    memset(b->bytes, 'v', b->len);
    memcpy(b->bytes, text, n);
    return b;
}

static struct blob *
new_operand(struct machine *m)
{
    uint8_t bytes[8];

    store_le64(bytes, rng_next(&m->rng));
    if (m->model_merge == key_merge_add)
        return blob_new(bytes, 8);
    return blob_new(bytes, (size_t)draw(m, 4));
}

/* The same with key and value in memory of the batch. */
static enum moss_status
put_allocated(struct moss_batch *at, enum change_kind kind,
              struct moss_slice key, struct moss_slice value)
{
    uint8_t *p;
    enum moss_status st = moss_batch_alloc(at, key.len + value.len, &p);

    if (st != MOSS_OK)
        return st;
    if (key.len > 0)
        memcpy(p, key.bytes, key.len);
    if (value.len > 0)
        memcpy(p + key.len, value.bytes, value.len);
    key = moss_slice(p, key.len);
    value = moss_slice(p + key.len, value.len);
    if (kind == CHANGE_SET)
        return moss_batch_alloc_set(at, key, value);
    return kind == CHANGE_DEL ? moss_batch_alloc_del(at, key)
                              : moss_batch_alloc_merge(at, key, value);
}

static enum moss_status
put(struct moss_batch *at, enum change_kind kind, struct moss_slice key,
    struct moss_slice value)
{
    if (kind == CHANGE_SET)
        return moss_batch_set(at, key, value);
    return kind == CHANGE_DEL ? moss_batch_del(at, key)
                              : moss_batch_merge(at, key, value);
}

/* Put the change c, of that kind, into at. */
static void
change(struct machine *m, struct batch_slot *b, struct moss_batch *at,
       struct change c, enum change_kind kind, size_t key)
{
    struct moss_slice bytes = blob_slice(m->table.keys[key]), value;
    enum moss_status st;

    c.kind = kind;
    c.key = key;
    c.name = 0;
    if (kind == CHANGE_SET)
        c.value = new_value(m);
    else if (kind == CHANGE_MERGE)
        c.value = new_operand(m);
    value = c.value == NULL ? moss_slice(NULL, 0) : blob_slice(c.value);
    st = one_in(m, 5) ? put_allocated(at, kind, bytes, value)
                      : put(at, kind, bytes, value);
    if (works(m, st))
        record_add(&b->changes, c);
    else
        blob_unref(c.value);
}

static void
change_one(struct machine *m, enum change_kind kind)
{
    struct batch_slot *b = some_batch(m);
    struct moss_batch *at;
    struct change c;

    if (kind == CHANGE_MERGE && m->merge == NULL)
        kind = CHANGE_SET;
    if (b == NULL)
        return;
    at = go_down(m, b, &c);
    if (at != NULL)
        change(m, b, at, c, kind, (size_t)draw(m, m->table.n));
}

void
action_set(struct machine *m)
{
    change_one(m, CHANGE_SET);
}

void
action_del(struct machine *m)
{
    change_one(m, CHANGE_DEL);
}

void
action_merge(struct machine *m)
{
    change_one(m, CHANGE_MERGE);
}

static enum change_kind
draw_kind(struct machine *m)
{
    uint64_t what = draw(m, 10);

    if (what < 2)
        return CHANGE_DEL;
    return what < 5 && m->merge != NULL ? CHANGE_MERGE : CHANGE_SET;
}

/* Some changes to one collection, keys repeated. */
void
action_many(struct machine *m)
{
    struct batch_slot *b = some_batch(m);
    uint64_t n = 1 + draw(m, 20);
    struct moss_batch *at;
    struct change c;

    if (b == NULL)
        return;
    at = go_down(m, b, &c);
    if (at == NULL)
        return;
    for (uint64_t i = 0; i < n; i++)
        change(m, b, at, c, draw_kind(m), (size_t)draw(m, m->table.n));
}

/* Neighbours in order, or in reverse: set, or all deleted. */
void
action_range(struct machine *m)
{
    struct batch_slot *b = some_batch(m);
    size_t from = (size_t)draw(m, m->table.n);
    size_t n = 1 + (size_t)draw(m, m->table.n - from);
    enum change_kind kind = one_in(m, 4) ? CHANGE_DEL : CHANGE_SET;
    bool is_reverse = one_in(m, 2);
    struct moss_batch *at;
    struct change c;

    if (b == NULL)
        return;
    at = go_down(m, b, &c);
    if (at == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        change(m, b, at, c, kind, is_reverse ? from + n - 1 - i : from + i);
}

void
action_child(struct machine *m)
{
    struct batch_slot *b = some_batch(m);
    struct change c;

    if (b != NULL)
        (void)go_down(m, b, &c);
}

static bool
has_rename(const struct record *changes)
{
    for (size_t i = 0; i < changes->n; i++) {
        if (changes->list[i].kind == CHANGE_RENAME)
            return true;
    }
    return false;
}

void
action_clear(struct machine *m)
{
    struct batch_slot *b = some_batch(m);
    struct moss_batch *at;
    struct change c;

    if (b == NULL)
        return;
    at = go_down(m, b, &c);
    if (at == NULL)
        return;
    moss_batch_clear(at);
    must(m, moss_batch_count(at) == 0, "a cleared batch has changes");
    c.kind = CHANGE_CLEAR;
    record_add(&b->changes, c);
}

/* Would a rename be refused by the state there is now? */
static bool
is_refused(struct machine *m, const struct record *changes)
{
    bool refused;

    key_model_unref(key_model_apply(machine_now(m), changes->list, changes->n,
                                    m->model_merge, &refused));
    return refused;
}

static bool
is_refusal(enum moss_status st)
{
    return st == MOSS_NOT_FOUND || st == MOSS_EXISTS;
}

void
action_rename(struct machine *m)
{
    struct batch_slot *b = some_batch(m);
    struct moss_batch *at;
    struct change c;
    enum moss_status st;

    if (b == NULL)
        return;
    at = go_down(m, b, &c);
    if (at == NULL || c.depth == KEY_DEPTH)
        return;
    c.kind = CHANGE_RENAME;
    c.name = (uint8_t)draw(m, KEY_NAMES);
    c.to = (uint8_t)((c.name + 1 + draw(m, KEY_NAMES - 1)) % KEY_NAMES);
    st = moss_batch_rename_child(at, m->table.names[c.name],
                                 m->table.names[c.to]);
    if (!is_refusal(st) && !machine_ok(m, st, "rename"))
        return;
    record_add(&b->changes, c);
    if (is_refusal(st)) {
        must(m, is_refused(m, &b->changes), "rename: %s, and it is possible",
             moss_status_name(st));
        b->changes.n--;
    }
}

void
action_del_child(struct machine *m)
{
    struct batch_slot *b = some_batch(m);
    struct moss_batch *at;
    struct change c;

    if (b == NULL)
        return;
    at = go_down(m, b, &c);
    /* A rename in what is deleted afterwards need not be possible. */
    if (at == NULL || c.depth == KEY_DEPTH || has_rename(&b->changes))
        return;
    c.kind = CHANGE_DEL_CHILD;
    c.name = (uint8_t)draw(m, KEY_NAMES);
    if (works(m, moss_batch_del_child(at, m->table.names[c.name])))
        record_add(&b->changes, c);
}

/* Is it a change of the batch itself, not of its children? */
static bool
is_own(const struct change *c)
{
    return c->depth == 0 && c->kind <= CHANGE_MERGE;
}

size_t
first_own(const struct record *changes)
{
    size_t first = 0;

    for (size_t i = 0; i < changes->n; i++) {
        if (changes->list[i].depth == 0 &&
            changes->list[i].kind == CHANGE_CLEAR)
            first = i + 1;
    }
    return first;
}

void
action_truncate(struct machine *m)
{
    struct batch_slot *b = some_batch(m);
    size_t keep, own = 0, n = 0, first;

    if (b == NULL)
        return;
    keep = (size_t)draw(m, moss_batch_count(b->batch) + 2);
    moss_batch_truncate(b->batch, keep);
    first = first_own(&b->changes);
    for (size_t i = 0; i < b->changes.n; i++) {
        struct change *c = &b->changes.list[i];

        if (i >= first && is_own(c) && own++ >= keep)
            blob_unref(c->value);
        else
            b->changes.list[n++] = *c;
    }
    b->changes.n = n;
}

void
action_reset(struct machine *m)
{
    struct batch_slot *b = &m->batches[draw(m, BATCHES)];

    if (b->batch == NULL)
        return;
    record_release(&b->changes);
    b->tag = 0;
    if (one_in(m, 3)) {
        batch_slot_release(b);
        return;
    }
    moss_batch_reset(b->batch);
    must(m, moss_batch_bytes(b->batch) == 0 && moss_batch_tag(b->batch).n == 0,
         "a reset batch is not empty");
}

void
action_look_at_batch(struct machine *m)
{
    static const enum moss_op ops[] = { MOSS_OP_SET, MOSS_OP_DEL,
                                        MOSS_OP_MERGE };
    struct batch_slot *b = &m->batches[draw(m, BATCHES)];
    size_t own = 0;

    if (b->batch == NULL)
        return;
    for (size_t i = first_own(&b->changes); i < b->changes.n; i++) {
        const struct change *c = &b->changes.list[i];
        struct moss_slice key, value;

        if (!is_own(c))
            continue;
        must(m, own < moss_batch_count(b->batch), "changes are missing");
        must(m, moss_batch_op(b->batch, own++, &key, &value) == ops[c->kind],
             "change %zu is of another kind", i);
        must(m, slice_equal(key, blob_slice(m->table.keys[c->key])),
             "change %zu has another key", i);
        must(m,
             c->value == NULL ? value.len == 0
                              : slice_equal(value, blob_slice(c->value)),
             "change %zu has another value", i);
    }
    must(m, own == moss_batch_count(b->batch), "%zu changes too many",
         moss_batch_count(b->batch) - own);
}

/* ------------------------------------------------------------- executing */

static void
published(struct machine *m, const struct record *changes, uint64_t tag)
{
    struct key_model *next = key_model_apply(machine_now(m), changes->list,
                                             changes->n, m->model_merge, NULL);

    if (changes->n > 0 || tag > 0) /* else nothing was to be published */
        m->published++;
    m->changed += changes->n;
    machine_log(m, next, tag > 0 ? tag : m->log[m->n_log - 1].tag, tag > 0);
}

/* Did execute or prepare take the batch?  It must have refused some. */
static bool
is_taken(struct machine *m, struct batch_slot *b, enum moss_status st)
{
    if (st == MOSS_OK || is_refusal(st)) {
        must(m, is_refusal(st) == is_refused(m, &b->changes),
             "a batch with renames: %s", moss_status_name(st));
        return st == MOSS_OK;
    }
    return machine_ok(m, st, "execute");
}

/* Now and then by way of a file. */
static bool
goes_through_a_file(struct machine *m, const struct batch_slot *b)
{
    return m->below == BELOW_STORE && staged_fits(&b->changes, b->tag) &&
           !mem_os_is_off(m->mem) && sometimes(m, 4);
}

static enum moss_status
execute_staged(struct machine *m, struct batch_slot *b)
{
    struct moss_prepared *p = NULL;
    enum moss_status st =
        staged_prepare(m, &b->changes, b->tag, MOSS_FOREVER, &p);

    if (st == MOSS_OK)
        moss_prepared_publish(p);
    else if (st == MOSS_TIMEOUT)
        st = moss_collection_execute(m->c, b->batch);
    return st;
}

void
action_execute(struct machine *m)
{
    struct batch_slot *b = &m->batches[draw(m, BATCHES)];

    if (b->batch == NULL)
        return;
    if (!is_taken(m, b,
                  goes_through_a_file(m, b)
                      ? execute_staged(m, b)
                      : moss_collection_execute(m->c, b->batch)))
        return;
    published(m, &b->changes, b->tag);
    /* The same tag is not used twice. */
    if (b->tag > 0 || one_in(m, 2))
        batch_slot_release(b);
}

void
action_prepare(struct machine *m)
{
    struct batch_slot *b = &m->batches[draw(m, BATCHES)];
    struct prepared_slot *p = &m->prepared[draw(m, PREPARED)];
    uint64_t timeout_ms;
    enum moss_status st;

    if (b->batch == NULL || p->prepared != NULL)
        return;
    timeout_ms = one_in(m, 4) ? 0 : MOSS_FOREVER;
    st =
        goes_through_a_file(m, b)
            ? staged_prepare(m, &b->changes, b->tag, timeout_ms, &p->prepared)
            : moss_collection_prepare(m->c, b->batch, timeout_ms, &p->prepared);
    if (st == MOSS_TIMEOUT || !is_taken(m, b, st)) {
        must(m, p->prepared == NULL, "a failed prepare gives something");
        return;
    }
    record_copy(&p->changes, &b->changes);
    p->tag = b->tag;
    must(m, moss_prepared_tag(p->prepared).n == p->tag, "another tag");
    if (b->tag > 0)
        batch_slot_release(b);
}

void
action_publish(struct machine *m)
{
    struct prepared_slot *p = &m->prepared[draw(m, PREPARED)];

    if (p->prepared == NULL)
        return;
    /* What a rename does that has become impossible, test_rename.c says. */
    if (has_rename(&p->changes) && is_refused(m, &p->changes)) {
        prepared_slot_release(p);
        return;
    }
    moss_prepared_publish(p->prepared);
    p->prepared = NULL;
    published(m, &p->changes, p->tag);
    record_release(&p->changes);
}

void
action_drop(struct machine *m)
{
    prepared_slot_release(&m->prepared[draw(m, PREPARED)]);
}
