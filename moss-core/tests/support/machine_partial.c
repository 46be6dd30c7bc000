/*
 * Parts of snapshots: which keys are in them depends on what the merger has
 * done, and so is not known here.  But a get and an iterator must agree, and a
 * part that leaves out nothing must be the whole.
 */
#include "base/base.h"
#include "support/machine_impl.h"

static struct moss_read_options
draw_options(struct machine *m, struct snap_slot *s, bool *is_whole)
{
    struct moss_read_options o = {
        .skip_lower_level = sometimes(m, 3),
        .include_deletions = sometimes(m, 3),
        .min_segment_level = sometimes(m, 3) ? (size_t)extra(m, 4) : 0,
        .max_segment_height = sometimes(m, 3) ? (size_t)extra(m, 5) : 0,
    };
    size_t height, lower;

    moss_snapshot_segments(s->snap, &height, &lower);
    *is_whole = !o.skip_lower_level && o.min_segment_level == 0 &&
                (o.max_segment_height == 0 || o.max_segment_height >= height);
    return o;
}

/* Is key at the iterator's place, and is it of this value? */
static bool
is_there(const struct moss_iterator *it, enum moss_status st,
         struct moss_slice key, struct moss_slice *value)
{
    struct moss_slice at;

    if (st != MOSS_OK)
        return false;
    moss_iterator_current(it, &at, value);
    return slice_equal(at, key) && moss_iterator_op(it) != MOSS_OP_DEL;
}

void
check_partial(struct machine *m, struct snap_slot *s, struct moss_slice key)
{
    bool is_whole;
    struct moss_read_options o = draw_options(m, s, &is_whole);
    struct moss_iterator *it = NULL;
    struct moss_slice want = { 0 };
    struct moss_value value;
    enum moss_status st = moss_snapshot_get_with(s->snap, key, &o, &value);
    enum moss_status moved;
    bool there;

    if (!machine_ok(m, st, "get_with"))
        return;
    if (!works(m, moss_snapshot_iterate_with(s->snap, NULL, NULL, &o, &it)))
        goto done;
    moved = moss_iterator_seek(it, key);
    if (!machine_ok(m, moved, "seek"))
        goto done;
    there = is_there(it, moved, key, &want);
    count_extra(EXTRA_PARTIAL);
    must(m, (st == MOSS_OK) == there,
         "a key of a part is there or not: %s, min %zu, max %zu",
         moss_status_name(st), o.min_segment_level, o.max_segment_height);
    must(m, !there || slice_equal(value.bytes, want),
         "a key of a part has another value");
    if (is_whole) {
        moss_iterator_free(it);
        check_value(m, st, &value, s->model, key); /* releases it */
        return;
    }

done:
    moss_iterator_free(it);
    if (st == MOSS_OK)
        moss_value_release(&value);
}
