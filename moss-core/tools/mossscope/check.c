/*
 * check: reads all of a store and compares everything that can be compared.
 *
 * The newest data file that has a good footer is the store, as for any
 * opener; with --keep-files those before it are checked, too.  Commit points are followed from the newest to the oldest; each
 * segment is looked at once, however many of them name it.  What no commit
 * point names is only counted, but for whole footers in it.
 */
#include <inttypes.h>

#include "args.h"
#include "base/base.h"
#include "base/coding.h"
#include "base/mem.h"
#include "check_segment.h"
#include "points.h"
#include "ranges.h"
#include "store/datafile.h"
#include "store/identity.h"
#include "store/lockfile.h"

static const struct option options[] = {
    OPT_FLAG("keep-files", keep_files,
             "also the data files that compactions have kept"),
    OPT_FLAG("no-mmap", no_mmap, "read segments into memory, do not map them"),
    { 0 },
};

static const char more[] =
    "Checked are the header and the identity, every footer, and of every\n"
    "segment its checksums, the bounds and the order of its entries, and its\n"
    "totals.  A problem is named with its file and offset; a note is no\n"
    "problem.  The status is 1 if there is any problem.";

/* How often to look again when a compaction removes the file just found. */
#define ATTEMPTS 16

/* What the lock file says. */
#define LOCK_BYTES 48

struct known {
    bool is_there;
    uint8_t store_id[16];
    uint64_t number, off; /* of the newest commit point's file and footer */
};

struct check {
    const struct args *a;
    struct known lock;
    bool has_vanished; /* a file, since the directory was read */
    struct report report;
    struct moss_os *os;
    const char *name; /* of the file */
    struct file *file;
    uint64_t size;
    bool has_nonce;
    uint64_t nonce;
    struct ranges ranges;
    /* What the file checked last says comes before it; 0: nothing. */
    uint64_t older_file, older_off;
    uint64_t points, segments, entries, bytes;
};

/* ------------------------------------------------------------------ */
/* Ranges                                                             */
/* ------------------------------------------------------------------ */

/* Footers that the history does not reach, in [from, to). */
static void
check_gap(struct check *c, uint64_t from, uint64_t to)
{
    uint8_t head[4];

    for (uint64_t off = align_up(from, FILE_PAGE); off + FILE_PAGE <= to;
         off += FILE_PAGE) {
        struct footer *f = NULL;

        if (file_read(c->file, off, head, sizeof head, NULL) < 0 ||
            memcmp(head, "0m1o", sizeof head) != 0)
            continue;
        if (footer_read(c->file, c->size, off, c->has_nonce ? &c->nonce : NULL,
                        &f, NULL) == MOSS_OK)
            report_note(&c->report, c->name, off,
                        "a commit point that the history does not reach");
        footer_free(f);
    }
}

/* What overlaps, and what lies between. */
static void
check_ranges(struct check *c)
{
    uint64_t end = FILE_PAGE, unused = 0;

    ranges_sort(&c->ranges);
    for (size_t i = 0; i < c->ranges.n; i++) {
        const struct range *r = &c->ranges.items[i];

        if (r->from > end) {
            check_gap(c, end, r->from);
            unused += r->from - end;
        } else if (r->from < end && i > 0) {
            report_problem(&c->report, c->name, r->from,
                           "this and what begins at %" PRIu64 " overlap",
                           c->ranges.items[i - 1].from);
        }
        if (align_up(r->to, FILE_PAGE) > end)
            end = align_up(r->to, FILE_PAGE);
    }
    if (unused > 0)
        report_note(&c->report, c->name, FILE_PAGE,
                    "%" PRIu64 " of %" PRIu64
                    " bytes are used by no commit point",
                    unused, c->size);
    if (c->size > end)
        report_note(&c->report, c->name, end,
                    "%" PRIu64 " bytes stand behind the newest commit point, "
                    "of a write that was cut off or goes on",
                    c->size - end);
}

/* ------------------------------------------------------------------ */
/* The lock file                                                      */
/* ------------------------------------------------------------------ */

/*
 * The writer's lock file says which commit point was the newest one after it
 * was durable.  Read before the store, which others may write to.
 */
static void
read_lock(struct check *c)
{
    char *path = file_path(c->a->dir, LOCKFILE_NAME);
    struct file *file = NULL;
    uint8_t page[LOCK_BYTES];

    if (path == NULL)
        scope_must(MOSS_NOMEM);
    /* Go moss has none, and one that never saw a writer is empty. */
    if (file_open(c->os, path, MOSS_OPEN_READ, &file, NULL) == MOSS_OK &&
        file_read(file, 0, page, sizeof page, NULL) == MOSS_OK &&
        memcmp(page, "mosslck1", 8) == 0) {
        c->lock.is_there = true;
        memcpy(c->lock.store_id, page + 8, 16);
        c->lock.number = load_le64(page + 32);
        c->lock.off = load_le64(page + 40);
    }
    file_unref(file);
    mem_free(path);
}

