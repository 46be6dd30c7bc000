/* Gets, snapshots, overlays and estimates beside what they must give. */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "support/machine_impl.h"

/* ------------------------------------------------------------- comparing */

static enum likeness
differ(char *why, size_t n, const char *what, struct moss_slice bytes)
{
    char *text = text_of(bytes);

    (void)snprintf(why, n, "%s \"%.200s\"", what, text);
    free(text);
    return DIFFERENT;
}

struct child_names {
    const struct key_table *table;
    struct key_model *model;
    size_t next; /* the next name to be seen */
    bool is_other;
};

static void
skip_absent(struct child_names *c)
{
    while (c->next < KEY_NAMES && c->model->children[c->next] == NULL)
        c->next++;
}

static enum moss_status
see_name(void *arg, struct moss_slice name)
{
    struct child_names *c = arg;

    skip_absent(c);
    if (c->next == KEY_NAMES || !slice_equal(name, c->table->names[c->next]))
        c->is_other = true;
    else
        c->next++;
    return MOSS_OK;
}

static enum likeness
compare_children(struct machine *m, struct moss_snapshot *snap,
                 struct key_model *model, char *why, size_t n)
{
    struct child_names names = { &m->table, model, 0, false };

    if (!works(m, moss_snapshot_children(snap, see_name, &names)))
        return UNREADABLE;
    skip_absent(&names);
    if (names.is_other || names.next < KEY_NAMES) {
        (void)snprintf(why, n, "the children are others");
        return DIFFERENT;
    }
    for (size_t i = 0; i < KEY_NAMES; i++) {
        struct moss_snapshot *child = NULL;
        enum moss_status st =
            moss_snapshot_child(snap, m->table.names[i], &child);
        enum likeness like;

        if (!machine_ok(m, st, "child"))
            return UNREADABLE;
        if ((st == MOSS_OK) != (model->children[i] != NULL))
            return differ(why, n, "present or not: child", m->table.names[i]);
        if (st != MOSS_OK)
            continue;
        like = machine_compare(m, child, model->children[i], why, n);
        moss_snapshot_unref(child);
        if (like != SAME)
            return like;
    }
    return SAME;
}

/* The next place with a value from i on, or back. */
static size_t
next_place(const struct key_model *model, size_t i, bool is_back)
{
    while (i < model->n && model->values[i] == NULL)
        i = is_back ? i - 1 : i + 1; /* below 0 is beyond n */
    return i;
}

static enum likeness
compare_entries(struct machine *m, struct moss_iterator *it, bool is_all,
                struct key_model *model, char *why, size_t n)
{
    bool is_back = one_in(m, 3);
    size_t i = next_place(model, is_back ? model->n - 1 : 0, is_back);

    for (;;) {
        struct moss_slice key, value;
        enum moss_status st =
            is_back ? moss_iterator_prev(it) : moss_iterator_next(it);

        if (!machine_ok(m, st, "iterator"))
            return UNREADABLE;
        if (st == MOSS_DONE) {
            if (i < model->n)
                return differ(why, n, "it ends before",
                              blob_slice(m->table.keys[i]));
            return SAME;
        }
        moss_iterator_current(it, &key, &value);
        if (is_all && moss_iterator_op(it) == MOSS_OP_DEL) {
            size_t place = key_table_find(&m->table, key);

            if (place == model->n || model->values[place] != NULL)
                return differ(why, n, "a deletion of", key);
            continue;
        }
        if (i >= model->n)
            return differ(why, n, "there is more:", key);
        if (!slice_equal(key, blob_slice(m->table.keys[i])))
            return differ(why, n, "instead there is", key);
        if (!slice_equal(value, blob_slice(model->values[i])))
            return differ(why, n, "another value of", key);
        i = next_place(model, is_back ? i - 1 : i + 1, is_back);
    }
}

enum likeness
machine_compare(struct machine *m, struct moss_snapshot *snap,
                struct key_model *model, char *why, size_t n)
{
    /* Deletions are passed over, but must not be of keys that are there. */
    struct moss_read_options deletions = { .include_deletions = true };
    bool is_all = m->below != BELOW_TOY && one_in(m, 4);
    struct moss_iterator *it = NULL;
    enum likeness like;

    if (!works(m, moss_snapshot_iterate_with(snap, NULL, NULL,
                                             is_all ? &deletions : NULL, &it)))
        return UNREADABLE;
    like = compare_entries(m, it, is_all, model, why, n);
    moss_iterator_free(it);
    return like == SAME ? compare_children(m, snap, model, why, n) : like;
}

void
machine_check(struct machine *m, struct moss_snapshot *snap,
              struct key_model *model)
{
    char why[512] = "";

