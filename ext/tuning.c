/*
 * Tuning options: what a store does in the background and how much memory it
 * may take.  They belong to the store, which the tables of a database share,
 * and are kept in the database's catalog; each table may name some of them.
 */
#include "ext.h"

#include <stdlib.h>
#include <string.h>

SQLITE_EXTENSION_INIT3

static const struct {
    const char *name;
    bool is_flag;
    bool is_whole;
    double least, most;
} known[TUNE_N] = {
    [TUNE_MIN_MERGE_PERCENTAGE] = { "min_merge_percentage", .least = 0.01,
                                    .most = 100 },
    [TUNE_MAX_DIRTY_OPS] = { "max_dirty_ops", false, true, 1, 1e14 },
    [TUNE_MAX_DIRTY_KEY_VAL_BYTES] = { "max_dirty_key_val_bytes", false, true,
                                       1, 1e14 },
    [TUNE_MERGER_CANCEL_CHECK_INTERVAL] = { "merger_cancel_check_interval",
                                            false, true, 1, 1e9 },
    [TUNE_MERGER_IDLE_RUN_TIMEOUT_MS] = { "merger_idle_run_timeout_ms", false,
                                          true, 1, 1e9 },
    [TUNE_CACHE_PERSISTED] = { "cache_persisted", .is_flag = true },
    [TUNE_DEFERRED_SORT] = { "deferred_sort", .is_flag = true },
    [TUNE_COMPACTION_PERCENTAGE] = { "compaction_percentage", .least = 0.01,
                                     .most = 1 },
    [TUNE_COMPACTION_LEVEL_MAX_SEGMENTS] = { "compaction_level_max_segments",
                                             false, true, 1, 1000 },
    [TUNE_COMPACTION_LEVEL_MULTIPLIER] = { "compaction_level_multiplier", false,
                                           true, 1, 1000 },
    [TUNE_COMPACTION_BUFFER_PAGES] = { "compaction_buffer_pages", false, true,
                                       1, 65536 },
    [TUNE_COMPACTION_SYNC] = { "compaction_sync", .is_flag = true },
    [TUNE_COMPACTION_SYNC_AFTER_BYTES] = { "compaction_sync_after_bytes", false,
                                           true, 4096, 1e14 },
    [TUNE_KEEP_FILES] = { "keep_files", .is_flag = true },
    [TUNE_SEGMENT_KEYS_INDEX_MAX_BYTES] = { "segment_keys_index_max_bytes",
                                            false, true, 1, 1e14 },
    [TUNE_SEGMENT_KEYS_INDEX_MIN_KEY_BYTES] = { "segment_keys_index_min_key_"
                                                "bytes",
                                                false, true, 1, 1e14 },
};

const char *
tuning_name(enum tuning_option option)
{
    return known[option].name;
}

enum tuning_option
tuning_find(const char *name, size_t n)
{
    int i = 0;

    while (i < TUNE_N && (strlen(known[i].name) != n ||
                          sqlite3_strnicmp(known[i].name, name, (int)n) != 0))
        i++;
    return (enum tuning_option)i;
}

char *
tuning_names(void)
{
    sqlite3_str *text = sqlite3_str_new(NULL);

    for (int i = 0; i < TUNE_N; i++)
        sqlite3_str_appendf(text, ", %s", known[i].name);
    return sqlite3_str_finish(text);
}

static int
refuse(enum tuning_option option, const char *text, char **err)
{
    *err = known[option].is_flag
               ? sqlite3_mprintf("moss: %s=%s: it is true or false",
                                 known[option].name, text)
               : sqlite3_mprintf("moss: %s=%s: it is a %snumber from %.15g to"
                                 " %.15g",
                                 known[option].name, text,
                                 known[option].is_whole ? "whole " : "",
                                 known[option].least, known[option].most);
    return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
}

/* The number that all of text is; false if it is none. */
static bool
read_number(const char *text, double *out)
{
    size_t digits = strspn(text, "0123456789.");
    char *end;

    if (digits == 0 || text[digits] != '\0')
        return false;
    *out = strtod(text, &end);
    return *end == '\0';
}

int
tuning_set(struct tuning *tuning, enum tuning_option option, const char *text,
           char **err)
{
    double v = 0;

    if (known[option].is_flag) {
        bool flag;

        if (!decl_flag(text, &flag))
            return refuse(option, text, err);
        v = flag ? 1 : 0;
    } else if (!read_number(text, &v) || v < known[option].least ||
               v > known[option].most ||
               (known[option].is_whole && v != (double)(int64_t)v)) {
        return refuse(option, text, err);
    }
    tuning->given[option] = true;
    tuning->value[option] = v;
    return SQLITE_OK;
}

