/*
 * The exit handler.
 *
 * A list of the open collections that have a lower level.  At exit (or when
 * the library is unloaded) each is flushed, all together within
 * EXIT_FLUSH_MS.  The list's lock is not held meanwhile: the handler enters
 * the collection as a waiting call does, and close waits for it.
 *
 * A forked child inherits list and handler; collections of another process
 * are left alone.
 */
#include "collection/exit.h"

#include <stdlib.h>

#include "base/mem.h"

enum { EXIT_FLUSH_MS = 5000 };

struct watched {
    struct watched *next;
    struct moss_collection *c;
};

static struct mutex list_mu = MUTEX_INITIALIZER; /* before a collection's mu */
static struct watched *list;                     /* guarded by list_mu */
static struct once once = ONCE_INITIALIZER;
static bool is_ready; /* constant after once */

/* The next collection of this process, entered; it leaves the list. */
static struct moss_collection *
take_next(void)
{
    struct moss_collection *c = NULL;

    mutex_lock(&list_mu);
    while (list != NULL && c == NULL) {
        struct watched *w = list;

        list = w->next;
        if (collection_check(w->c) == MOSS_OK) {
            c = w->c;
            mutex_lock(&c->mu);
            collection_enter_locked(c);
            mutex_unlock(&c->mu);
        }
        mem_free(w);
    }
    mutex_unlock(&list_mu);
    return c;
}

static void
flush_all(void)
{
    uint64_t deadline = sync_deadline_ns(EXIT_FLUSH_MS);
    struct moss_collection *c = take_next();

    while (c != NULL) {
        uint64_t now = sync_now_ns();
        uint64_t left_ms = now < deadline ? (deadline - now) / 1000000 : 0;

        /* Nobody is left who could be told of a failure but on_error. */
        if (moss_collection_flush(c, left_ms, NULL) < 0)
            left_ms = 0;
        mutex_lock(&c->mu);
        collection_leave_locked(c);
        mutex_unlock(&c->mu);
        c = take_next();
    }
}

static void
watch_exit(void)
{
    is_ready = sync_hold_over_fork(&list_mu) && atexit(flush_all) == 0;
}

enum moss_status
exit_watch(struct moss_collection *c)
{
    struct watched *w;

    once_run(&once, watch_exit);
    if (!is_ready)
        return MOSS_NOMEM;
    w = mem_alloc(sizeof(*w));
    if (w == NULL)
        return MOSS_NOMEM;
    w->c = c;
    mutex_lock(&list_mu);
    w->next = list;
    list = w;
    mutex_unlock(&list_mu);
    return MOSS_OK;
}

void
exit_forget(struct moss_collection *c)
{
    struct watched *found = NULL;

    mutex_lock(&list_mu);
    for (struct watched **at = &list; *at != NULL; at = &(*at)->next) {
        if ((*at)->c == c) {
            found = *at;
            *at = found->next;
            break;
        }
    }
    mutex_unlock(&list_mu);
    mem_free(found);
}
