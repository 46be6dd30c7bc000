/*
 * The table of actions, an episode's beginning and end, and how it fails.
 *
 * An episode holds a few batches, prepared batches, snapshots and iterators
 * in slots, each beside what it must read as.  Every state that was published
 * is in a log: after a crash the collection must be one of those from
 * m->durable on, and each commit point of the history is one of them.
 *
 * After a fault was armed, calls may fail with the faults' statuses, and then
 * must have done nothing; what they give when they succeed must be right all
 * the same.  Once the fault is taken back and a flush has succeeded, nothing
 * may fail any more.
 */
#include "support/machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/reaper.h"
#include "support/fail_alloc.h"
#include "support/machine_impl.h"
#include "support/operators.h"

/* Where an action makes sense. */
enum {
    IN_MEMORY = 1 << BELOW_NOTHING,
    ON_TOY = 1 << BELOW_TOY,
    ON_STORE = 1 << BELOW_STORE,
    PERSISTED = ON_TOY | ON_STORE,
    ANYWHERE = IN_MEMORY | PERSISTED,
    FAULT = 1 << BELOW_COUNT, /* only where faults are wanted */
};

static const struct action {
    const char *name;
    unsigned weight;
    unsigned where;
    void (*run)(struct machine *m);
} actions[] = {
    { "set", 60, ANYWHERE, action_set },
    { "del", 30, ANYWHERE, action_del },
    { "merge", 30, ANYWHERE, action_merge },
    { "many", 40, ANYWHERE, action_many },
    { "range", 10, ANYWHERE, action_range },
    { "child", 15, ANYWHERE, action_child },
    { "del_child", 10, ANYWHERE, action_del_child },
    { "clear", 4, ANYWHERE, action_clear },
    { "rename", 8, ANYWHERE, action_rename },
    { "truncate", 5, ANYWHERE, action_truncate },
    { "reset", 3, ANYWHERE, action_reset },
    { "look_at_batch", 5, ANYWHERE, action_look_at_batch },
    { "execute", 70, ANYWHERE, action_execute },
    { "prepare", 20, ANYWHERE, action_prepare },
    { "publish", 20, ANYWHERE, action_publish },
    { "drop", 5, ANYWHERE, action_drop },
    { "get", 60, ANYWHERE, action_get },
    { "check", 12, ANYWHERE, action_check },
    { "snapshot", 20, ANYWHERE, action_snapshot },
    { "snapshot_at", 8, ANYWHERE, action_snapshot_at },
    { "snapshot_child", 8, ANYWHERE, action_snapshot_child },
    { "overlay", 10, ANYWHERE, action_overlay },
    { "snapshot_get", 60, ANYWHERE, action_snapshot_get },
    { "snapshot_check", 15, ANYWHERE, action_snapshot_check },
    { "snapshot_drop", 15, ANYWHERE, action_snapshot_drop },
    { "estimate", 10, ANYWHERE, action_estimate },
    { "iterate", 25, ANYWHERE, action_iterate },
    { "move", 120, ANYWHERE, action_move },
    { "turn", 40, ANYWHERE, action_turn },
    { "seek", 60, ANYWHERE, action_seek },
    { "iterator_drop", 12, ANYWHERE, action_iterator_drop },
    { "flush", 25, ANYWHERE, action_flush },
    { "idle", 6, ANYWHERE, action_idle },
    { "stats", 3, ANYWHERE, action_stats },
    { "reopen", 4, ANYWHERE, action_reopen },
    { "abandon", 2, PERSISTED, action_abandon },
    { "readonly", 2, ON_STORE, action_readonly },
    { "second_writer", 1, ON_STORE, action_second_writer },
    { "history", 6, ON_STORE, action_history },
    { "revert", 3, ON_STORE, action_revert },
    { "compact", 5, ON_STORE, action_compact },
    { "set_compaction", 2, ON_STORE, action_set_compaction },
    { "toy_fails", 4, ON_TOY | FAULT, action_toy_fails },
    { "toy_moves_fail", 4, ON_TOY | FAULT, action_toy_moves_fail },
    { "call_fails", 6, ON_STORE | FAULT, action_call_fails },
    { "disk_fails", 4, ON_STORE | FAULT, action_disk_fails },
    { "allocation_fails", 6, ANYWHERE | FAULT, action_allocation_fails },
    { "cut_power", 5, ON_STORE | FAULT, action_cut_power },
    { "crash", 3, ON_STORE | FAULT, action_crash },
    { "heal", 8, ANYWHERE | FAULT, action_heal },
};
enum { ACTIONS = sizeof(actions) / sizeof(actions[0]) };

/* Told by machine_report(). */
static uint64_t done[ACTIONS], extras[EXTRAS], episodes, failures;

