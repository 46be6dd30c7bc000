/*
 * Frees big things (arenas, mappings, files) on a background thread, so that
 * neither a reader nor a commit pays for it.
 */
#ifndef MOSS_BASE_REAPER_H
#define MOSS_BASE_REAPER_H

/* Embedded in the thing to be freed. */
struct reap {
    struct reap *next;
    void (*run)(struct reap *r);
};

/*
 * Call run(r) soon, on the reaper's thread.  Allocates nothing and cannot
 * fail: without a thread (it could not start, or this is a forked child) run
 * is called at once.
 */
void reaper_defer(struct reap *r, void (*run)(struct reap *r));
/*
 * Return when everything deferred before has run, and what that deferred in
 * turn; on the reaper's own thread, at once.
 */
void reaper_drain(void);

#endif
