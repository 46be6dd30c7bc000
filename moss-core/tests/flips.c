/*
 * Damage to files that this library wrote: a bit or byte that is another, or
 * an end that is missing.  Each time the store is opened and read as a whole,
 * forwards, backwards and key by key.  Either something fails and says so,
 * or what is read is a commit point of that file: the newest, where the byte
 * does not matter or is checked against something else, or an older one, where
 * the newest footer is damaged.  All else would be a silent change.
 *
 *     flips [--count N] [--seed S]
 *
 * The default is 2000.  The last lines say what became of them, and in which
 * parts of the files a change was harmless.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reaper.h"
#include "moss.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/segments.h"

#define DIR "/store"

enum { STATES = 16, PATH_BYTES = 64, PAGE = 4096 };

/* A data file that is whole, and what its commit points read as. */
struct original {
    const char *name;
    char path[PATH_BYTES];
    uint8_t *bytes;
    size_t n;
    char *states[STATES]; /* newest first */
    size_t n_states;
};

enum outcome { REFUSED, UNREADABLE, NEWEST, OLDER, SILENT, OUTCOMES };

static void
must(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "flips: %s\n", what);
    abort();
}

/* --------------------------------------------------------------- reading */

struct reader {
    FILE *out;
    enum moss_status st; /* the first failure */
    bool is_wrong;       /* the ways of reading do not agree */
};

static void read_tree(struct reader *r, struct moss_snapshot *snap);

struct child_reader {
    struct reader *reader;
    struct moss_snapshot *snap;
};

static enum moss_status
read_child(void *arg, struct moss_slice name)
{
    struct child_reader *c = arg;
    struct moss_snapshot *child = NULL;
    enum moss_status st = moss_snapshot_child(c->snap, name, &child);

    (void)fprintf(c->reader->out, "%.*s{", (int)name.len,
                  (const char *)name.bytes);
    if (st == MOSS_OK)
        read_tree(c->reader, child);
    else
        c->reader->st = st < 0 ? st : MOSS_CORRUPT;
    (void)fputs("} ", c->reader->out);
    moss_snapshot_unref(child);
    return MOSS_OK;
}

/* The entry must be found by its key, too, and backwards from there. */
static void
look_up(struct reader *r, struct moss_snapshot *snap, struct moss_iterator *it,
        struct moss_slice key, struct moss_slice value)
{
    struct moss_slice key2, value2;
    struct moss_value found;
    enum moss_status st = moss_snapshot_get(snap, key, &found);

    if (st == MOSS_OK) {
        r->is_wrong |= found.bytes.len != value.len ||
                       (value.len > 0 &&
                        memcmp(found.bytes.bytes, value.bytes, value.len) != 0);
        moss_value_release(&found);
        st = moss_iterator_seek_for_prev(it, key);
    }
    if (st == MOSS_OK) {
        moss_iterator_current(it, &key2, &value2);
        r->is_wrong |= key2.len != key.len || value2.len != value.len ||
                       memcmp(key2.bytes, key.bytes, key.len) != 0;
    }
    if (st < 0)
        r->st = st;
    else
        r->is_wrong |= st != MOSS_OK;
}

static void
read_tree(struct reader *r, struct moss_snapshot *snap)
{
    struct child_reader c = { r, snap };
    struct moss_iterator *it = NULL, *other = NULL;
    enum moss_status st = moss_snapshot_iterate(snap, NULL, NULL, &it);

    if (st == MOSS_OK)
        st = moss_snapshot_iterate(snap, NULL, NULL, &other);
    while (st == MOSS_OK && r->st == MOSS_OK) {
        struct moss_slice key, value;

        st = moss_iterator_next(it);
        if (st != MOSS_OK)
            break;
        moss_iterator_current(it, &key, &value);
        (void)fwrite(key.bytes, 1, key.len, r->out);
        (void)fputc('=', r->out);
        (void)fwrite(value.bytes, 1, value.len, r->out);
        (void)fputc(' ', r->out);
        look_up(r, snap, other, key, value);
    }
    if (st < 0)
        r->st = st;
    moss_iterator_free(it);
    moss_iterator_free(other);
    st = moss_snapshot_children(snap, read_child, &c);
    if (st < 0)
        r->st = st;
}

