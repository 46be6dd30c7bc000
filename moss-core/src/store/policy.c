/*
 * Every byte that a compaction writes is paid for twice: it is written again,
 * and where it goes to the end of the same file, what it was made from stays
 * there, dead, until a full compaction writes everything.  So:
 *
 *     level 2   [##################]
 *     level 1   [#####] [#####] [#####]
 *     level 0   [#] [#] [#] [#]            + update: level 0 becomes a [#####]
 *
 * Segments of about the same size make a level; when there are too many of
 * them, they are merged, and the result belongs to the next level.  So a byte
 * is written once more for each level.  Small segments cost little and join
 * at once.  Those whose keys all lie to one side of the update's, as with
 * sequential loads, are no burden to readers and do not count.
 *
 * Much is never merged that way, nor anything where the dead bytes would get
 * more than they may.  Such segments only pile up, until there are too many:
 * then a full compaction is due.  As content grows by large updates from one
 * to the next, that is not often.
 *
 * Nothing here has a state; any thread.
 */
#include "store/policy.h"

#include "base/base.h"

#define MIB ((uint64_t)1 << 20)
/* Files with fewer dead bytes are left alone by default. */
#define SLACK (64 * MIB)
/*
 * Live bytes twice, while a compaction writes them anew, what is dead by then,
 * and one more update: that is to stay within 1 GiB of twice what lives.
 */
#define MAX_DEAD (768 * MIB)
/* What comes to less than this is merged at once, doubling in size. */
#define LITTLE (8 * MIB)
/* What comes to more is left to a full compaction. */
#define MUCH (256 * MIB)
/* So many segments may lie apart from each other. */
#define MAX_APART 16
/* Less than this is not worth a full compaction of an idle store. */
#define IDLE_MIN (16 * MIB)
/* More than this takes too long to be written while a store is closed. */
#define CLOSING_MAX (2048 * MIB)

bool
policy_init(struct policy *p, const struct moss_store_options *o)
{
    p->multiplier = o->compaction_level_multiplier;
    p->max_segments = o->compaction_level_max_segments;
    p->percentage = o->compaction_percentage;
    p->max_dead = o->max_dead_bytes;
    p->only_max_dead = p->max_dead != 0 && !(p->percentage > 0);
    p->slack = p->percentage > 0 ? 0 : SLACK;
    if (p->multiplier == 0)
        p->multiplier = 3;
    if (p->max_segments == 0)
        p->max_segments = 7;
    if (!(p->percentage > 0))
        p->percentage = 0.65;
    if (p->max_dead == 0)
        p->max_dead = MAX_DEAD;
    return p->percentage < 1 && o->compaction_percentage >= 0 &&
           p->multiplier > 1;
}

uint64_t
policy_dead_limit(const struct policy *p, uint64_t live)
{
    double part =
        (double)live * (p->percentage / (1 - p->percentage)) + (double)p->slack;

    if (p->only_max_dead || part >= (double)p->max_dead)
        return p->max_dead;
    return (uint64_t)part;
}

/* Too many: merge the newest ones, however large, until half are left. */
static size_t
keep_fewer(const struct policy_run *runs, size_t keep, uint64_t budget)
{
    while (keep > POLICY_MAX_SEGMENTS / 2 && runs[keep - 1].disk <= budget)
        budget -= runs[--keep].disk;
    return keep;
}

/* Does it join right away what was gathered so far, with the update? */
static bool
is_small(const struct policy_run *run, uint64_t gathered)
{
    return run->bytes <= gathered / 8 ||
           (run->bytes <= 2 * gathered && run->bytes + gathered <= LITTLE);
}

size_t
policy_keep(const struct policy *p, const struct policy_run *runs, size_t n,
            uint64_t update, uint64_t budget)
{
    uint64_t gathered = update; /* with the update */
    uint64_t level = update, left = budget;
    size_t keep = n, members = 1;

    for (size_t i = n; i > 0; i--) {
        const struct policy_run *run = &runs[i - 1];
        bool joins = keep == i && is_small(run, gathered);

        if (run->disk > left || gathered + run->bytes > MUCH ||
            (!joins && run->bytes / p->multiplier >= level))
            break;
        left -= run->disk;
        gathered += run->bytes;
        if (joins) {
            keep--;
            level = gathered;
            continue;
        }
        members += !run->apart || n >= MAX_APART;
        if (members > p->max_segments) {
            keep = i - 1;
            members = 1;
            level = gathered;
        }
    }
    if (keep + 1 <= POLICY_MAX_SEGMENTS)
        return keep;
    for (size_t i = keep; i < n; i++)
        budget -= runs[i].disk;
    return keep_fewer(runs, keep, budget);
}

bool
policy_too_many(const struct policy_run *runs, size_t keep, uint64_t added)
{
    uint64_t above = added;

    if (keep < POLICY_MAX_SEGMENTS || keep >= 3 * POLICY_MAX_SEGMENTS)
        return keep >= POLICY_MAX_SEGMENTS;
    for (size_t i = 1; i < keep; i++)
        above += runs[i].bytes;
    return runs[0].bytes <= 2 * above;
}

size_t
policy_keep_leveled(const struct policy_run *runs, size_t n)
{
    uint64_t gathered = 0;
    size_t keep = n;

    if (n < 2)
        return n;
    while (keep > 1)
        gathered += runs[--keep].bytes;
    if (runs[0].bytes <= 2 * gathered)
        return 0;
    return n == 2 ? n : keep;
}

bool
policy_idle_full(uint64_t base, uint64_t above, uint64_t dead)
{
    uint64_t gain = above + dead;

    return gain >= IDLE_MIN && gain >= (base + above) / 4;
}

bool
policy_idle_leveled(uint64_t above)
{
    return above >= LITTLE;
}

/*
 * A close waits for writing at most four times what had come above the largest
 * segment, so that opening and closing for small changes costs little.
 */
bool
policy_closing(uint64_t tangled, uint64_t total)
{
    return tangled >= IDLE_MIN && tangled >= total / 4 && total <= CLOSING_MAX;
}
