/*
 * import: entries in the form that dump writes, into a new or existing store,
 * in batches.  An input that is wrong somewhere stops it there; the batches
 * before are in the store.
 */
#include <errno.h>
#include <inttypes.h>

#include "args.h"
#include "entry_in.h"
#include "sink.h"

#define DEFAULT_BATCH 10000

static const struct option options[] = {
    OPT_TEXT("file", file, "FILE", "read FILE"),
    OPT_FLAG("stdin", from_stdin, "read the standard input"),
    OPT_TEXT("json", json_text, "TEXT", "take TEXT itself, which is JSON"),
    OPT_FLAG("hex", hex, "the input is a text with keys and values in hex"),
    { "batchsize", OPTION_NUMBER, offsetof(struct args, batch),
      offsetof(struct args, has_batch), "N",
      "changes that take effect together (10000)" },
    OPT_FLAG("keep-files", keep_files,
             "keep the data files before the newest one"),
    OPT_TEXT("merge", merge, "NAME", "the merge operator of operands"),
    OPT_FLAG("force", force, "also where the store belongs to a database"),
    { 0 },
};

static const char more[] =
    "The input is what \"dump\" writes, as JSON or as text: which of them it\n"
    "is, its first byte tells; only --hex must be said again.  In JSON,\n"
    "members of other names are passed over.  Keys that are there already are\n"
    "overwritten.  An input with merge operands should be imported with their\n"
    "operator; without, each operand is stored as it is.";

static enum scope_exit
put_entry(struct sink *s, const struct entry_in *e)
{
    struct moss_slice key = moss_slice(e->key.bytes, e->key.len);
    enum scope_exit x = SCOPE_OK;
    size_t nth = 0;

    if (!e->has_key)
        return sink_collection(s, &e->path);
    if (e->has_value)
        x = sink_put(s, &e->path, MOSS_OP_SET, key,
                     moss_slice(e->value.bytes, e->value.len), nth++);
    for (size_t i = 0; i < e->n_operands && x == SCOPE_OK; i++)
        x = sink_put(s, &e->path, MOSS_OP_MERGE, key,
                     moss_slice(e->operands[i].bytes, e->operands[i].len),
                     nth++);
    return x;
}

/* *n: entries read. */
static enum scope_exit
import_all(const struct args *a, struct input *in, struct sink *s, uint64_t *n)
{
    struct entry_in e;
    enum moss_status st = MOSS_OK;
    enum scope_exit x = SCOPE_OK;
    int first = input_peek(in);
    bool json = !a->hex && (a->json_text != NULL || first == '[' ||
                            first == '{' || first == ' ' || first == '\n');

    *n = 0;
    entry_in_init(&e);
    while (x == SCOPE_OK) {
        st = json ? entry_in_json(&e, in) : entry_in_text(&e, in, a->hex);
        if (st != MOSS_OK)
            break;
        x = put_entry(s, &e);
        ++*n;
        progress_show(*n, 0);
    }
    entry_in_release(&e);
    return st < 0 ? SCOPE_FAILED : x;
}

static enum scope_exit
import_from(const struct args *a, FILE *f, const char *name)
{
    struct input in;
    struct sink s;
    uint64_t n = 0, written;
    enum scope_exit x, closed;

    input_init(&in, f, name);
    x = sink_open(&s, a, NULL, a->has_batch ? a->batch : DEFAULT_BATCH);
    if (x == SCOPE_OK) {
        progress_init(a, "import", "entries");
        x = import_all(a, &in, &s, &n);
    }
    written = s.written + s.ops;
    if (x != SCOPE_OK)
        written = s.written;
    closed = sink_close(&s, x == SCOPE_OK);
    progress_end();
    if (x == SCOPE_OK && closed == SCOPE_OK)
        (void)printf("%" PRIu64 " entries imported\n", n);
    else if (written > 0)
        (void)scope_complain("%" PRIu64 " changes were written before",
                             written);
    return x != SCOPE_OK ? x : closed;
}

static enum scope_exit
run(const struct args *a)
{
    int sources = (a->file != NULL) + a->from_stdin + (a->json_text != NULL);
    enum scope_exit x;
    FILE *f;

    if (sources != 1)
        return scope_complain("one of --file, --stdin, --json says what to "
                              "import");
    if (a->has_batch && a->batch == 0)
        return scope_complain("--batchsize: at least 1");
    if (a->from_stdin)
        return import_from(a, stdin, "standard input");
    if (a->file != NULL)
        f = fopen(a->file, "r");
    else
        f = fmemopen((void *)(uintptr_t)a->json_text, strlen(a->json_text),
                     "r");
    if (f == NULL)
        return scope_complain("%s: %s", a->file != NULL ? a->file : "--json",
                              strerror(errno));
    x = import_from(a, f, a->file != NULL ? a->file : "--json");
    (void)fclose(f); /* it was only read */
    return x;
}

const struct command import_command = {
    .name = "import",
    .usage = "--file FILE | --stdin | --json TEXT [OPTIONS] DIR",
    .what = "put entries into a store, which is made if there is none",
    .more = more,
    .options = options,
    .max_words = 1,
    .run = run,
};