/* What the snapshot reads as, to be freed; NULL if it cannot be read. */
static char *
text_of_tree(struct moss_snapshot *snap, bool *is_wrong)
{
    char *text = NULL;
    size_t n;
    struct reader r = { .out = open_memstream(&text, &n) };

    must(r.out != NULL, "no memory");
    read_tree(&r, snap);
    must(fclose(r.out) == 0, "no memory");
    *is_wrong = r.is_wrong;
    if (r.st == MOSS_OK)
        return text;
    free(text);
    return NULL;
}

/* --------------------------------------------------------------- writing */

struct recipe {
    const char *name;
    struct moss_store_options options;
    unsigned commits, keys; /* keys: how many there are to choose from */
};

static void
put_changes(struct moss_batch *batch, struct rng *rng, const struct recipe *r)
{
    unsigned n = r->keys / 2;

    for (unsigned i = 0; i < n; i++) {
        char key[32], value[64];
        size_t k = (size_t)snprintf(key, sizeof key, "key-%07u",
                                    (unsigned)rng_below(rng, r->keys));
        size_t v = (size_t)snprintf(value, sizeof value, "value %u of %s",
                                    (unsigned)rng_below(rng, 1000), key);
        uint64_t what = rng_below(rng, 10);
        enum moss_status st;

        if (what < 2)
            st = moss_batch_del(batch, moss_slice(key, k));
        else if (what < 4)
            st = moss_batch_merge(batch, moss_slice(key, k),
                                  moss_slice("+op", 3));
        else
            st =
                moss_batch_set(batch, moss_slice(key, k), moss_slice(value, v));
        must(st == MOSS_OK, "cannot fill a batch");
    }
}

static void
execute(struct moss_collection *c, struct rng *rng, const struct recipe *r,
        unsigned n)
{
    struct moss_batch *batch, *kid, *deep;

    must(moss_batch_new(0, 0, &batch) == MOSS_OK, "no batch");
    moss_batch_set_tag(batch, (struct moss_tag){ n + 1, n + 100 });
    put_changes(batch, rng, r);
    must(moss_batch_child(batch, moss_str("kid"), &kid) == MOSS_OK &&
             moss_batch_child(kid, moss_str("deep"), &deep) == MOSS_OK,
         "no child");
    put_changes(kid, rng, r);
    if (n % 2 == 0)
        put_changes(deep, rng, r);
    must(moss_collection_execute(c, batch) == MOSS_OK &&
             moss_collection_flush(c, MOSS_FOREVER, NULL) == MOSS_OK,
         "cannot write");
    moss_batch_free(batch);
}

static void
read_states(struct original *o, struct moss_store *store)
{
    struct moss_snapshot *snap = NULL, *older;
    enum moss_status st = moss_store_snapshot(store, &snap);
    bool is_wrong;

    while (st == MOSS_OK) {
        must(o->n_states < STATES, "too many commit points");
        o->states[o->n_states] = text_of_tree(snap, &is_wrong);
        must(o->states[o->n_states++] != NULL && !is_wrong,
             "an undamaged store cannot be read");
        st = moss_store_previous(store, snap, &older, NULL);
        moss_snapshot_unref(snap);
        snap = older;
    }
    must(st == MOSS_NOT_FOUND, "an undamaged history cannot be read");
}