/* ------------------------------------------------------------ failing */

void
machine_fail(struct machine *m, const char *file, int line, const char *format,
             ...)
{
    va_list args;

    fprintf(stderr, "\nstate machine: seed %llu, config %llx, step %u, %s\n",
            (unsigned long long)m->options.seed, (unsigned long long)m->config,
            m->step, m->action);
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr,
            "\nbelow %d, merge %s, %zu keys, %s; before it:", (int)m->below,
            m->merge == NULL ? "(none)" : m->merge->name, m->table.n,
            m->has_faults ? "faults" : "no faults");
    for (unsigned i = m->step > RECALL ? m->step - RECALL : 0; i < m->step; i++)
        fprintf(stderr, " %s", m->recall[i % RECALL]);
    fprintf(stderr, "\n");
    abort();
}

bool
machine_ok(struct machine *m, enum moss_status st, const char *what)
{
    if (st >= 0)
        return true;
    must(m, m->tolerant, "%s: %s, and no fault was armed", what,
         moss_status_name(st));
    must(m, st == MOSS_NOMEM || st == MOSS_IO || st == MOSS_FULL,
         "%s: %s, which no fault explains", what, moss_status_name(st));
    failures++;
    return false;
}

uint64_t
draw(struct machine *m, uint64_t n)
{
    return rng_below(&m->rng, n);
}

bool
one_in(struct machine *m, uint64_t n)
{
    return rng_below(&m->rng, n) == 0;
}

uint64_t
extra(struct machine *m, uint64_t n)
{
    return rng_below(&m->extra, n);
}

bool
sometimes(struct machine *m, uint64_t n)
{
    return !m->options.basic && rng_below(&m->extra, n) == 0;
}

void
count_extra(enum extra what)
{
    extras[what]++;
}

/* ---------------------------------------------------------------- the log */

struct key_model *
machine_now(struct machine *m)
{
    return m->log[m->n_log - 1].model;
}

void
machine_log(struct machine *m, struct key_model *model, uint64_t tag,
            bool is_tagged)
{
    if (m->n_log == m->cap_log) {
        m->cap_log = 2 * m->cap_log + 64;
        m->log = must_alloc(realloc(m->log, m->cap_log * sizeof(*m->log)));
    }
    m->log[m->n_log++] = (struct logged){ model, tag, is_tagged, m->opening };
}

void
machine_cut_log(struct machine *m, size_t i)
{
    while (m->n_log > i + 1)
        key_model_unref(m->log[--m->n_log].model);
}

/* ------------------------------------------------------------------- keys */

static int
by_key(const void *a, const void *b)
{
    return slice_compare(blob_slice(*(struct blob *const *)a),
                         blob_slice(*(struct blob *const *)b));
}

/* Short ones collide and nest, long ones share prefixes. */
static struct blob *
new_key(struct machine *m, size_t i)
{
    uint8_t bytes[KEY_BYTES];
    size_t n = 0;

    switch (draw(m, 5)) {
    case 0:
        n = (size_t)draw(m, 4);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t) "\0ab\xff"[draw(m, 4)];
        break;
    case 1:
        n = 4 + (size_t)draw(m, 12);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)rng_next(&m->rng);
        break;
    case 2:
        n = 40 + (size_t)draw(m, 300);
        memset(bytes, 'l', n);
        bytes[n - 1] = (uint8_t)draw(m, 256);
        break;
    default:
        n = (size_t)snprintf((char *)bytes, sizeof(bytes), "key-%06zu", i);
        break;
    }
    return blob_new(bytes, n);
}

static void
make_keys(struct machine *m)
{
    static const size_t sizes[] = { 3, 12, 40, 40, 150, 150, 700, 3000 };
    static const char *const names[KEY_NAMES] = { "a", "a\"\\\xc3\xa9", "ab",
                                                  "name with spaces" };
    size_t n = sizes[draw(m, 8)], kept = 0;
    struct key_table *t = &m->table;

    t->keys = must_alloc(calloc(n, sizeof(*t->keys)));
    for (size_t i = 0; i < n; i++)
        t->keys[i] = new_key(m, i);
    qsort(t->keys, n, sizeof(*t->keys), by_key);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && by_key(&t->keys[kept - 1], &t->keys[i]) == 0)
            blob_unref(t->keys[i]);
        else
            t->keys[kept++] = t->keys[i];
    }
    t->n = kept;
    for (size_t i = 0; i < KEY_NAMES; i++)
        t->names[i] = moss_str(names[i]);
}

/* --------------------------------------------------------------- episodes */

void
machine_init(void)
{
    fail_alloc_install();
}

