/* Problems and notes are printed as they are found. */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

/* So much of a key is shown in a message. */
#define KEY_SHOWN 64

void
report_init(struct report *r, const struct args *a)
{
    r->json = a->json;
    r->problems = 0;
    json_out_init(&r->w, stdout);
    if (r->json)
        json_open(&r->w, NULL, '[');
}

void
report_end(struct report *r)
{
    if (r->json)
        json_close(&r->w, ']');
}

static void
put(struct report *r, const char *kind, const char *file, uint64_t off,
    const char *format, va_list ap)
{
    char *text = NULL;

    if (vasprintf(&text, format, ap) < 0)
        scope_must(MOSS_NOMEM);
    progress_hide();
    if (r->json) {
        json_open(&r->w, NULL, '{');
        json_text(&r->w, "kind", kind);
        json_text(&r->w, "file", file);
        json_uint(&r->w, "offset", off);
        json_text(&r->w, "what", text);
        json_close(&r->w, '}');
    } else {
        (void)printf("%s: %s, offset %" PRIu64 ": %s\n", kind, file, off, text);
    }
    free(text);
}

void
report_problem(struct report *r, const char *file, uint64_t off,
               const char *format, ...)
{
    va_list ap;

    r->problems++;
    va_start(ap, format);
    put(r, "problem", file, off, format, ap);
    va_end(ap);
}

void
report_note(struct report *r, const char *file, uint64_t off,
            const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    put(r, "note", file, off, format, ap);
    va_end(ap);
}

/* Print by put_text() or path_put() into memory. */
static char *
to_memory(struct moss_slice bytes, const struct path *path)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    if (f == NULL)
        scope_must(MOSS_NOMEM);
    if (path != NULL) {
        path_put(f, path);
        if (path->n == 0)
            (void)putc('/', f);
    } else if (bytes.len > KEY_SHOWN) {
        text_put(f, moss_slice(bytes.bytes, KEY_SHOWN), false, 0);
        (void)fputs("...", f);
    } else {
        text_put(f, bytes, false, 0);
    }
    if (fclose(f) != 0)
        scope_must(MOSS_NOMEM);
    return text;
}

char *
report_text(struct moss_slice bytes)
{
    return to_memory(bytes, NULL);
}

char *
report_path(const struct path *path)
{
    return to_memory(moss_slice(NULL, 0), path);
}
