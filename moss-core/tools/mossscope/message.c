/*
 * What is said on stderr.  The progress of a long work is written over itself
 * in one line, and only to a terminal, unless it is asked for; then in lines.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "scope.h"
#include "store/commit.h"

#define SHOW_EVERY_NS ((uint64_t)200 * 1000 * 1000)

static struct {
    bool on, is_terminal, shown;
    const char *doing, *unit;
    uint64_t last_ns;
} progress;

void
progress_init(const struct args *a, const char *doing, const char *unit)
{
    progress.is_terminal = isatty(2) != 0;
    progress.on = a->progress || progress.is_terminal;
    progress.doing = doing;
    progress.unit = unit;
    progress.last_ns = 0;
    progress.shown = false;
}

void
progress_show(uint64_t done, uint64_t total)
{
    struct moss_os *os = moss_os_posix();
    uint64_t now;

    if (!progress.on)
        return;
    now = os->ops->monotonic_ns(os);
    if (progress.shown && now - progress.last_ns < SHOW_EVERY_NS)
        return;
    progress.last_ns = now;
    progress.shown = true;
    (void)fprintf(stderr, "%s%s: %" PRIu64, progress.is_terminal ? "\r" : "",
                  progress.doing, done);
    if (total > 0)
        (void)fprintf(stderr, " of %" PRIu64, total);
    (void)fprintf(stderr, " %s%s", progress.unit,
                  progress.is_terminal ? "\033[K" : "\n");
    (void)fflush(stderr);
}

void
progress_hide(void)
{
    if (progress.shown && progress.is_terminal)
        (void)fputs("\r\033[K", stderr);
}

void
progress_end(void)
{
    progress_hide();
    progress.on = progress.shown = false;
}

enum scope_exit
scope_complain(const char *format, ...)
{
    va_list ap;

    progress_end();
    (void)fputs("mossscope: ", stderr);
    va_start(ap, format);
    (void)vfprintf(stderr, format, ap);
    va_end(ap);
    (void)putc('\n', stderr);
    return SCOPE_FAILED;
}

static const char *
meaning(enum moss_status st)
{
    switch (st) {
    case MOSS_NOMEM:
        return "out of memory";
    case MOSS_IO:
        return "input or output error";
    case MOSS_CORRUPT:
        return "damaged";
    case MOSS_BUSY:
        return "in use by another writer";
    case MOSS_INVALID:
        return "not valid";
    case MOSS_TOO_BIG:
        return "too big";
    case MOSS_FULL:
        return "no space left";
    case MOSS_READONLY:
        return "not to be written to";
    case MOSS_UNSUPPORTED:
        return "of a kind that is not known here";
    case MOSS_NO_OPERATOR:
        return "merge operands, and no merge operator (--merge)";
    case MOSS_MERGE_FAILED:
        return "the merge operator refuses its operands";
    case MOSS_CANTOPEN:
        return "not there, or no store";
    default:
        return moss_status_name(st);
    }
}

enum scope_exit
scope_failed(const char *doing, enum moss_status st,
             const struct moss_error *err)
{
    if (err == NULL || err->what == NULL)
        return scope_complain("%s: %s", doing, meaning(st));
    if (st == MOSS_UNSUPPORTED && strcmp(err->what, COMMIT_UNKNOWN_KIND) == 0)
        return scope_complain("%s: only the program that wrote it knows how "
                              "its segments are stored (%s)",
                              doing, err->path);
    return scope_complain("%s: %s (%s, %s at offset %" PRIu64 "%s%s)", doing,
                          meaning(st), err->what, err->path, err->offset,
                          err->sys_errno != 0 ? ", " : "",
                          err->sys_errno != 0 ? strerror(err->sys_errno) : "");
}

void
scope_must(enum moss_status st)
{
    if (st == MOSS_OK)
        return;
    exit((int)scope_failed("giving up", st, NULL));
}

void *
scope_alloc(size_t n)
{
    void *p = mem_alloc(n);

    if (p == NULL)
        scope_must(MOSS_NOMEM);
    return p;
}

enum scope_exit
scope_finish(enum scope_exit result)
{
    progress_end();
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        return scope_complain("cannot write the output");
    return result;
}