    must(m, machine_compare(m, snap, model, why, sizeof(why)) != DIFFERENT,
         "%s", why);
}

/* ------------------------------------------------------------------ gets */

struct moss_slice
draw_key(struct machine *m, uint8_t *buf)
{
    struct moss_slice key = blob_slice(m->table.keys[draw(m, m->table.n)]);

    if (key.len + 1 >= KEY_BYTES || draw(m, 8) > 2)
        return key;
    if (key.len > 0)
        memcpy(buf, key.bytes, key.len);
    switch (draw(m, 3)) {
    case 0:
        buf[key.len] = (uint8_t)draw(m, 256);
        return moss_slice(buf, key.len + 1);
    case 1:
        return moss_slice(buf, key.len == 0 ? 0 : key.len - 1);
    default:
        if (key.len > 0)
            buf[draw(m, key.len)] ^= (uint8_t)(1u << draw(m, 8));
        return moss_slice(buf, key.len);
    }
}

void
check_value(struct machine *m, enum moss_status st, struct moss_value *value,
            struct key_model *model, struct moss_slice key)
{
    size_t i = key_table_find(&m->table, key);
    const struct blob *want = NULL;
    char why[512] = "";

    if (i < m->table.n && slice_equal(key, blob_slice(m->table.keys[i])))
        want = model->values[i];
    if (!machine_ok(m, st, "get"))
        return;
    if ((st == MOSS_OK) != (want != NULL))
        (void)differ(why, sizeof(why), "present or not:", key);
    else if (st == MOSS_OK && !slice_equal(value->bytes, blob_slice(want)))
        (void)differ(why, sizeof(why), "another value of", key);
    must(m, *why == '\0', "%s", why);
    if (st == MOSS_OK)
        moss_value_release(value);
}

void
action_get(struct machine *m)
{
    uint8_t buf[KEY_BYTES];
    struct moss_slice key = draw_key(m, buf);
    struct moss_value value;
    enum moss_status st = moss_collection_get(m->c, key, &value);

    check_value(m, st, &value, machine_now(m), key);
}

void
action_check(struct machine *m)
{
    struct moss_snapshot *snap = NULL;

    must(m, moss_collection_tag(m->c).n == m->log[m->n_log - 1].tag,
         "the tag is %llu, not %llu",
         (unsigned long long)moss_collection_tag(m->c).n,
         (unsigned long long)m->log[m->n_log - 1].tag);
    if (!works(m, moss_collection_snapshot(m->c, &snap)))
        return;
    machine_check(m, snap, machine_now(m));
    moss_snapshot_unref(snap);
}

/* -------------------------------------------------------------- snapshots */

void
snap_slot_release(struct snap_slot *s)
{
    moss_snapshot_unref(s->snap);
    key_model_unref(s->model);
    *s = (struct snap_slot){ 0 };
}

/* Takes over snap, not model. */
static void
keep(struct machine *m, struct moss_snapshot *snap, struct key_model *model)
{
    struct snap_slot *s = &m->snaps[draw(m, SNAPS)];

    (void)key_model_ref(model);
    snap_slot_release(s);
    s->snap = snap;
    s->model = model;
}

void
action_snapshot(struct machine *m)
{
    struct moss_snapshot *snap = NULL;

    if (works(m, moss_collection_snapshot(m->c, &snap)))
        keep(m, snap, machine_now(m));
}

void
action_snapshot_at(struct machine *m)
{
    const struct logged *l = &m->log[draw(m, m->n_log)];
    struct moss_tag tag = { l->tag, 3 * l->tag };
    struct moss_snapshot *snap = NULL;
    enum moss_status st;

    if (!l->is_tagged)
        return;
    /* What was there when it was opened counts as its tag's state. */
    if (l->opening != m->opening) {
        if (l->tag != m->log[m->opened_at].tag)
            return;
        l = &m->log[m->opened_at];
    }
    st = moss_collection_snapshot_at(m->c, tag, &snap);
    if (!machine_ok(m, st, "snapshot_at"))
        return;
    if (st == MOSS_OK) {
        keep(m, snap, l->model);
        machine_check(m, snap, l->model);
    } else {
        /* Only what is not the newest state may be gone. */
        must(m, l != &m->log[m->n_log - 1], "the newest tag is not found");
    }
    tag.id++;
    must(m, moss_collection_snapshot_at(m->c, tag, &snap) != MOSS_OK,
         "a tag with another id is found");
}