static void
check_lock(struct check *c, const struct identity *id, uint64_t number,
           uint64_t off)
{
    if (!c->lock.is_there || !id->is_there ||
        memcmp(c->lock.store_id, id->pub.store_id, 16) != 0)
        return;
    if (number < c->lock.number ||
        (number == c->lock.number && off < c->lock.off))
        report_problem(&c->report, c->name, off,
                       "this is the newest good commit point, but there was "
                       "one at %" PRIu64 " in file %" PRIu64,
                       c->lock.off, c->lock.number);
}

/* ------------------------------------------------------------------ */
/* Commit points                                                      */
/* ------------------------------------------------------------------ */

static void
check_coll(struct check *c, const struct commit *commit,
           const struct footer_coll *coll)
{
    const struct segstack *stack = commit->stacks[coll->index];
    struct path path;

    point_path(commit->footer, coll, &path);
    for (size_t i = 0; i < stack->n; i++) {
        const struct segment_loc *loc = &coll->locs[i];
        struct range r = { loc->kvs_off, loc_end(loc), loc->kvs_bytes,
                           loc->buf_off };
        struct checked_segment s = { .report = &c->report,
                                     .file = c->name,
                                     .path = &path,
                                     .seg = stack->segs[i],
                                     .loc = loc,
                                     .nonce = c->nonce };

        if (!ranges_add(&c->ranges, r))
            continue;
        check_segment(&s);
        c->segments++;
        c->entries += s.seg->n;
        c->bytes += r.to - r.from;
        progress_show(c->bytes, c->size);
    }
}

/* All commit points from that of footer on, which is taken over. */
static enum scope_exit
check_points(struct check *c, const struct commit_place *place,
             struct footer *footer)
{
    struct commit_env env = { .no_mmap = c->a->no_mmap };
    struct moss_error err;

    while (footer != NULL) {
        struct commit *commit = NULL;
        uint64_t off = footer->off, prev = footer->prev;
        enum moss_status st;

        (void)ranges_add(&c->ranges,
                         (struct range){ off, off + footer->length, 0, 0 });
        st = commit_load(&env, place, footer, &commit, &err);
        footer = NULL;
        if (st < 0)
            return scope_failed("cannot read a commit point", st, &err);
        c->points++;
        c->older_file = commit->footer->older_file;
        c->older_off = commit->footer->older_off;
        for (size_t i = 0; i < commit->footer->n_colls; i++)
            check_coll(c, commit, commit->footer->colls[i]);
        commit_unref(commit);
        if (prev == 0)
            break;
        st = footer_read(c->file, off, prev, place->nonce, &footer, &err);
        if (st == MOSS_CORRUPT)
            report_problem(&c->report, c->name, err.offset,
                           "the history ends here: %s", err.what);
        else if (st < 0)
            return scope_failed("cannot read a footer", st, &err);
    }
    return SCOPE_OK;
}

/* ------------------------------------------------------------------ */
/* Files                                                              */
/* ------------------------------------------------------------------ */

/* The commit point that the newer file goes on from. */
static void
check_link(struct check *c, const struct commit_place *place)
{
    struct footer *f = NULL;
    struct moss_error err;

    if (c->older_file != place->number)
        return;
    if (footer_read(c->file, c->size, c->older_off, place->nonce, &f, &err) < 0)
        report_problem(&c->report, c->name, c->older_off,
                       "the newer file goes on from a commit point here, and "
                       "there is none: %s",
                       err.what);
    footer_free(f);
}

/* *good: it has a good footer; the first such file is the store. */
static enum scope_exit
check_opened(struct check *c, uint64_t number, bool *good)
{
    bool is_store = !*good;
    struct commit_place place = { c->file, number, NULL };
    struct identity id;
    struct footer *footer = NULL;
    struct moss_error err;
    enum scope_exit x;
    enum moss_status st = file_size(c->file, &c->size, &err);

    if (st == MOSS_OK && c->size < FILE_PAGE) {
        report_problem(&c->report, c->name, 0,
                       "shorter than a header: %" PRIu64 " bytes", c->size);
        return SCOPE_OK;
    }
    if (st == MOSS_OK)
        st = identity_read(c->file, true, &id, &err);
    if (st == MOSS_OK) {
        c->has_nonce = id.is_there;
        c->nonce = id.is_there ? id.nonce : 0;
        place.nonce = id.is_there ? &c->nonce : NULL;
        st = footer_scan(c->file, c->size, place.nonce, &footer, &err);
    }
    if (st == MOSS_CORRUPT) {
        report_problem(&c->report, c->name, err.offset, "no good data file: %s",
                       err.what);
        return SCOPE_OK;
    }
    if (st < 0)
        return scope_failed("cannot read", st, &err);
    *good = true;
    if (is_store)
        check_lock(c, &id, number, footer->off);
    else
        check_link(c, &place);
    c->older_file = 0;
    x = check_points(c, &place, footer);
    if (x == SCOPE_OK)
        check_ranges(c);
    return x;
}

