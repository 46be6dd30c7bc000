/*
 * The counters under the names that they have in Go moss, and as JSON.
 */
#include <inttypes.h>

#include "base/textout.h"
#include "moss.h"

/* A number is the sum of up to three fields. */
enum { NEVER = -1 };
#define AT(field) ((int)offsetof(struct moss_collection_stats, field))

static const struct {
    const char *name;
    int at[3];
} names[] = {
    { "TotOnError", { AT(errors), NEVER, NEVER } },
    { "TotCloseBeg", { AT(close.begun), NEVER, NEVER } },
    { "TotCloseMergerDone", { AT(close.merger_done), NEVER, NEVER } },
    { "TotClosePersisterDone", { AT(close.persister_done), NEVER, NEVER } },
    { "TotCloseLowerLevelBeg", { AT(close.lower_begun), NEVER, NEVER } },
    { "TotCloseLowerLevelEnd", { AT(close.lower_done), NEVER, NEVER } },
    { "TotCloseEnd", { AT(close.done), NEVER, NEVER } },
    { "TotSnapshotBeg", { AT(snapshot.begun), NEVER, NEVER } },
    { "TotSnapshotEnd", { AT(snapshot.done), NEVER, NEVER } },
    { "TotSnapshotInternalBeg", { AT(snapshot.make_begun), NEVER, NEVER } },
    { "TotSnapshotInternalEnd", { AT(snapshot.made), NEVER, NEVER } },
    { "TotSnapshotInternalClose", { AT(snapshot.released), NEVER, NEVER } },
    { "TotGet", { AT(get.calls), NEVER, NEVER } },
    { "TotGetErr", { AT(get.errors), NEVER, NEVER } },
    { "TotNewBatch", { AT(batch.given), NEVER, NEVER } },
    { "TotNewBatchTotalOps", { AT(batch.given_ops), NEVER, NEVER } },
    { "TotNewBatchTotalKeyValBytes", { AT(batch.given_bytes), NEVER, NEVER } },
    { "TotExecuteBatchBeg", { AT(batch.begun), NEVER, NEVER } },
    { "TotExecuteBatchErr", { AT(batch.errors), NEVER, NEVER } },
    { "TotExecuteBatchEmpty", { AT(batch.empty), NEVER, NEVER } },
    { "TotExecuteBatchWaitBeg", { AT(writer_waits), NEVER, NEVER } },
    { "TotExecuteBatchWaitEnd", { AT(batch.waits_done), NEVER, NEVER } },
    { "TotExecuteBatchAwakeMergerBeg",
      { AT(batch.woke_merger), NEVER, NEVER } },
    { "TotExecuteBatchAwakeMergerEnd",
      { AT(batch.woke_merger), NEVER, NEVER } },
    { "TotExecuteBatchEnd", { AT(batch.done), NEVER, NEVER } },
    { "TotNotifyMergerBeg", { AT(notify.begun), NEVER, NEVER } },
    { "TotNotifyMergerEnd", { AT(notify.done), NEVER, NEVER } },
    { "TotMergerEnd", { AT(merger.ended), NEVER, NEVER } },
    { "TotMergerLoop", { AT(merger.rounds), NEVER, NEVER } },
    { "TotMergerLoopRepeat", { AT(merger.rounds_done), NEVER, NEVER } },
    { "TotMergerAll", { AT(merger.full), NEVER, NEVER } },
    { "TotMergerInternalBeg", { AT(merger.begun), NEVER, NEVER } },
    { "TotMergerInternalErr", { AT(merger.errors), NEVER, NEVER } },
    { "TotMergerInternalEnd", { AT(merger.done), NEVER, NEVER } },
    { "TotMergerInternalSkip", { AT(merger.skipped), NEVER, NEVER } },
    { "TotMergerLowerLevelNotify", { AT(merger.passed_on), NEVER, NEVER } },
    { "TotMergerLowerLevelNotifySkip",
      { AT(merger.not_passed_on), NEVER, NEVER } },
    { "TotMergerEmptyDirtyMid", { AT(merger.emptied), NEVER, NEVER } },
    { "TotMergerWaitIncomingBeg", { AT(merger.waits_begun), NEVER, NEVER } },
    { "TotMergerWaitIncomingStop", { AT(merger.waits_stopped), NEVER, NEVER } },
    { "TotMergerWaitIncomingEnd", { AT(merger.waits_done), NEVER, NEVER } },
    { "TotMergerWaitIncomingSkip", { AT(merger.waits_skipped), NEVER, NEVER } },
    { "TotMergerIdleSleeps", { AT(merger.idle_waits), NEVER, NEVER } },
    { "TotMergerIdleRuns", { AT(merger.idle_runs), NEVER, NEVER } },
    { "TotMergerWaitOutgoingBeg", { NEVER, NEVER, NEVER } },
    { "TotMergerWaitOutgoingStop", { NEVER, NEVER, NEVER } },
    { "TotMergerWaitOutgoingEnd", { NEVER, NEVER, NEVER } },
    { "TotMergerWaitOutgoingSkip", { AT(merger.rounds_done), NEVER, NEVER } },
    { "TotPersisterLoop", { AT(persister.rounds), NEVER, NEVER } },
    { "TotPersisterLoopRepeat", { AT(persister.rounds_done), NEVER, NEVER } },
    { "TotPersisterWaitBeg", { AT(persister.waits_begun), NEVER, NEVER } },
    { "TotPersisterWaitEnd", { AT(persister.waits_done), NEVER, NEVER } },
    { "TotPersisterEnd", { AT(persister.ended), NEVER, NEVER } },
    { "TotPersisterLowerLevelUpdateBeg",
      { AT(persister.updates_begun), NEVER, NEVER } },
    { "TotPersisterLowerLevelUpdateErr",
      { AT(persister.update_errors), NEVER, NEVER } },
    { "TotPersisterLowerLevelUpdateEnd",
      { AT(persister.updates_done), NEVER, NEVER } },
    { "CurDirtyOps", { AT(top_ops), AT(mid_ops), AT(base_ops) } },
    { "CurDirtyBytes", { AT(top_bytes), AT(mid_bytes), AT(base_bytes) } },
    { "CurDirtySegments",
      { AT(top_segments), AT(mid_segments), AT(base_segments) } },
    { "CurDirtyTopOps", { AT(top_ops), NEVER, NEVER } },
    { "CurDirtyTopBytes", { AT(top_bytes), NEVER, NEVER } },
    { "CurDirtyTopSegments", { AT(top_segments), NEVER, NEVER } },
    { "CurDirtyMidOps", { AT(mid_ops), NEVER, NEVER } },
    { "CurDirtyMidBytes", { AT(mid_bytes), NEVER, NEVER } },
    { "CurDirtyMidSegments", { AT(mid_segments), NEVER, NEVER } },
    { "CurDirtyBaseOps", { AT(base_ops), NEVER, NEVER } },
    { "CurDirtyBaseBytes", { AT(base_bytes), NEVER, NEVER } },
    { "CurDirtyBaseSegments", { AT(base_segments), NEVER, NEVER } },
    { "CurCleanOps", { AT(clean_ops), NEVER, NEVER } },
    { "CurCleanBytes", { AT(clean_bytes), NEVER, NEVER } },
    { "CurCleanSegments", { AT(clean_segments), NEVER, NEVER } },
};

static uint64_t
field_at(const struct moss_collection_stats *stats, int at)
{
    uint64_t value = 0;

    if (at != NEVER)
        memcpy(&value, (const char *)stats + at, sizeof(value));
    return value;
}

void
moss_collection_stats_each(const struct moss_collection_stats *stats,
                           void (*each)(void *arg, const char *name,
                                        uint64_t value),
                           void *arg)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        each(arg, names[i].name,
             field_at(stats, names[i].at[0]) + field_at(stats, names[i].at[1]) +
                 field_at(stats, names[i].at[2]));
    }
}

static void
put_number(void *arg, const char *name, uint64_t value)
{
    struct textout *out = arg;

    textout_add(out, "%s\"%s\":%" PRIu64, out->len > 0 ? "," : "{", name,
                value);
}

size_t
moss_collection_stats_json(const struct moss_collection_stats *stats,
                           char *text, size_t cap)
{
    struct textout out = { text, cap, 0 };

    moss_collection_stats_each(stats, put_number, &out);
    textout_add(&out, "}");
    return out.len;
}
