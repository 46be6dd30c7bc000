/*
 * One entry is in memory at a time; the largest may have a value of 256 MiB.
 */
#include "entry_in.h"

#include <stdlib.h>

void
entry_in_init(struct entry_in *e)
{
    memset(e, 0, sizeof *e);
}

void
entry_in_release(struct entry_in *e)
{
    for (size_t i = 0; i < e->cap_operands; i++)
        buf_release(&e->operands[i]);
    free(e->operands);
    buf_release(&e->key);
    buf_release(&e->value);
    buf_release(&e->names);
    buf_release(&e->word);
    memset(e, 0, sizeof *e);
}

static void
clear(struct entry_in *e)
{
    e->path.n = 0;
    e->has_key = e->has_value = false;
    e->n_operands = 0;
    buf_clear(&e->key);
    buf_clear(&e->value);
    buf_clear(&e->names);
    buf_clear(&e->word);
}

static struct buf *
next_operand(struct entry_in *e)
{
    if (e->n_operands == e->cap_operands) {
        size_t cap = 2 * e->cap_operands + 4;

        e->operands = realloc(e->operands, cap * sizeof *e->operands);
        if (e->operands == NULL)
            scope_must(MOSS_NOMEM);
        while (e->cap_operands < cap)
            buf_init(&e->operands[e->cap_operands++]);
    }
    buf_clear(&e->operands[e->n_operands]);
    return &e->operands[e->n_operands++];
}

/* ------------------------------------------------------------------ */
/* Text                                                               */
/* ------------------------------------------------------------------ */

/* Append the field's text, up to a tab or the line's end, to out. */
static void
get_field(struct input *in, struct buf *out)
{
    int c;

    while ((c = input_peek(in)) != EOF && c != '\t' && c != '\n') {
        const uint8_t *p = in->buffer + in->at;
        size_t n = 0, left = in->filled - in->at;

        while (n < left && p[n] != '\t' && p[n] != '\n')
            n++;
        scope_must(buf_append(out, p, n));
        in->at += n;
    }
}

static struct moss_slice
word(const struct entry_in *e)
{
    return moss_slice(e->word.bytes, e->word.len);
}

/* The i-th field of a line, behind the path. */
static bool
set_field(struct entry_in *e, size_t i, bool hex)
{
    struct moss_slice w = word(e), nothing = moss_str(hex ? "-" : "\\-");

    if (i == 0) {
        e->has_key = true;
        return text_get(w, hex, &e->key);
    }
    if (i == 1 && w.len == nothing.len &&
        memcmp(w.bytes, nothing.bytes, w.len) == 0)
        return true;
    if (i == 1) {
        e->has_value = true;
        return text_get(w, hex, &e->value);
    }
    return text_get(w, hex, next_operand(e));
}

enum moss_status
entry_in_text(struct entry_in *e, struct input *in, bool hex)
{
    size_t fields = 0;
    bool ok = true;

    clear(e);
    if (input_peek(in) == EOF) {
        if (ferror(in->f) == 0)
            return MOSS_DONE;
        (void)input_wrong(in, "cannot be read");
        return MOSS_CORRUPT;
    }
    get_field(in, &e->word);
    ok = path_get(word(e), &e->path, &e->names);
    while (ok && input_peek(in) == '\t') {
        (void)input_get(in);
        buf_clear(&e->word);
        get_field(in, &e->word);
        ok = set_field(e, fields++, hex);
    }
    if (!ok)
        (void)input_wrong(in, "not in the form that dump writes");
    else if (fields == 1)
        ok = input_wrong(in, "a key without a value");
    else if (fields == 0 && e->path.n == 0)
        ok = input_wrong(in, "an empty line");
    else if (fields > 0 && !e->has_value && e->n_operands == 0)
        ok = input_wrong(in, "neither a value nor operands");
    else if (input_get(in) != '\n')
        ok = input_wrong(in, "the last line does not end");
    return ok ? MOSS_OK : MOSS_CORRUPT;
}

/* ------------------------------------------------------------------ */
/* JSON                                                               */
/* ------------------------------------------------------------------ */

/* A string, in hex or not, appended to out. */
static bool
get_bytes(struct entry_in *e, struct input *in, bool hex, struct buf *out,
          size_t max)
{
    if (!hex)
        return input_string(in, out, max);
    buf_clear(&e->word);
    if (!input_string(in, &e->word, 2 * max))
        return false;
    return text_get(word(e), true, out) || input_wrong(in, "not hexadecimal");
}

/* An item of an array: a string, or {"x": hex}. */
static bool
get_item(struct entry_in *e, struct input *in, struct buf *out, size_t max)
{
    struct buf name;
    bool ok;

    if (!input_take(in, '{'))
        return get_bytes(e, in, false, out, max);
    buf_init(&name);
    ok = input_string(in, &name, 16);
    ok = ok && ((name.len == 1 && *name.bytes == 'x' && input_take(in, ':')) ||
                input_wrong(in, "only \"x\" may be here"));
    buf_release(&name);
    return ok && get_bytes(e, in, true, out, max) &&
           (input_take(in, '}') || input_wrong(in, "\"}\" is missing"));
}