static enum scope_exit
check_file(struct check *c, uint64_t number, bool *good)
{
    char name[DATAFILE_NAME], *path;
    struct moss_error err;
    enum moss_status st;
    enum scope_exit x;

    datafile_name(number, name);
    c->name = name;
    path = file_path(c->a->dir, name);
    if (path == NULL)
        scope_must(MOSS_NOMEM);
    st = file_open(c->os, path, MOSS_OPEN_READ, &c->file, &err);
    mem_free(path);
    c->has_vanished = st == MOSS_CANTOPEN;
    if (c->has_vanished)
        return SCOPE_OK;
    if (st < 0)
        return scope_failed("cannot open", st, &err);
    x = check_opened(c, number, good);
    file_unref(c->file);
    ranges_release(&c->ranges);
    return x;
}

static void
note_leftover(struct check *c, void (*kind)(uint64_t number, char *out),
              uint64_t number, const char *what)
{
    char name[DATAFILE_NAME];

    kind(number, name);
    report_note(&c->report, name, 0, "%s", what);
}

/* The next older file is that of this number; 0: there is none. */
static void
note_missing(struct check *c, uint64_t next)
{
    if (c->a->keep_files && c->older_file > next) {
        note_leftover(c, datafile_name, c->older_file,
                      "not kept: a newer file goes on from it");
        c->older_file = 0;
    }
}

static enum scope_exit
check_files(struct check *c, const struct datafile_list *list)
{
    enum scope_exit x = SCOPE_OK;
    bool good = false;

    for (size_t i = 0; i < list->n_data && x == SCOPE_OK; i++) {
        note_missing(c, list->data[i]);
        if (good && !c->a->keep_files)
            note_leftover(c, datafile_name, list->data[i],
                          "an older data file, not checked (--keep-files)");
        else
            x = check_file(c, list->data[i], &good);
        if (c->has_vanished)
            return SCOPE_OK;
    }
    if (x == SCOPE_OK)
        note_missing(c, 0);
    for (size_t i = 0; i < list->n_temp; i++)
        note_leftover(c, datafile_temp_name, list->temp[i],
                      "a data file that is not finished");
    if (x == SCOPE_OK && !good)
        report_problem(&c->report, c->a->dir, 0,
                       "no data file can be opened; salvage may help");
    return x;
}

static void
put_summary(struct check *c)
{
    struct json_out *w = &c->report.w;

    if (!c->a->json) {
        (void)printf("%" PRIu64 " commit points, %" PRIu64 " segments, %" PRIu64
                     " entries, %" PRIu64 " bytes: %" PRIu64 " problems\n",
                     c->points, c->segments, c->entries, c->bytes,
                     c->report.problems);
        return;
    }
    json_open(w, NULL, '{');
    json_text(w, "kind", "summary");
    json_uint(w, "commit_points", c->points);
    json_uint(w, "segments", c->segments);
    json_uint(w, "entries", c->entries);
    json_uint(w, "bytes", c->bytes);
    json_uint(w, "problems", c->report.problems);
    json_close(w, '}');
}

/* Read the directory and check what is in it. */
static enum scope_exit
check_dir(struct check *c)
{
    struct datafile_list list;
    struct moss_error err;
    enum scope_exit x;
    enum moss_status st;

    c->has_vanished = false;
    c->older_file = 0;
    read_lock(c);
    st = datafile_scan(c->os, c->a->dir, &list, &err);
    if (st < 0)
        return scope_failed("cannot open the store", st, &err);
    if (list.n_data == 0)
        x = scope_complain("%s: no store", c->a->dir);
    else
        x = check_files(c, &list);
    datafile_list_release(&list);
    return x;
}

static enum scope_exit
run(const struct args *a)
{
    struct check c = { .a = a, .os = moss_os_posix() };
    enum scope_exit x;

    report_init(&c.report, a);
    progress_init(a, "check", "bytes");
    x = check_dir(&c);
    /* A compaction may have put a new file in its place just now. */
    for (int i = 0; i < ATTEMPTS && x == SCOPE_OK && c.has_vanished; i++)
        x = check_dir(&c);
    progress_end();
    if (c.has_vanished)
        x = scope_complain("the data files change all the time");
    if (x == SCOPE_OK)
        put_summary(&c);
    report_end(&c.report);
    if (x != SCOPE_OK)
        return x;
    return c.report.problems > 0 ? SCOPE_PROBLEMS : SCOPE_OK;
}

const struct command check_command = {
    .name = "check",
    .usage = "[OPTIONS] DIR",
    .what = "verify everything in a store",
    .more = more,
    .options = options,
    .max_words = 1,
    .run = run,
};
