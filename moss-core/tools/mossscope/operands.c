/*
 * Values with merge operands.
 *
 * A reader of a store must give an operator, or cannot read such values.  To
 * show them all the same, mossscope reads with one of its own that makes a
 * list of what it is given: a mark, whether there is a value below, and that
 * value and the operands with their lengths.  The mark is random and new in
 * each run, so no stored value can have it.
 */
#include "args.h"
#include "base/coding.h"
#include "view.h"

#define MARK_BYTES 16

static uint8_t mark[MARK_BYTES];

static void
make_mark(void)
{
    struct moss_os *os = moss_os_posix();

    scope_must(os->ops->random(os, mark, sizeof mark));
}

static bool
has_mark(struct moss_slice value)
{
    return value.len > MARK_BYTES && memcmp(value.bytes, mark, MARK_BYTES) == 0;
}

static enum moss_status
put(struct moss_output *out, struct moss_slice s)
{
    uint8_t length[8];
    enum moss_status st;

    store_le64(length, s.len);
    st = moss_output_append(out, length, sizeof length);
    return st < 0 ? st : moss_output_append(out, s.bytes, s.len);
}

static enum moss_status
collect(void *ctx, struct moss_slice key, const struct moss_slice *existing,
        const struct moss_slice *operands, size_t n, struct moss_output *out)
{
    uint8_t has_base = existing != NULL;
    enum moss_status st;

    (void)ctx;
    (void)key;
    if (existing != NULL && has_mark(*existing)) {
        st = moss_output_append(out, existing->bytes, existing->len);
    } else {
        st = moss_output_append(out, mark, sizeof mark);
        if (st == MOSS_OK)
            st = moss_output_append(out, &has_base, 1);
        if (st == MOSS_OK && existing != NULL)
            st = put(out, *existing);
    }
    for (size_t i = 0; i < n && st == MOSS_OK; i++)
        st = put(out, operands[i]);
    return st;
}

/* Without a name: it may be given for any store. */
const struct moss_merge_operator operator_collect = { "", collect, NULL, NULL };

bool
operands_next(struct operand_list *list, struct moss_slice *operand)
{
    size_t n;

    if (list->rest.len < 8)
        return false;
    n = (size_t)load_le64(list->rest.bytes);
    *operand = moss_slice(list->rest.bytes + 8, n);
    list->rest = moss_slice(list->rest.bytes + 8 + n, list->rest.len - 8 - n);
    return true;
}

bool
operands_open(struct moss_slice value, struct operand_list *list)
{
    memset(list, 0, sizeof *list);
    if (!has_mark(value))
        return false;
    list->has_base = value.bytes[MARK_BYTES] != 0;
    list->rest =
        moss_slice(value.bytes + MARK_BYTES + 1, value.len - MARK_BYTES - 1);
    return !list->has_base || operands_next(list, &list->base);
}

/* ------------------------------------------------------------------ */
/* Operators by name                                                  */
/* ------------------------------------------------------------------ */

static enum moss_status
refuse(void *ctx, struct moss_slice key, const struct moss_slice *existing,
       const struct moss_slice *operands, size_t n, struct moss_output *out)
{
    (void)ctx;
    (void)key;
    (void)existing;
    (void)operands;
    (void)n;
    (void)out;
    return MOSS_MERGE_FAILED;
}

/* Without a name, so that none is recorded in the store. */
const struct moss_merge_operator operator_refuse = { "", refuse, NULL, NULL };

enum scope_exit
operator_named(const struct args *a, const struct moss_merge_operator **out)
{
    static struct moss_merge_operator with_separator;

    *out = NULL;
    make_mark();
    if (a->merge == NULL)
        return SCOPE_OK;
    *out = moss_merge_builtin(a->merge);
    if (*out == NULL && moss_merge_append(a->merge, &with_separator) == MOSS_OK)
        *out = &with_separator;
    if (*out != NULL)
        return SCOPE_OK;
    return scope_complain("no merge operator is called \"%s\"", a->merge);
}
