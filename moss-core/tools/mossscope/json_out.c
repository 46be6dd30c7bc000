/* Whatever bytes it is given, what comes out is valid JSON in UTF-8. */
#include "json_out.h"

#include <inttypes.h>

void
json_out_init(struct json_out *w, FILE *f)
{
    memset(w, 0, sizeof *w);
    w->f = f;
}

/* Quotes included; s is UTF-8. */
static void
put_string(FILE *f, struct moss_slice s)
{
    size_t i = 0, from = 0; /* from there on nothing is printed yet */

    (void)putc('"', f);
    while (i < s.len) {
        uint8_t c = s.bytes[i++];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        (void)fwrite(s.bytes + from, 1, i - 1 - from, f);
        (void)fprintf(f, c == '"' || c == '\\' ? "\\%c" : "\\u%04x", c);
        from = i;
    }
    if (i > from)
        (void)fwrite(s.bytes + from, 1, i - from, f);
    (void)putc('"', f);
}

/* What stands before a value. */
static void
begin(struct json_out *w, const char *name)
{
    if (w->depth > 0) {
        bool *has_items = &w->has_items[w->depth - 1];

        if (*has_items)
            (void)fputs(w->depth == 1 ? "," : ", ", w->f);
        if (w->depth == 1)
            (void)fputs("\n ", w->f);
        *has_items = true;
    }
    if (name != NULL) {
        put_string(w->f, moss_str(name));
        (void)fputs(": ", w->f);
    }
}

void
json_open(struct json_out *w, const char *name, char bracket)
{
    begin(w, name);
    (void)putc(bracket, w->f);
    w->has_items[w->depth++] = false;
}

void
json_close(struct json_out *w, char bracket)
{
    w->depth--;
    if (w->depth == 0 && w->has_items[0])
        (void)putc('\n', w->f);
    (void)putc(bracket, w->f);
    if (w->depth == 0)
        (void)putc('\n', w->f);
}

void
json_uint(struct json_out *w, const char *name, uint64_t v)
{
    begin(w, name);
    (void)fprintf(w->f, "%" PRIu64, v);
}

void
json_bool(struct json_out *w, const char *name, bool v)
{
    begin(w, name);
    (void)fputs(v ? "true" : "false", w->f);
}

void
json_text(struct json_out *w, const char *name, const char *text)
{
    json_bytes(w, name, moss_str(text), false);
}

void
json_id(struct json_out *w, const char *name, uint64_t v)
{
    begin(w, name);
    (void)fprintf(w->f, "\"%016" PRIx64 "\"", v);
}

void
json_path(struct json_out *w, const char *name, const struct path *path)
{
    json_open(w, name, '[');
    for (size_t i = 0; i < path->n; i++)
        json_bytes(w, NULL, path->names[i], false);
    json_close(w, ']');
}

static void
put_hex_string(FILE *f, struct moss_slice s)
{
    (void)putc('"', f);
    text_put(f, s, true, 0);
    (void)putc('"', f);
}

void
json_bytes(struct json_out *w, const char *name, struct moss_slice s, bool hex)
{
    char hex_name[64] = "x";

    if (!hex && text_is_utf8(s)) {
        begin(w, name);
        put_string(w->f, s);
        return;
    }
    if (name == NULL)
        json_open(w, NULL, '{');
    else
        (void)snprintf(hex_name, sizeof hex_name, "%sx", name);
    begin(w, hex_name);
    put_hex_string(w->f, s);
    if (name == NULL)
        json_close(w, '}');
}
