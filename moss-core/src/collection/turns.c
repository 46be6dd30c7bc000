/*
 * Taking turns.  A writer, the merger and the persister, each with a processor
 * of its own, leave nothing to readers where there are few.  So while other
 * threads read there, a batch owes the time that the work in the background
 * is expected to take for it; and if that work is going on when the next batch
 * is prepared, its writer waits until it is over, at most for what is owed.
 * So together they use about one processor, and the others are left to who
 * reads.
 *
 * What is owed counts while somebody reads only, and is paid by waiting; there
 * is a bound to it.  So a writer of little waits for little, whatever the
 * background threads are doing, and nobody waits if nothing is going on, for
 * a load beside which nobody reads, or where the one who reads is the writer.
 *
 * Any thread that prepares, publishes or takes a snapshot; under c->mu.
 */
#include "collection/collection.h"

/* With more processors than this, nobody waits. */
enum { FEW_PROCESSORS = 4 };
/* Another thread reads if it has taken a snapshot since so many batches. */
enum { READ_WITHIN = 64 };
/* What each byte is taken to cost: 31 MB a second. */
enum { NS_A_BYTE = 32 };
/* To wait for less is not worth being woken for. */
#define OWED_MIN_NS ((uint64_t)1000000)
#define OWED_MAX_NS ((uint64_t)100 * 1000000)

void
turns_init(struct turns *t)
{
    t->may_wait = sync_processors() <= FEW_PROCESSORS;
}

void
turns_note_reader_locked(struct moss_collection *c)
{
    struct turns *t = &c->turns;

    mutex_assert_held(&c->mu);
    if (t->writer != 0 && t->writer != thread_self_mark())
        t->read_seq = c->state->seq + 1;
}

static bool
is_read_locked(struct moss_collection *c) REQUIRES(c->mu)
{
    const struct turns *t = &c->turns;

    mutex_assert_held(&c->mu);
    return t->read_seq > 0 && c->state->seq + 1 - t->read_seq < READ_WITHIN;
}

void
turns_owe_locked(struct moss_collection *c, uint64_t bytes)
{
    struct turns *t = &c->turns;
    uint64_t room = OWED_MAX_NS - t->owed_ns;

    mutex_assert_held(&c->mu);
    if (!t->may_wait || !is_read_locked(c))
        t->owed_ns = 0;
    else
        t->owed_ns += bytes < room / NS_A_BYTE ? bytes * NS_A_BYTE : room;
}

void
turns_wait_locked(struct moss_collection *c, uint64_t deadline)
{
    struct turns *t = &c->turns;
    uint64_t began, until, waited;
    bool in_time = true;

    mutex_assert_held(&c->mu);
    t->writer = thread_self_mark();
    if (t->owed_ns < OWED_MIN_NS || c->at_work == 0 || !is_read_locked(c))
        return;
    began = sync_now_ns();
    until = began + t->owed_ns;
    if (until > deadline)
        until = deadline;
    if (until <= began)
        return;
    collection_enter_locked(c);
    c->counters.writer_waits++;
    while (in_time && c->at_work > 0 && !c->closing)
        in_time = condvar_wait_until(&c->progress, &c->mu, until);
    c->counters.batch.waits_done++;
    waited = sync_now_ns() - began;
    t->owed_ns -= waited < t->owed_ns ? waited : t->owed_ns;
    collection_leave_locked(c);
}
