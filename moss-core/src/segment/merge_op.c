/*
 * Calling merge operators: where their output goes, and what their answers
 * mean.
 *
 * An operator belongs to the host program.  Nothing it returns is taken on
 * trust: a failure to append that it swallowed still counts, and an answer
 * that is none becomes MOSS_MERGE_FAILED.  Any thread.
 */
#include "segment/merge_op.h"

#include "base/mem.h"

void
output_init(struct moss_output *out)
{
    buf_init(&out->buf);
    out->status = MOSS_OK;
}

void
output_release(struct moss_output *out)
{
    buf_release(&out->buf);
}

enum moss_status
moss_output_append(struct moss_output *out, const void *bytes, size_t len)
{
    enum moss_status st = out->status;

    if (st == MOSS_OK && len > MOSS_MAX_VALUE - out->buf.len)
        st = MOSS_TOO_BIG;
    if (st == MOSS_OK && len > 0)
        st = buf_append(&out->buf, bytes, len);
    out->status = st;
    return st;
}

void
operands_init(struct operands *list)
{
    list->slices = list->few;
    list->n = 0;
    list->cap = sizeof(list->few) / sizeof(list->few[0]);
}

void
operands_release(struct operands *list)
{
    if (list->slices != list->few)
        mem_free(list->slices);
    operands_init(list);
}

static enum moss_status
grow(struct operands *list)
{
    bool first = list->slices == list->few;
    struct moss_slice *p =
        mem_resize(first ? NULL : list->slices, 2 * list->cap, sizeof(*p));

    if (p == NULL)
        return MOSS_NOMEM;
    if (first)
        memcpy(p, list->few, sizeof(list->few));
    list->slices = p;
    list->cap *= 2;
    return MOSS_OK;
}

enum moss_status
operands_push(struct operands *list, struct moss_slice operand)
{
    if (list->n == list->cap) {
        enum moss_status st = grow(list);

        if (st < 0)
            return st;
    }
    list->slices[list->n++] = operand;
    return MOSS_OK;
}

void
operands_reverse(struct operands *list)
{
    for (size_t i = 0, j = list->n; i + 1 < j; i++) {
        struct moss_slice s = list->slices[--j];

        list->slices[j] = list->slices[i];
        list->slices[i] = s;
    }
}

static void
output_begin(struct moss_output *out)
{
    buf_clear(&out->buf);
    out->status = MOSS_OK;
}

/* What an operator's answer amounts to. */
static enum moss_status
judge(enum moss_status answer, const struct moss_output *out)
{
    if (answer == MOSS_OK)
        return out->status;
    return answer == MOSS_NOMEM || answer == MOSS_TOO_BIG ? answer
                                                          : MOSS_MERGE_FAILED;
}

enum moss_status
merge_op_full(const struct moss_merge_operator *merge, struct moss_slice key,
              const struct moss_slice *existing, const struct operands *list,
              struct moss_output *out)
{
    if (!merge_op_usable(merge))
        return MOSS_NO_OPERATOR;
    output_begin(out);
    return judge(
        merge->full(merge->ctx, key, existing, list->slices, list->n, out),
        out);
}

enum moss_status
merge_op_partial(const struct moss_merge_operator *merge, struct moss_slice key,
                 const struct operands *list, struct moss_output *out)
{
    enum moss_status st;

    if (!merge_op_usable(merge))
        return MOSS_NO_OPERATOR;
    if (merge->partial == NULL)
        return MOSS_NOT_FOUND;
    output_begin(out);
    st = merge->partial(merge->ctx, key, list->slices, list->n, out);
    return st == MOSS_NOT_FOUND ? st : judge(st, out);
}

void
merge_op_give(struct moss_output *out, struct moss_value *value)
{
    value->bytes = output_slice(out);
    value->owned = out->buf.bytes;
    buf_init(&out->buf);
}

enum moss_status
moss_value_copy(struct moss_value *value, struct moss_slice bytes)
{
    void *copy = NULL;

    value->bytes = moss_slice("", 0);
    value->owned = NULL;
    if (bytes.len > 0) {
        copy = mem_dup(bytes.bytes, bytes.len);
        if (copy == NULL)
            return MOSS_NOMEM;
        value->bytes = moss_slice(copy, bytes.len);
    }
    value->owned = copy;
    return MOSS_OK;
}

void
moss_value_release(struct moss_value *value)
{
    mem_free(value->owned);
    value->owned = NULL;
    value->bytes = moss_slice(NULL, 0);
}
