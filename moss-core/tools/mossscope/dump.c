/*
 * dump: what is in a store, in the newest commit point or an older one.
 *
 * Memory does not grow with the store: entries are printed as the iterator
 * comes by them.
 */
#include "args.h"
#include "entry_out.h"
#include "points.h"
#include "versions.h"
#include "view.h"

#include <inttypes.h>

static const struct option options[] = {
    OPT_FLAG("keys-only", keys_only, "keys without values"),
    OPT_FLAG("hex", hex, "keys and values in hex, as in KEY below"),
    OPT_TEXT("key", key, "KEY", "this key alone; status 1 if it is nowhere"),
    OPT_TEXT("prefix", prefix, "KEY", "only keys that begin so"),
    OPT_TEXT("from", from, "KEY", "only this key and those behind it"),
    OPT_TEXT("to", to, "KEY", "only keys before this one"),
    OPT_FLAG("reverse", reverse, "the last key first"),
    OPT_NUMBER("limit", limit, "no more than N entries"),
    OPT_TEXT("child", child, "PATH", "of this child collection, as /name/name"),
    OPT_FLAG("no-children", no_children, "without the collections below"),
    OPT_FLAG("children", children, "list the collections instead"),
    OPT_NUMBER("at", at, "of the commit point N before the newest one"),
    OPT_FLAG("footers", footers, "list the commit points instead"),
    OPT_FLAG("all", all, "with \"footer\": all commit points, not just one"),
    OPT_FLAG(
        "all-versions", all_versions,
        "with --key: all that is stored, tombstones and operands included"),
    OPT_TEXT("merge", merge, "NAME", "the merge operator to read values with"),
    OPT_FLAG("keep-files", keep_files,
             "go on into the data files that compactions have kept"),
    OPT_FLAG("no-mmap", no_mmap, "read segments into memory, do not map them"),
    { 0 },
};

static const char more[] =
    "As text, a line is the collection's path, the key and the value, with\n"
    "tabs between them; \\t, \\n, \\r, \\\\ and \\xHH stand for bytes.  The\n"
    "top-level path is empty.  A collection without entries is a line with "
    "its\n"
    "path alone.  Where no --merge names the operator of merge operands, a\n"
    "value is what lies below them, or \\- (with --hex: -) if nothing does, "
    "and\n"
    "the operands follow, oldest first.\n\n"
    "As JSON, an entry is {\"c\": [path], \"k\": key, \"v\": value}, in hex\n"
    "under the names \"kx\" and \"vx\" if it is not UTF-8; operands are in\n"
    "\"merge\".  \"import\" reads both forms.\n\n"
    "\"dump key KEY DIR\" is --key KEY; \"dump footer [--all] DIR\" shows the\n"
    "newest commit point, or all of them, with their segments.";

/* ------------------------------------------------------------------ */
/* Entries                                                            */
/* ------------------------------------------------------------------ */

struct dump {
    const struct args *a;
    struct entry_out out;
    struct buf key, lo, hi;
    bool has_hi;
    uint64_t count;
};

static enum scope_exit
dump_key(struct dump *d, struct moss_snapshot *snap, const struct path *path)
{
    struct moss_value value;
    struct moss_slice key = moss_slice(d->key.bytes, d->key.len);
    enum moss_status st = moss_snapshot_get(snap, key, &value);

    if (st < 0)
        return scope_failed("cannot read", st, NULL);
    if (st == MOSS_NOT_FOUND)
        return SCOPE_OK;
    entry_out_put(&d->out, path, key, value.bytes);
    moss_value_release(&value);
    d->count++;
    return SCOPE_OK;
}

static enum moss_status
dump_iterated(struct dump *d, struct moss_iterator *it, const struct path *path,
              uint64_t *n)
{
    enum moss_status st = MOSS_OK;

    *n = 0;
    while (!d->a->has_limit || d->count < d->a->limit) {
        struct moss_slice key, value;

        st = d->a->reverse ? moss_iterator_prev(it) : moss_iterator_next(it);
        if (st != MOSS_OK)
            break;
        moss_iterator_current(it, &key, &value);
        entry_out_put(&d->out, path, key, value);
        d->count++;
        ++*n;
        progress_show(d->count, 0);
        if (ferror(stdout) != 0)
            return MOSS_IO;
    }
    return st;
}

static enum scope_exit
dump_entries(struct dump *d, struct moss_snapshot *snap,
             const struct path *path)
{
    struct moss_slice lo = moss_slice(d->lo.bytes, d->lo.len);
    struct moss_slice hi = moss_slice(d->hi.bytes, d->hi.len);
    struct moss_iterator *it = NULL;
    uint64_t n = 0;
    enum moss_status st;

    if (d->a->has_limit && d->count >= d->a->limit)
        return SCOPE_OK;
    st = moss_snapshot_iterate(snap, &lo, d->has_hi ? &hi : NULL, &it);
    if (st == MOSS_OK)
        st = dump_iterated(d, it, path, &n);
    moss_iterator_free(it);
    if (st < 0) {
        /* What was printed is right; what follows is not there to be read. */
        (void)scope_failed("cannot read on", st, NULL);
        return st == MOSS_CORRUPT ? SCOPE_PROBLEMS : SCOPE_FAILED;
    }
    if (n == 0 && d->lo.len == 0 && !d->has_hi && !d->a->has_limit)
        entry_out_empty(&d->out, path);
    return SCOPE_OK;
}

static enum scope_exit
dump_visit(void *arg, struct moss_snapshot *snap, const struct path *path)
{
    struct dump *d = arg;

    return d->a->key != NULL ? dump_key(d, snap, path)
                             : dump_entries(d, snap, path);
}

