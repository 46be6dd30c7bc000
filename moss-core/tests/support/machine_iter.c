/* Iterators that are moved every way, and what they must stand on. */
#include "base/base.h"
#include "support/machine_impl.h"

void
iter_slot_release(struct iter_slot *s)
{
    moss_iterator_free(s->it);
    key_model_unref(s->model);
    *s = (struct iter_slot){ 0 };
}

void
action_iterate(struct machine *m)
{
    struct snap_slot *from = &m->snaps[draw(m, SNAPS)];
    struct iter_slot *s = &m->iters[draw(m, ITERS)];
    uint8_t lo_buf[KEY_BYTES], hi_buf[KEY_BYTES];
    struct moss_slice lo = draw_key(m, lo_buf), hi = draw_key(m, hi_buf);
    bool has_lo = one_in(m, 2), has_hi = one_in(m, 2);

    iter_slot_release(s);
    if (from->snap == NULL ||
        !works(m, moss_snapshot_iterate(from->snap, has_lo ? &lo : NULL,
                                        has_hi ? &hi : NULL, &s->it)))
        return;
    s->model = key_model_ref(from->model);
    s->lo = has_lo ? key_table_find(&m->table, lo) : 0;
    s->hi = has_hi ? key_table_find(&m->table, hi) : m->table.n;
}

/* To the first value in the bounds from place i on. */
static void
expect_from(struct iter_slot *s, size_t i)
{
    if (i < s->lo)
        i = s->lo;
    while (i < s->hi && s->model->values[i] == NULL)
        i++;
    s->on = i;
    s->place = i < s->hi ? ITER_ON : ITER_DONE;
}

/* To the last one before place i. */
static void
expect_before(struct iter_slot *s, size_t i)
{
    if (i > s->hi)
        i = s->hi;
    while (i > s->lo && s->model->values[i - 1] == NULL)
        i--;
    s->place = i > s->lo ? ITER_ON : ITER_DONE;
    s->on = i - (s->place == ITER_ON);
}

/* The call gave st; the slot says what is expected. */
static void
check_place(struct machine *m, struct iter_slot *s, enum moss_status st)
{
    struct moss_slice key, value;

    if (!machine_ok(m, st, "move")) {
        iter_slot_release(s);
        return;
    }
    must(m, (st == MOSS_OK) == (s->place == ITER_ON), "it is %s, and should %s",
         moss_status_name(st),
         s->place == ITER_ON ? "stand on an entry" : "be done");
    if (st != MOSS_OK)
        return;
    moss_iterator_current(s->it, &key, &value);
    must(m, slice_equal(key, blob_slice(m->table.keys[s->on])),
         "it stands on another key: place %zu, not %zu",
         key_table_find(&m->table, key), s->on);
    must(m, slice_equal(value, blob_slice(s->model->values[s->on])),
         "key %zu has another value", s->on);
}

static void
next(struct machine *m, struct iter_slot *s)
{
    if (s->place == ITER_FRESH)
        expect_from(s, 0);
    else if (s->place == ITER_ON)
        expect_from(s, s->on + 1);
    check_place(m, s, moss_iterator_next(s->it));
}

static void
prev(struct machine *m, struct iter_slot *s)
{
    if (s->place == ITER_FRESH)
        expect_before(s, m->table.n);
    else if (s->place == ITER_ON)
        expect_before(s, s->on);
    check_place(m, s, moss_iterator_prev(s->it));
}

/* Several one way. */
void
action_move(struct machine *m)
{
    struct iter_slot *s = &m->iters[draw(m, ITERS)];
    bool is_back = one_in(m, 3);
    uint64_t n = 1 + draw(m, 6);

    while (n-- > 0 && s->it != NULL) {
        if (is_back)
            prev(m, s);
        else
            next(m, s);
    }
}

/* To and fro. */
void
action_turn(struct machine *m)
{
    struct iter_slot *s = &m->iters[draw(m, ITERS)];

    for (int i = 0; i < 8 && s->it != NULL; i++) {
        if (one_in(m, 2))
            prev(m, s);
        else
            next(m, s);
    }
}

void
action_seek(struct machine *m)
{
    struct iter_slot *s = &m->iters[draw(m, ITERS)];
    uint8_t buf[KEY_BYTES];
    struct moss_slice key = draw_key(m, buf);
    size_t i = key_table_find(&m->table, key);
    enum moss_status st;

    if (s->it == NULL)
        return;
    switch (draw(m, 6)) {
    case 0:
        expect_from(s, 0);
        st = moss_iterator_first(s->it);
        break;
    case 1:
        expect_before(s, m->table.n);
        st = moss_iterator_last(s->it);
        break;
    case 2:
    case 3:
        expect_from(s, i);
        st = moss_iterator_seek(s->it, key);
        break;
    default:
        if (i < m->table.n && slice_equal(key, blob_slice(m->table.keys[i])))
            i++;
        expect_before(s, i);
        st = moss_iterator_seek_for_prev(s->it, key);
        break;
    }
    check_place(m, s, st);
}

void
action_iterator_drop(struct machine *m)
{
    iter_slot_release(&m->iters[draw(m, ITERS)]);
}
