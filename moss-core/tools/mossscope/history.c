/*
 * history: the commit points of a store, and what they changed.
 * revert: makes an older one the newest.
 */
#include <inttypes.h>

#include "args.h"
#include "diff.h"
#include "points.h"

/* ------------------------------------------------------------------ */
/* history                                                            */
/* ------------------------------------------------------------------ */

static const struct option history_options[] = {
    OPT_NUMBER("at", at, "show commit point N with its collections"),
    OPT_NUMBER("diff", diff, "what commit point N changed"),
    OPT_NUMBER("against", against,
               "with --diff: against commit point N, not the next older one"),
    OPT_FLAG("hex", hex, "with --diff: keys and values in hex"),
    OPT_FLAG("keys-only", keys_only, "with --diff: keys without values"),
    OPT_TEXT("merge", merge, "NAME", "the merge operator to read values with"),
    OPT_FLAG("keep-files", keep_files,
             "go on into the data files that compactions have kept"),
    OPT_FLAG("no-mmap", no_mmap, "read segments into memory, do not map them"),
    { 0 },
};

static const char history_more[] =
    "Commit points count from the newest, 0, backwards.  One is shown with\n"
    "the transaction's number and id, its time, what it holds, where its\n"
    "footer lies in the data file, and where the one before it does.  Go moss\n"
    "records neither transaction nor time.  \"dump --at N\" prints the "
    "content.\n"
    "\n"
    "--diff prints the entries that went with \"-\" and those that came with\n"
    "\"+\" before them, in dump's form.";

static enum scope_exit
show_point(const struct args *a, const struct view *v)
{
    struct commit *c = NULL;
    struct json_out w;
    enum scope_exit x = view_commit_at(v, a->at, &c);

    if (x != SCOPE_OK)
        return x;
    json_out_init(&w, stdout);
    if (a->json)
        point_put_json(&w, c->footer, a->at, true);
    else
        point_put_text(c->footer, a->at, true);
    commit_unref(c);
    return SCOPE_OK;
}

static enum scope_exit
show_diff(const struct args *a, const struct view *v)
{
    struct moss_snapshot *snap = NULL, *older = NULL;
    struct commit *c = NULL;
    struct entry_out out;
    struct path path = { .n = 0 };
    enum scope_exit x = view_commit_at(v, a->diff, &c);

    if (x == SCOPE_OK)
        scope_must(commit_snapshot(c, &snap));
    if (x == SCOPE_OK && a->has_against) {
        commit_unref(c);
        x = view_commit_at(v, a->against, &c);
    } else if (x == SCOPE_OK) {
        x = view_step(v, &c);
    }
    /* Before the oldest commit point there was nothing. */
    if (x == SCOPE_OK && c != NULL)
        scope_must(commit_snapshot(c, &older));
    commit_unref(c);
    if (x == SCOPE_OK) {
        entry_out_init(&out, a);
        x = diff_snapshots(&out, older, snap, &path);
        entry_out_end(&out);
    }
    moss_snapshot_unref(older);
    moss_snapshot_unref(snap);
    return x;
}

static enum scope_exit
run_history(const struct args *a)
{
    struct view v;
    enum scope_exit x;

    if (a->has_against && !a->has_diff)
        return scope_complain("--against needs --diff");
    x = view_open(a, &v);
    if (x == SCOPE_OK) {
        if (a->has_diff)
            x = show_diff(a, &v);
        else if (a->has_at)
            x = show_point(a, &v);
        else
            x = points_list(a, &v, UINT64_MAX, false);
    }
    view_close(&v);
    return x;
}

const struct command history_command = {
    .name = "history",
    .usage = "[OPTIONS] DIR",
    .what = "list the commit points, and what they changed",
    .more = history_more,
    .options = history_options,
    .max_words = 1,
    .run = run_history,
};

/* ------------------------------------------------------------------ */
/* revert                                                             */
/* ------------------------------------------------------------------ */

static const struct option revert_options[] = {
    OPT_NUMBER("at", at, "the commit point to go back to, as in \"history\""),
    OPT_FLAG("yes", yes, "do it"),
    OPT_FLAG("keep-files", keep_files,
             "go on into the data files that compactions have kept"),
    OPT_FLAG("force", force, "also where the store belongs to a database"),
    { 0 },
};

static const char revert_more[] = "A copy of commit point N becomes the newest "
                                  "one.  What came between stays\n"
                                  "in the history, so this can be reverted, "
                                  "too, until the store is compacted.";

static enum scope_exit
find_point(const struct args *a, struct moss_store *store,
           struct moss_snapshot **out)
{
    struct moss_error err;

    scope_must(moss_store_snapshot(store, out));
    for (uint64_t i = 0; i < a->at; i++) {
        struct moss_snapshot *older = NULL;
        enum moss_status st = moss_store_previous(store, *out, &older, &err);

        moss_snapshot_unref(*out);
        *out = older;
        if (st == MOSS_NOT_FOUND) {
            (void)scope_complain("there is no commit point @%" PRIu64
                                 ": the oldest is @%" PRIu64,
                                 a->at, i);
            return SCOPE_PROBLEMS;
        }
        if (st < 0)
            return scope_failed("cannot read the history", st, &err);
    }
    return SCOPE_OK;
}

static enum scope_exit
run_revert(const struct args *a)
{
    struct moss_store_options o = { .no_create = true,
                                    .compaction = MOSS_COMPACTION_DISABLE,
                                    .keep_files = a->keep_files };
    struct moss_store *store = NULL;
    struct moss_snapshot *snap = NULL;
    struct moss_error err;
    enum scope_exit x;
    enum moss_status st;

    if (!a->has_at)
        return scope_complain("revert needs --at N; \"history\" lists them");
    if (!a->yes)
        return scope_complain("this would make commit point @%" PRIu64
                              " the newest one; --yes does it",
                              a->at);
    st = moss_store_open(a->dir, &o, &store, &err);
    if (st < 0)
        return scope_failed("cannot open the store", st, &err);
    x = view_may_change(a, store);
    if (x == SCOPE_OK)
        x = find_point(a, store, &snap);
    if (x == SCOPE_OK) {
        st = moss_store_revert(store, snap, &err);
        if (st < 0)
            x = scope_failed("cannot revert", st, &err);
        else if (a->json)
            (void)printf("{\"reverted_to\": %" PRIu64 "}\n", a->at);
        else
            (void)printf("commit point @%" PRIu64 " is the newest one now\n",
                         a->at);
    }
    moss_snapshot_unref(snap);
    moss_store_close(store);
    return x;
}

const struct command revert_command = {
    .name = "revert",
    .usage = "--at N --yes [OPTIONS] DIR",
    .what = "make an older commit point the newest one",
    .more = revert_more,
    .options = revert_options,
    .max_words = 1,
    .run = run_revert,
};