static bool
get_path(struct entry_in *e, struct input *in)
{
    size_t ends[PATH_MAX_NAMES], start = 0;

    e->path.n = 0;
    buf_clear(&e->names);
    if (!input_take(in, '['))
        return input_wrong(in, "\"c\" is to be an array of names");
    if (input_take(in, ']'))
        return true;
    do {
        if (e->path.n == PATH_MAX_NAMES)
            return input_wrong(in, "nested too deep");
        if (!get_item(e, in, &e->names, 4096))
            return false;
        ends[e->path.n++] = e->names.len;
    } while (input_take(in, ','));
    for (size_t i = 0; i < e->path.n; i++) {
        e->path.names[i] = moss_slice(e->names.bytes + start, ends[i] - start);
        start = ends[i];
    }
    return input_take(in, ']') || input_wrong(in, "\",\" is missing");
}

static bool
get_operands(struct entry_in *e, struct input *in)
{
    if (!input_take(in, '['))
        return input_wrong(in, "\"merge\" is to be an array");
    if (input_take(in, ']'))
        return true;
    do {
        if (!get_item(e, in, next_operand(e), MOSS_MAX_VALUE))
            return false;
    } while (input_take(in, ','));
    return input_take(in, ']') || input_wrong(in, "\",\" is missing");
}

/* The value of the member called name. */
static bool
get_member(struct entry_in *e, struct input *in, const char *name)
{
    bool hex = name[0] != '\0' && name[1] == 'x';

    if (strcmp(name, "k") == 0 || strcmp(name, "kx") == 0) {
        e->has_key = true;
        buf_clear(&e->key);
        return get_bytes(e, in, hex, &e->key, MOSS_MAX_KEY);
    }
    if (strcmp(name, "v") == 0 || strcmp(name, "vx") == 0) {
        e->has_value = true;
        buf_clear(&e->value);
        return get_bytes(e, in, hex, &e->value, MOSS_MAX_VALUE);
    }
    if (strcmp(name, "c") == 0)
        return get_path(e, in);
    if (strcmp(name, "merge") == 0)
        return get_operands(e, in);
    return input_skip_value(in);
}

static bool
get_object(struct entry_in *e, struct input *in)
{
    struct buf name;
    bool ok = true;

    if (!input_take(in, '{'))
        return input_wrong(in, "an object is missing");
    if (input_take(in, '}'))
        return input_wrong(in, "an empty object");
    buf_init(&name);
    do {
        buf_clear(&name);
        ok = input_string(in, &name, 1024);
        if (ok) {
            scope_must(buf_append(&name, "", 1));
            ok = input_take(in, ':') || input_wrong(in, "\":\" is missing");
        }
        ok = ok && get_member(e, in, (const char *)name.bytes);
    } while (ok && input_take(in, ','));
    buf_release(&name);
    return ok && (input_take(in, '}') || input_wrong(in, "\",\" is missing"));
}

/*
 * Step to the next object of the array, if it is one.  An array must end, as
 * one that does not has been cut off.
 */
static enum moss_status
next_object(struct entry_in *e, struct input *in)
{
    bool ok = true;

    if (!e->has_begun) {
        e->has_begun = true;
        e->in_array = input_take(in, '[');
        e->has_ended = e->in_array && input_take(in, ']');
    } else if (e->in_array && !input_take(in, ',')) {
        e->has_ended = input_take(in, ']');
        ok = e->has_ended ||
             input_wrong(in, "the array does not go on and does not end");
    }
    if (!ok)
        return MOSS_CORRUPT;
    if (e->in_array && !e->has_ended)
        return MOSS_OK;
    if (input_peek_word(in) != EOF) {
        if (!e->has_ended)
            return MOSS_OK;
        (void)input_wrong(in, "something follows the array");
        return MOSS_CORRUPT;
    }
    if (ferror(in->f) == 0)
        return MOSS_DONE;
    (void)input_wrong(in, "cannot be read");
    return MOSS_CORRUPT;
}

enum moss_status
entry_in_json(struct entry_in *e, struct input *in)
{
    enum moss_status st;
    bool ok;

    clear(e);
    st = next_object(e, in);
    if (st != MOSS_OK)
        return st;
    ok = get_object(e, in);
    if (ok && e->has_key && !e->has_value && e->n_operands == 0)
        ok = input_wrong(in, "\"k\" without \"v\"");
    if (ok && !e->has_key && e->path.n == 0)
        ok = input_wrong(in, "neither \"k\" nor \"c\"");
    return ok ? MOSS_OK : MOSS_CORRUPT;
}