void
action_snapshot_child(struct machine *m)
{
    struct snap_slot *s = &m->snaps[draw(m, SNAPS)];
    size_t name = (size_t)draw(m, KEY_NAMES);
    struct moss_snapshot *child = NULL;
    enum moss_status st;

    if (s->snap == NULL)
        return;
    st = moss_snapshot_child(s->snap, m->table.names[name], &child);
    if (!machine_ok(m, st, "child"))
        return;
    must(m, (st == MOSS_OK) == (s->model->children[name] != NULL),
         "child %zu is there or not: %s", name, moss_status_name(st));
    if (st == MOSS_OK)
        keep(m, child, s->model->children[name]);
}

/* Some changes of a batch laid over a snapshot. */
void
action_overlay(struct machine *m)
{
    struct snap_slot *s = &m->snaps[draw(m, SNAPS)];
    struct batch_slot *b = &m->batches[draw(m, BATCHES)];
    struct moss_snapshot *over = NULL;
    struct change *own;
    struct key_model *model;
    size_t n, from, to, k = 0;

    if (s->snap == NULL || b->batch == NULL)
        return;
    n = moss_batch_count(b->batch);
    from = (size_t)draw(m, n + 1);
    to = from + (size_t)draw(m, n - from + 1);
    if (!works(m, moss_snapshot_overlay(s->snap, b->batch, from, to, &over)))
        return;
    own = must_alloc(calloc(n + 1, sizeof(*own)));
    for (size_t i = first_own(&b->changes); i < b->changes.n; i++) {
        const struct change *c = &b->changes.list[i];

        if (c->depth == 0 && c->kind <= CHANGE_MERGE)
            own[k++] = *c;
    }
    must(m, k == n, "the batch has %zu changes, not %zu", n, k);
    model =
        key_model_apply(s->model, own + from, to - from, m->model_merge, NULL);
    free(own);
    keep(m, over, model);
    machine_check(m, over, model);
    key_model_unref(model);
}

/* The same into memory of the caller, cut. */
static void
check_copy(struct machine *m, struct snap_slot *s, struct moss_slice key)
{
    uint8_t buf[40];
    size_t cap = (size_t)draw(m, sizeof(buf)), len, i;
    const struct blob *want = NULL;
    enum moss_status st = moss_snapshot_get_copy(s->snap, key, buf, cap, &len);

    if (!machine_ok(m, st, "get_copy"))
        return;
    i = key_table_find(&m->table, key);
    if (i < m->table.n && slice_equal(key, blob_slice(m->table.keys[i])))
        want = s->model->values[i];
    must(m, (st == MOSS_OK) == (want != NULL), "a copy is there or not");
    if (want == NULL)
        return;
    must(m,
         len == want->len &&
             memcmp(buf, want->bytes, cap < len ? cap : len) == 0,
         "another copy");
}

void
action_snapshot_get(struct machine *m)
{
    struct snap_slot *s = &m->snaps[draw(m, SNAPS)];
    uint8_t buf[KEY_BYTES];
    struct moss_slice key = draw_key(m, buf);
    struct moss_value value;

    if (s->snap == NULL)
        return;
    check_value(m, moss_snapshot_get(s->snap, key, &value), &value, s->model,
                key);
    if (one_in(m, 4))
        check_copy(m, s, key);
    if (sometimes(m, 2))
        check_partial(m, s, key);
}

void
action_snapshot_check(struct machine *m)
{
    struct snap_slot *s = &m->snaps[draw(m, SNAPS)];

    if (s->snap != NULL)
        machine_check(m, s->snap, s->model);
}

void
action_snapshot_drop(struct machine *m)
{
    snap_slot_release(&m->snaps[draw(m, SNAPS)]);
}

void
action_estimate(struct machine *m)
{
    struct snap_slot *s = &m->snaps[draw(m, SNAPS)];
    uint8_t lo_buf[KEY_BYTES], hi_buf[KEY_BYTES];
    struct moss_slice lo = draw_key(m, lo_buf), hi = draw_key(m, hi_buf);
    uint64_t entries, bytes;
    bool has_lo = one_in(m, 2), has_hi = one_in(m, 2);

    if (s->snap == NULL ||
        !works(m,
               moss_snapshot_estimate(s->snap, has_lo ? &lo : NULL,
                                      has_hi ? &hi : NULL, &entries, &bytes)))
        return;
    /* Each entry there is was a change once, or is in the overlay. */
    must(m, entries <= m->changed + m->table.n * 100, "%llu entries of %llu",
         (unsigned long long)entries, (unsigned long long)m->changed);
    if (has_lo && has_hi && slice_compare(lo, hi) >= 0)
        must(m, entries == 0, "%llu entries between nothing",
             (unsigned long long)entries);
}
