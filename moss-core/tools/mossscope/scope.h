/*
 * mossscope: what its commands have in common.  See main.c.
 *
 * One thread.  Memory that runs out ends the program (scope_must()): nothing
 * that was acknowledged can get lost by that.
 */
#ifndef MOSSSCOPE_SCOPE_H
#define MOSSSCOPE_SCOPE_H

#include <stdio.h>

#include "base/buf.h"
#include "moss.h"
#include "moss_os.h"

/* How the program ends. */
enum scope_exit {
    SCOPE_OK = 0,
    SCOPE_PROBLEMS = 1, /* damage, data lost, or what was sought is not there */
    SCOPE_FAILED = 2    /* wrong use, cannot open, cannot write */
};

/* What the command line says.  Strings are the command line's. */
struct args {
    const struct command *command;
    const char *words[4]; /* what is no option */
    size_t n_words;
    const char *dir; /* the last of them */

    bool help, json, hex, progress;
    bool keys_only, all_versions, footers, children, no_children, reverse;
    bool all, yes, force, segments, no_mmap, leveled, keep_files;
    bool has_at, has_limit, has_diff, has_against, has_batch;
    uint64_t at, limit, diff, against, batch;
    const char *prefix, *key, *from, *to, *child, *merge;
    const char *file, *json_text;
    bool from_stdin;
};

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER };

/* An option of a command; a table of them ends with name NULL. */
struct option {
    const char *name; /* without the "--" */
    enum option_kind kind;
    size_t offset;     /* of its field in struct args */
    size_t has_offset; /* numbers: of the flag that says it was given */
    const char *value; /* how the help calls its value; NULL for flags */
    const char *help;
};

struct command {
    const char *name;
    const char *usage; /* behind the name */
    const char *what;  /* one line */
    const char *more;  /* NULL, or paragraphs for --help */
    const struct option *options;
    size_t max_words; /* the directory counted; it has one at least */
    enum scope_exit (*run)(const struct args *a);
};

extern const struct command dump_command, import_command, stats_command,
    compact_command, check_command, salvage_command, history_command,
    revert_command;

/* ------------------------------------------------------------------ */
/* Messages                                                           */
/* ------------------------------------------------------------------ */

/* Say "mossscope: ..." on stderr.  Returns SCOPE_FAILED. */
enum scope_exit
scope_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same about a failure of the library.  err may be NULL. */
enum scope_exit scope_failed(const char *doing, enum moss_status st,
                             const struct moss_error *err);
/* End the program unless st is MOSS_OK: for what only memory can prevent. */
void scope_must(enum moss_status st);
/* Memory of n bytes; never NULL. */
void *scope_alloc(size_t n);
/* See that everything printed has arrived.  result, or SCOPE_FAILED. */
enum scope_exit scope_finish(enum scope_exit result);

/*
 * Say on stderr how far a long work is, now and then, if that is wanted:
 * "doing: done of total unit".  total 0: not known.
 */
void progress_init(const struct args *a, const char *doing, const char *unit);
void progress_show(uint64_t done, uint64_t total);
/* Take it off the terminal, as something else is to be printed. */
void progress_hide(void);
void progress_end(void);

#endif