struct machine *
machine_new(const struct machine_options *options, uint64_t config)
{
    static const enum machine_below belows[] = { BELOW_NOTHING, BELOW_TOY,
                                                 BELOW_STORE, BELOW_STORE,
                                                 BELOW_STORE };
    struct machine *m = must_alloc(calloc(1, sizeof(*m)));

    m->options = *options;
    m->config = config;
    m->action = "(begin)";
    rng_init(&m->rng, config);
    rng_init(&m->extra, ~config);
    m->below = belows[draw(m, 5)];
    if (options->below > 0)
        m->below = (enum machine_below)(options->below - 1);
    m->has_faults = draw(m, 3) > 0 && !options->no_faults;
    switch (draw(m, 4)) {
    case 0:
        break;
    case 1:
        m->merge = m->below == BELOW_TOY ? NULL : &merge_add;
        m->model_merge = key_merge_add;
        break;
    default:
        m->merge = &merge_append;
        m->model_merge = key_merge_append;
        break;
    }
    m->has_kinds = sometimes(m, 3);
    make_keys(m);
    m->mem = mem_os_new();
    m->fault = fault_os_new(mem_os_base(m->mem));
    m->toy = toy_new(m->merge);
    machine_log(m, key_model_new(m->table.n), 0, false);
    machine_open(m);
    episodes++;
    return m;
}

static const struct action *
choose(struct machine *m, uint32_t number)
{
    unsigned sum = 0;

    for (size_t i = 0; i < ACTIONS; i++)
        sum += actions[i].weight;
    number %= sum;
    for (size_t i = 0;; i++) {
        const struct action *a = &actions[i];

        if (number >= a->weight) {
            number -= a->weight;
        } else if ((a->where & 1u << m->below) == 0 ||
                   ((a->where & FAULT) != 0 && !m->has_faults)) {
            return NULL;
        } else {
            return a;
        }
    }
}

void
machine_step(struct machine *m, uint32_t action, uint64_t entropy)
{
    const struct action *a = choose(m, action);

    m->action = a == NULL ? "-" : a->name;
    m->recall[m->step % RECALL] = m->action;
    rng_init(&m->rng, entropy);
    rng_init(&m->extra, ~entropy);
    if (m->options.trace)
        fprintf(stderr, "%u %s\n", m->step, m->action);
    if (a != NULL) {
        a->run(m);
        done[a - actions]++;
    }
    m->step++;
}

/* The first episode makes what is kept for the process. */
static void
look_for_leaks(struct machine *m)
{
    static int64_t kept = -1;
    int64_t live;

    reaper_drain();
    arena_trim();
    live = fail_alloc_live();
    must(m, kept < 0 || live <= kept, "%lld blocks are not freed",
         (long long)(live - kept));
    kept = live;
}

void
machine_end(struct machine *m)
{
    m->action = "(end)";
    rng_init(&m->rng, m->config + 1);
    rng_init(&m->extra, ~(m->config + 1));
    machine_heal(m);
    action_check(m);
    machine_close(m, MOSS_FOREVER);
    for (size_t i = 0; i < BATCHES; i++)
        batch_slot_release(&m->batches[i]);
    for (size_t i = 0; i < ITERS; i++)
        iter_slot_release(&m->iters[i]);
    for (size_t i = 0; i < SNAPS; i++) {
        if (m->snaps[i].snap != NULL)
            machine_check(m, m->snaps[i].snap, m->snaps[i].model);
        snap_slot_release(&m->snaps[i]);
    }
    look_for_leaks(m);
    must(m, mem_os_open_files(m->mem) == 0, "%u files are still open",
         mem_os_open_files(m->mem));
    toy_free(m->toy);
    fault_os_free(m->fault);
    mem_os_free(m->mem);
    while (m->n_log > 0)
        key_model_unref(m->log[--m->n_log].model);
    for (size_t i = 0; i < m->table.n; i++)
        blob_unref(m->table.keys[i]);
    free(m->table.keys);
    free(m->log);
    free(m);
}

void
machine_report(void)
{
    static const char *const names[EXTRAS] = {
        "batches staged",
        "found again",
        "sweeps",
        "partial reads",
        "collections opened for reading",
        "collections over an initial snapshot",
        "stores opened with segment kinds",
    };
    uint64_t sum = 0;

    for (size_t i = 0; i < ACTIONS; i++) {
        printf("%10llu %s\n", (unsigned long long)done[i], actions[i].name);
        sum += done[i];
    }
    for (size_t i = 0; i < EXTRAS; i++)
        printf("%10llu %s\n", (unsigned long long)extras[i], names[i]);
    printf("%10llu actions in %llu episodes, %llu calls failed\n",
           (unsigned long long)sum, (unsigned long long)episodes,
           (unsigned long long)failures);
}
