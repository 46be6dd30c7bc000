/*
 * A doubly linked list of the snapshots in use, the newest first, with a lock
 * of its own, under which nothing else is locked.
 *
 * In a forked child the lock may be held for good: there the list is left as
 * it is and nobody asks for it.
 */
#include "collection/pins.h"

#include "base/mem.h"
#include "base/refs.h"
#include "base/sync.h"
#include "collection/state.h"

struct pins {
    struct refs refs;
    uint64_t process; /* that made it */
    struct mutex mu;
    struct pin *newest GUARDED_BY(mu);
    uint64_t released GUARDED_BY(mu);
};

enum moss_status
pins_new(struct pins **out)
{
    struct pins *pins = mem_zalloc(1, sizeof(*pins));
    enum moss_status st;

    *out = NULL;
    if (pins == NULL)
        return MOSS_NOMEM;
    st = mutex_init(&pins->mu);
    if (st != MOSS_OK) {
        mem_free(pins);
        return st;
    }
    refs_init(&pins->refs);
    pins->process = sync_process();
    *out = pins;
    return MOSS_OK;
}

void
pins_unref(struct pins *pins)
{
    if (pins == NULL || !refs_dec(&pins->refs))
        return;
    if (pins->process == sync_process())
        mutex_destroy(&pins->mu);
    mem_free(pins);
}

void
pin_add(struct pin *pin, struct pins *pins, struct state *state)
{
    pin->pins = NULL;
    if (pins->process != sync_process())
        return;
    pin->pins = pins;
    refs_inc(&pins->refs);
    pin->state = state;
    pin->newer = NULL;
    mutex_lock(&pins->mu);
    pin->taken_ns = sync_now_ns(); /* under the lock: the list is in order */
    pin->older = pins->newest;
    if (pin->older != NULL)
        pin->older->newer = pin;
    pins->newest = pin;
    mutex_unlock(&pins->mu);
}

void
pin_remove(struct pin *pin)
{
    struct pins *pins = pin->pins;

    if (pins == NULL)
        return;
    if (pins->process == sync_process()) {
        mutex_lock(&pins->mu);
        if (pin->newer != NULL)
            pin->newer->older = pin->older;
        else
            pins->newest = pin->older;
        if (pin->older != NULL)
            pin->older->newer = pin->newer;
        pins->released++;
        mutex_unlock(&pins->mu);
    }
    pin->pins = NULL;
    pins_unref(pins);
}

uint64_t
pins_released(struct pins *pins)
{
    uint64_t released;

    mutex_lock(&pins->mu);
    released = pins->released;
    mutex_unlock(&pins->mu);
    return released;
}

uint64_t
pins_find_oldest(struct pins *pins, const struct state *newest,
                 struct state **oldest, uint64_t *taken_ns)
{
    uint64_t count = 0;

    *oldest = NULL;
    *taken_ns = 0;
    mutex_lock(&pins->mu);
    for (const struct pin *pin = pins->newest; pin != NULL; pin = pin->older) {
        if (pin->state == newest)
            continue;
        count++;
        *oldest = pin->state;
        *taken_ns = pin->taken_ns;
    }
    if (*oldest != NULL)
        state_ref(*oldest);
    mutex_unlock(&pins->mu);
    return count;
}