static void
original_make(struct original *o, const struct recipe *recipe, uint64_t seed)
{
    struct mem_os *mem = mem_os_new();
    struct moss_store_options options = recipe->options;
    struct moss_collection_options c_options = { .merge = &merge_append };
    struct moss_store_stats stats;
    struct moss_collection *c;
    struct moss_lower *lower;
    struct moss_store *store;
    struct rng rng;

    memset(o, 0, sizeof *o);
    o->name = recipe->name;
    rng_init(&rng, seed);
    options.os = mem_os_base(mem);
    options.merge = &merge_append;
    must(moss_store_open(DIR, &options, &store, NULL) == MOSS_OK &&
             moss_store_lower(store, &lower) == MOSS_OK &&
             moss_collection_open(&c_options, lower, &c) == MOSS_OK,
         "cannot open");
    for (unsigned i = 0; i < recipe->commits; i++)
        execute(c, &rng, recipe, i);
    must(moss_collection_close(c, MOSS_FOREVER, NULL) == MOSS_OK,
         "cannot close");
    moss_store_stats(store, &stats);
    (void)snprintf(o->path, sizeof o->path, DIR "/%s", stats.data_file);
    read_states(o, store);
    moss_store_close(store);
    reaper_drain();
    o->bytes = file_read_all(mem_os_base(mem), o->path, &o->n);
    mem_os_free(mem);
}

static void
original_release(struct original *o)
{
    free(o->bytes);
    for (size_t i = 0; i < o->n_states; i++)
        free(o->states[i]);
}

/* -------------------------------------------------------------- damaging */

struct damage {
    size_t at;
    uint8_t byte;  /* instead of the one there */
    bool is_short; /* the file ends at `at` */
};

static struct damage
draw_damage(struct rng *rng, const struct original *o)
{
    struct damage d = { (size_t)rng_below(rng, o->n), 0, false };
    uint64_t what = rng_below(rng, 10);

    if (what == 0)
        d.is_short = true;
    else if (what < 4)
        d.byte = (uint8_t)(o->bytes[d.at] + 1 + rng_below(rng, 255));
    else
        d.byte = o->bytes[d.at] ^ (uint8_t)(1u << rng_below(rng, 8));
    return d;
}

static enum outcome
judge(const struct original *o, struct moss_snapshot *snap)
{
    bool is_wrong;
    char *text = text_of_tree(snap, &is_wrong);
    size_t i = 0;

    if (text == NULL)
        return is_wrong ? SILENT : UNREADABLE;
    while (i < o->n_states && strcmp(text, o->states[i]) != 0)
        i++;
    free(text);
    if (is_wrong || i == o->n_states)
        return SILENT;
    return i == 0 ? NEWEST : OLDER;
}

static enum outcome
try_damage(const struct original *o, const struct damage *d, uint8_t *copy,
           bool no_mmap)
{
    struct mem_os *mem = mem_os_new();
    struct moss_store_options options = { .os = mem_os_base(mem),
                                          .merge = &merge_append,
                                          .readonly = true,
                                          .no_mmap = no_mmap };
    struct moss_snapshot *snap = NULL;
    struct moss_store *store = NULL;
    enum outcome outcome = REFUSED;
    struct moss_error err;
    enum moss_status st;

    memcpy(copy, o->bytes, o->n);
    copy[d->at] = d->byte;
    must(options.os->ops->mkdir(options.os, DIR) == MOSS_OK, "no directory");
    file_write_all(options.os, o->path, copy, d->is_short ? d->at : o->n);
    st = moss_store_open(DIR, &options, &store, &err);
    if (st == MOSS_OK)
        st = moss_store_snapshot(store, &snap);
    else
        must(err.status == st && err.what != NULL && err.path[0] != '\0',
             "a store is refused, and nothing says why");
    if (st == MOSS_OK)
        outcome = judge(o, snap);
    moss_snapshot_unref(snap);
    moss_store_close(store);
    reaper_drain();
    mem_os_free(mem);
    return outcome;
}

/* ------------------------------------------------------------- reporting */

/* Where in the file a byte lies, as FORMAT.md divides it. */
enum part {
    PART_TEXT,
    PART_IDENTITY,
    PART_REST_OF_HEAD,
    PART_ZERO,
    PART_OTHER,
    PARTS
};
static const char *const part_names[PARTS] = {
    "the two lines of text", "the identity slots", "the rest of page 0",
    "zero bytes between what is written",
    "what the newest commit point does not need, and others"
};