char *
tuning_text(const struct tuning *tuning)
{
    char *text = sqlite3_mprintf("");

    for (int i = 0; i < TUNE_N && text != NULL; i++)
        if (tuning->given[i])
            text = sqlite3_mprintf("%z,%s=%.15g", text, known[i].name,
                                   tuning->value[i]);
    return text;
}

bool
tuning_parse(const char *text, struct tuning *out)
{
    memset(out, 0, sizeof(*out));
    while (*text == ',') {
        size_t name = strcspn(++text, "=,"), n;
        enum tuning_option option = tuning_find(text, name);
        char value[32], *err = NULL;
        int rc;

        if (option == TUNE_N || text[name] != '=')
            return false;
        text += name + 1;
        n = strcspn(text, ",");
        if (n >= sizeof(value))
            return false;
        memcpy(value, text, n);
        value[n] = '\0';
        rc = tuning_set(out, option, value, &err);
        sqlite3_free(err);
        if (rc != SQLITE_OK)
            return false;
        text += n;
    }
    return *text == '\0';
}

enum tuning_option
tuning_conflict(const struct tuning *a, const struct tuning *b)
{
    int i = 0;

    while (i < TUNE_N &&
           !(a->given[i] && b->given[i] && a->value[i] != b->value[i]))
        i++;
    return (enum tuning_option)i;
}

bool
tuning_extend(struct tuning *tuning, const struct tuning *more)
{
    bool any = false;

    for (int i = 0; i < TUNE_N; i++) {
        if (tuning->given[i] || !more->given[i])
            continue;
        tuning->given[i] = true;
        tuning->value[i] = more->value[i];
        any = true;
    }
    return any;
}

static uint64_t
whole(const struct tuning *tuning, enum tuning_option option)
{
    return tuning->given[option] ? (uint64_t)tuning->value[option] : 0;
}

static bool
flag(const struct tuning *tuning, enum tuning_option option)
{
    return tuning->given[option] && tuning->value[option] != 0;
}

/* What is not given is 0, which is the library's default. */
void
tuning_apply(const struct tuning *t, struct moss_collection_options *collection,
             struct moss_store_options *store)
{
    if (collection != NULL) {
        collection->min_merge_ratio = t->given[TUNE_MIN_MERGE_PERCENTAGE]
                                          ? t->value[TUNE_MIN_MERGE_PERCENTAGE]
                                          : 0;
        collection->max_dirty_ops = whole(t, TUNE_MAX_DIRTY_OPS);
        collection->max_dirty_bytes = whole(t, TUNE_MAX_DIRTY_KEY_VAL_BYTES);
        collection->cancel_check_interval =
            (size_t)whole(t, TUNE_MERGER_CANCEL_CHECK_INTERVAL);
        collection->idle_run_timeout_ms =
            whole(t, TUNE_MERGER_IDLE_RUN_TIMEOUT_MS);
        collection->cache_persisted = flag(t, TUNE_CACHE_PERSISTED);
        collection->deferred_sort = flag(t, TUNE_DEFERRED_SORT);
    }
    if (store != NULL) {
        store->compaction_percentage =
            t->given[TUNE_COMPACTION_PERCENTAGE]
                ? t->value[TUNE_COMPACTION_PERCENTAGE]
                : 0;
        store->compaction_level_max_segments =
            (unsigned)whole(t, TUNE_COMPACTION_LEVEL_MAX_SEGMENTS);
        store->compaction_level_multiplier =
            (unsigned)whole(t, TUNE_COMPACTION_LEVEL_MULTIPLIER);
        store->compaction_buffer_pages =
            (unsigned)whole(t, TUNE_COMPACTION_BUFFER_PAGES);
        store->compaction_sync = flag(t, TUNE_COMPACTION_SYNC);
        store->compaction_sync_after_bytes =
            whole(t, TUNE_COMPACTION_SYNC_AFTER_BYTES);
        store->keep_files = flag(t, TUNE_KEEP_FILES);
        store->segment_keys_index_max_bytes =
            whole(t, TUNE_SEGMENT_KEYS_INDEX_MAX_BYTES);
        store->segment_keys_index_min_key_bytes =
            whole(t, TUNE_SEGMENT_KEYS_INDEX_MIN_KEY_BYTES);
    }
}
