/*
 * A snapshot over a model.  Each position of an iterator has memory of its
 * own, so that a sanitizer sees whoever keeps a slice for too long.  One
 * thread at a time.
 */
#include "support/foreign.h"

#include <stdlib.h>

#include "base/base.h"
#include "support/fixture.h"

struct foreign {
    struct moss_snapshot base;
    struct model *model;
    int refs;
};

struct foreign_iterator {
    struct moss_iterator base;
    struct foreign *snap;
    size_t lo, hi;
    size_t pos;
    bool positioned;
    uint8_t *memory; /* of key and value */
};

static int fail_in;
static bool tripped;
static int live;

void
foreign_fail_nth(int n)
{
    fail_in = n;
    tripped = false;
}

bool
foreign_tripped(void)
{
    return tripped;
}

int
foreign_live(void)
{
    return live;
}

static bool
fails_now(void)
{
    if (fail_in == 0 || --fail_in > 0)
        return false;
    tripped = true;
    return true;
}

/* ------------------------------------------------------------ iterators */

static struct foreign_iterator *
iterator_of(struct moss_iterator *base)
{
    return container_of(base, struct foreign_iterator, base);
}

static void
forget(struct foreign_iterator *it)
{
    free(it->memory);
    it->memory = NULL;
    it->base.key = it->base.value = moss_slice(NULL, 0);
}

/* Go to pos, if it is within the bounds. */
static enum moss_status
stand(struct foreign_iterator *it, bool there, size_t pos)
{
    struct moss_slice key, value;

    forget(it);
    it->positioned = false;
    if (fails_now())
        return MOSS_IO;
    if (!there)
        return MOSS_DONE;
    model_at(it->snap->model, pos, &key, &value);
    it->memory = must_alloc(malloc(key.len + value.len + 1));
    if (key.len > 0)
        memcpy(it->memory, key.bytes, key.len);
    if (value.len > 0)
        memcpy(it->memory + key.len, value.bytes, value.len);
    it->base.key = moss_slice(it->memory, key.len);
    it->base.value = moss_slice(it->memory + key.len, value.len);
    it->pos = pos;
    it->positioned = true;
    return MOSS_OK;
}

static enum moss_status
first(struct moss_iterator *base)
{
    struct foreign_iterator *it = iterator_of(base);

    return stand(it, it->lo < it->hi, it->lo);
}

static enum moss_status
last(struct moss_iterator *base)
{
    struct foreign_iterator *it = iterator_of(base);

    return stand(it, it->lo < it->hi, it->hi - 1);
}

static enum moss_status
seek(struct moss_iterator *base, struct moss_slice key)
{
    struct foreign_iterator *it = iterator_of(base);
    size_t pos = model_find(it->snap->model, key);

    if (pos < it->lo)
        pos = it->lo;
    return stand(it, pos < it->hi, pos);
}

static enum moss_status
seek_for_prev(struct moss_iterator *base, struct moss_slice key)
{
    struct foreign_iterator *it = iterator_of(base);
    size_t end = model_find(it->snap->model, key);
    struct moss_slice value;

    if (model_get(it->snap->model, key, &value))
        end++;
    if (end > it->hi)
        end = it->hi;
    return stand(it, end > it->lo, end - 1);
}

static enum moss_status
next(struct moss_iterator *base)
{
    struct foreign_iterator *it = iterator_of(base);

    ck_assert(it->positioned);
    return stand(it, it->pos + 1 < it->hi, it->pos + 1);
}

static enum moss_status
prev(struct moss_iterator *base)
{
    struct foreign_iterator *it = iterator_of(base);

    ck_assert(it->positioned);
    return stand(it, it->pos > it->lo, it->pos - 1);
}

static void
iterator_release(struct moss_iterator *base)
{
    struct foreign_iterator *it = iterator_of(base);

    forget(it);
    moss_snapshot_unref(&it->snap->base);
    free(it);
    live--;
}

static const struct moss_iterator_ops iterator_ops = {
    first, last, seek, seek_for_prev, next, prev, iterator_release
};

/* ------------------------------------------------------------ snapshots */

static struct foreign *
snapshot_of(struct moss_snapshot *base)
{
    return container_of(base, struct foreign, base);
}

static enum moss_status
get(struct moss_snapshot *base, struct moss_slice key, struct moss_value *value)
{
    if (fails_now())
        return MOSS_IO;
    if (!model_get(snapshot_of(base)->model, key, &value->bytes))
        return MOSS_NOT_FOUND;
    return MOSS_OK;
}

static enum moss_status
iterate(struct moss_snapshot *base, const struct moss_slice *lo,
        const struct moss_slice *hi, struct moss_iterator **out)
{
    struct foreign *f = snapshot_of(base);
    struct foreign_iterator *it = must_alloc(calloc(1, sizeof(*it)));

    it->base.ops = &iterator_ops;
    it->snap = f;
    it->lo = lo == NULL ? 0 : model_find(f->model, *lo);
    it->hi = hi == NULL ? model_count(f->model) : model_find(f->model, *hi);
    moss_snapshot_ref(base);
    live++;
    *out = &it->base;
    return MOSS_OK;
}

static enum moss_status
child(struct moss_snapshot *base, struct moss_slice name,
      struct moss_snapshot **out)
{
    if (!slice_equal(name, moss_str("kid")))
        return MOSS_NOT_FOUND;
    *out = foreign_new(snapshot_of(base)->model);
    return MOSS_OK;
}

static enum moss_status
children(struct moss_snapshot *base,
         enum moss_status (*each)(void *arg, struct moss_slice name), void *arg)
{
    (void)base;
    return each(arg, moss_str("kid"));
}

static struct moss_tag
tag(struct moss_snapshot *base)
{
    (void)base;
    return (struct moss_tag){ 7, 70 };
}

static enum moss_status
estimate(struct moss_snapshot *base, const struct moss_slice *lo,
         const struct moss_slice *hi, uint64_t *entries, uint64_t *bytes)
{
    struct foreign *f = snapshot_of(base);
    size_t from = lo == NULL ? 0 : model_find(f->model, *lo);
    size_t to = hi == NULL ? model_count(f->model) : model_find(f->model, *hi);

    for (size_t i = from; i < to; i++) {
        struct moss_slice key, value;

        model_at(f->model, i, &key, &value);
        *entries += 1;
        *bytes += key.len + value.len;
    }
    return MOSS_OK;
}

static void
ref(struct moss_snapshot *base)
{
    snapshot_of(base)->refs++;
}

static void
unref(struct moss_snapshot *base)
{
    struct foreign *f = snapshot_of(base);

    if (--f->refs > 0)
        return;
    model_free(f->model);
    free(f);
    live--;
}

static const struct moss_snapshot_ops snapshot_ops = {
    get, iterate, child, children, tag, estimate, ref, unref, NULL
};

struct moss_snapshot *
foreign_new(const struct model *m)
{
    struct foreign *f = must_alloc(calloc(1, sizeof(*f)));

    f->base.ops = &snapshot_ops;
    f->model = model_clone(m);
    f->refs = 1;
    live++;
    return &f->base;
}