/* Of two bounds the narrower one; bound is empty if there is none yet. */
static void
narrow(struct buf *bound, bool *has, struct moss_slice key, bool is_upper)
{
    int c = *has ? slice_compare(key, moss_slice(bound->bytes, bound->len)) : 0;

    if (*has && (is_upper ? c >= 0 : c <= 0))
        return;
    buf_clear(bound);
    scope_must(buf_append(bound, key.bytes, key.len));
    *has = true;
}

/* What --prefix, --from and --to say, as bounds. */
static bool
set_bounds(struct dump *d)
{
    const struct args *a = d->a;
    struct buf key;
    bool has_lo = false, ok = true;

    buf_init(&key);
    if (a->prefix != NULL) {
        ok = args_bytes(a, "prefix", a->prefix, &key);
        narrow(&d->lo, &has_lo, moss_slice(key.bytes, key.len), false);
        while (key.len > 0 && key.bytes[key.len - 1] == 0xff)
            key.len--;
        if (key.len > 0) {
            key.bytes[key.len - 1]++;
            narrow(&d->hi, &d->has_hi, moss_slice(key.bytes, key.len), true);
        }
        buf_clear(&key);
    }
    if (ok && a->from != NULL) {
        ok = args_bytes(a, "from", a->from, &key);
        narrow(&d->lo, &has_lo, moss_slice(key.bytes, key.len), false);
        buf_clear(&key);
    }
    if (ok && a->to != NULL) {
        ok = args_bytes(a, "to", a->to, &key);
        narrow(&d->hi, &d->has_hi, moss_slice(key.bytes, key.len), true);
    }
    buf_release(&key);
    if (ok && a->key != NULL)
        ok = args_bytes(a, "key", a->key, &d->key);
    return ok;
}

static enum scope_exit
dump_tree(const struct args *a, struct moss_snapshot *snap, struct path *path)
{
    struct dump d = { .a = a };
    enum scope_exit x = SCOPE_FAILED;

    if (set_bounds(&d)) {
        progress_init(a, "dump", "entries");
        entry_out_init(&d.out, a);
        x = a->no_children ? dump_visit(&d, snap, path)
                           : view_walk(snap, path, dump_visit, &d);
        entry_out_end(&d.out);
        progress_end();
    }
    if (x == SCOPE_OK && a->key != NULL && d.count == 0) {
        (void)scope_complain("no such key");
        x = SCOPE_PROBLEMS;
    }
    buf_release(&d.key);
    buf_release(&d.lo);
    buf_release(&d.hi);
    return x;
}

/* ------------------------------------------------------------------ */
/* Collections, commit points                                         */
/* ------------------------------------------------------------------ */

static enum scope_exit
list_visit(void *arg, struct moss_snapshot *snap, const struct path *path)
{
    struct entry_out *o = arg;
    uint64_t entries = 0, bytes = 0;
    enum moss_status st =
        moss_snapshot_estimate(snap, NULL, NULL, &entries, &bytes);

    if (st < 0)
        return scope_failed("cannot read", st, NULL);
    if (o->json) {
        json_open(&o->w, NULL, '{');
        json_path(&o->w, "c", path);
        json_uint(&o->w, "entries", entries);
        json_uint(&o->w, "bytes", bytes);
        json_close(&o->w, '}');
    } else {
        path_put(stdout, path);
        (void)printf("%s\tabout %" PRIu64 " entries, %" PRIu64 " bytes\n",
                     path->n == 0 ? "/" : "", entries, bytes);
    }
    return SCOPE_OK;
}

static enum scope_exit
list_collections(const struct args *a, struct moss_snapshot *snap,
                 struct path *path)
{
    struct entry_out out;
    enum scope_exit x;

    entry_out_init(&out, a);
    x = view_walk(snap, path, list_visit, &out);
    entry_out_end(&out);
    return x;
}

static enum scope_exit
dump_at(const struct args *a, struct view *v)
{
    struct commit *c = NULL;
    struct moss_snapshot *snap = NULL;
    struct path path;
    struct buf names;
    enum scope_exit x;

    buf_init(&names);
    x = view_commit_at(v, a->at, &c);
    if (x == SCOPE_OK)
        x = view_child(a, c, &snap, &path, &names);
    if (x == SCOPE_OK)
        x = a->children ? list_collections(a, snap, &path)
                        : dump_tree(a, snap, &path);
    buf_release(&names);
    moss_snapshot_unref(snap);
    commit_unref(c);
    return x;
}

static enum scope_exit
run(const struct args *command_line)
{
    struct args a = *command_line;
    struct view v;
    enum scope_exit x;

    if (a.n_words == 3 && strcmp(a.words[0], "key") == 0)
        a.key = a.words[1];
    else if (a.n_words == 2 && strcmp(a.words[0], "footer") == 0)
        a.footers = true;
    else if (a.n_words != 1)
        return scope_complain("dump does not know \"%s\"", a.words[0]);
    if (a.all_versions && a.key == NULL)
        return scope_complain("--all-versions needs --key");
    x = view_open(&a, &v);
    if (x == SCOPE_OK) {
        if (a.footers)
            x = points_list(
                &a, &v, a.n_words == 1 || a.all ? UINT64_MAX : a.at + 1, true);
        else
            x = a.all_versions ? versions_show(&a, &v) : dump_at(&a, &v);
    }
    view_close(&v);
    return x;
}

const struct command dump_command = {
    .name = "dump",
    .usage = "[key KEY | footer] [OPTIONS] DIR",
    .what = "print keys and values, or the commit points",
    .more = more,
    .options = options,
    .max_words = 3,
    .run = run,
};