/* One of many zeros: in a hole, or at the end of a page. */
static bool
is_in_gap(const struct original *o, size_t at)
{
    size_t from = at, to = at;

    while (from > 0 && o->bytes[from - 1] == 0)
        from--;
    while (to < o->n && o->bytes[to] == 0)
        to++;
    return to - from >= 9;
}

static enum part
part_of(const struct original *o, size_t at)
{
    if (at >= PAGE)
        return is_in_gap(o, at) ? PART_ZERO : PART_OTHER;
    if (at >= 1024)
        return PART_IDENTITY;
    return o->bytes[at] == '\n' && at > 100 ? PART_REST_OF_HEAD : PART_TEXT;
}

struct tally {
    unsigned outcomes[OUTCOMES];
    unsigned harmless[PARTS];
};

static void
run(const struct original *o, uint64_t count, struct rng *rng, struct tally *t)
{
    uint8_t *copy = must_alloc(malloc(o->n));

    for (uint64_t i = 0; i < count; i++) {
        struct damage d = draw_damage(rng, o);
        enum outcome outcome = try_damage(o, &d, copy, i % 2 == 1);

        t->outcomes[outcome]++;
        if (outcome == NEWEST && !d.is_short)
            t->harmless[part_of(o, d.at)]++;
        /* Where there is no older commit point, none should be. */
        if (outcome == NEWEST && !d.is_short && o->n_states == 1 &&
            part_of(o, d.at) == PART_OTHER)
            printf("harmless: %s, byte %zu of page %zu, 0x%02x for 0x%02x\n",
                   o->name, d.at % PAGE, d.at / PAGE, d.byte, o->bytes[d.at]);
        if (outcome == SILENT)
            printf("SILENT: %s, %s at %zu, 0x%02x for 0x%02x\n", o->name,
                   d.is_short ? "cut" : "changed", d.at, d.byte,
                   o->bytes[d.at]);
    }
    free(copy);
}

static int
report(const struct tally *t, uint64_t count)
{
    printf("flips: %u refused, %u failed when read, %u harmless, %u went back "
           "to an older commit point, %u silent; of %llu\n",
           t->outcomes[REFUSED], t->outcomes[UNREADABLE], t->outcomes[NEWEST],
           t->outcomes[OLDER], t->outcomes[SILENT], (unsigned long long)count);
    for (size_t i = 0; i < PARTS; i++)
        printf("  harmless in %s: %u\n", part_names[i], t->harmless[i]);
    /* A test that damages nothing would find nothing. */
    must(t->outcomes[REFUSED] > 0 && t->outcomes[UNREADABLE] > 0 &&
             t->outcomes[OLDER] > 0,
         "an outcome that was to come did not");
    return t->outcomes[SILENT] == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
    static const struct recipe recipes[] = {
        { "appended", { .compaction = MOSS_COMPACTION_DISABLE }, 6, 60 },
        { "indexed",
          { .compaction = MOSS_COMPACTION_DISABLE,
            .segment_keys_index_min_key_bytes = 1 },
          4,
          300 },
        { "leveled", { .compaction_level_max_segments = 2 }, 8, 40 },
        { "compacted", { .compaction = MOSS_COMPACTION_FORCE }, 5, 400 },
    };
    enum { RECIPES = sizeof recipes / sizeof *recipes };
    uint64_t count = 2000, seed = test_seed(1);
    struct tally t = { { 0 }, { 0 } };
    struct rng rng;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--count") == 0)
            count = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else
            must(false, "--count N, --seed S");
    }
    must(argc % 2 == 1 && count >= 100, "--count N, --seed S");
    rng_init(&rng, seed);
    for (size_t i = 0; i < RECIPES; i++) {
        struct original o;
        uint64_t part = count / RECIPES + (i < count % RECIPES);

        original_make(&o, &recipes[i], seed + i);
        printf("%s: %zu bytes, %zu commit points, %llu times\n", o.name, o.n,
               o.n_states, (unsigned long long)part);
        run(&o, part, &rng, &t);
        original_release(&o);
    }
    return report(&t, count);
}
