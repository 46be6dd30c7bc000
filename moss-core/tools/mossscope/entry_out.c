/*
 * The form in which entries leave the program and come back by the command
 * import (entry_in.c).
 */
#include "entry_out.h"

#include "view.h"

void
entry_out_init(struct entry_out *o, const struct args *a)
{
    o->json = a->json;
    o->hex = a->hex;
    o->keys_only = a->keys_only;
    json_out_init(&o->w, stdout);
    if (o->json)
        json_open(&o->w, NULL, '[');
}

void
entry_out_end(struct entry_out *o)
{
    if (o->json)
        json_close(&o->w, ']');
}

static void
value_json(struct entry_out *o, struct moss_slice value)
{
    struct operand_list list;
    struct moss_slice operand;

    if (!operands_open(value, &list)) {
        json_bytes(&o->w, "v", value, o->hex);
        return;
    }
    if (list.has_base)
        json_bytes(&o->w, "v", list.base, o->hex);
    json_open(&o->w, "merge", '[');
    while (operands_next(&list, &operand))
        json_bytes(&o->w, NULL, operand, o->hex);
    json_close(&o->w, ']');
}

static void
value_text(struct entry_out *o, struct moss_slice value)
{
    struct operand_list list;
    struct moss_slice operand;

    (void)putc('\t', stdout);
    if (!operands_open(value, &list)) {
        text_put(stdout, value, o->hex, 0);
        return;
    }
    if (list.has_base)
        text_put(stdout, list.base, o->hex, 0);
    else
        (void)fputs(o->hex ? "-" : "\\-", stdout);
    while (operands_next(&list, &operand)) {
        (void)putc('\t', stdout);
        text_put(stdout, operand, o->hex, 0);
    }
}

void
entry_out_value(struct entry_out *o, struct moss_slice value)
{
    if (o->json)
        value_json(o, value);
    else
        value_text(o, value);
}

void
entry_out_put(struct entry_out *o, const struct path *path,
              struct moss_slice key, struct moss_slice value)
{
    if (o->json) {
        json_open(&o->w, NULL, '{');
        if (path->n > 0)
            json_path(&o->w, "c", path);
        json_bytes(&o->w, "k", key, o->hex);
    } else {
        path_put(stdout, path);
        (void)putc('\t', stdout);
        text_put(stdout, key, o->hex, 0);
    }
    if (!o->keys_only)
        entry_out_value(o, value);
    if (o->json)
        json_close(&o->w, '}');
    else
        (void)putc('\n', stdout);
}

void
entry_out_empty(struct entry_out *o, const struct path *path)
{
    if (path->n == 0)
        return;
    if (o->json) {
        json_open(&o->w, NULL, '{');
        json_path(&o->w, "c", path);
        json_close(&o->w, '}');
    } else {
        path_put(stdout, path);
        (void)putc('\n', stdout);
    }
}
