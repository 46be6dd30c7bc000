/* The merge operators of the tests: stateless, for any thread. */
#include "support/operators.h"

#include "base/coding.h"

static enum moss_status
append_all(const struct moss_slice *operands, size_t n, struct moss_output *out)
{
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; st == MOSS_OK && i < n; i++)
        st = moss_output_append(out, operands[i].bytes, operands[i].len);
    return st;
}

static enum moss_status
append_full(void *ctx, struct moss_slice key, const struct moss_slice *existing,
            const struct moss_slice *operands, size_t n,
            struct moss_output *out)
{
    enum moss_status st = MOSS_OK;

    (void)ctx;
    (void)key;
    if (existing != NULL)
        st = append_all(existing, 1, out);
    return st == MOSS_OK ? append_all(operands, n, out) : st;
}

static enum moss_status
append_partial(void *ctx, struct moss_slice key,
               const struct moss_slice *operands, size_t n,
               struct moss_output *out)
{
    (void)ctx;
    (void)key;
    return append_all(operands, n, out);
}

const struct moss_merge_operator merge_append = {
    .name = "append",
    .full = append_full,
    .partial = append_partial,
};

static enum moss_status
add_full(void *ctx, struct moss_slice key, const struct moss_slice *existing,
         const struct moss_slice *operands, size_t n, struct moss_output *out)
{
    uint8_t bytes[8];
    uint64_t sum = 0;

    (void)ctx;
    (void)key;
    if (existing != NULL) {
        if (existing->len != 8)
            return MOSS_MERGE_FAILED;
        sum = load_le64(existing->bytes);
    }
    for (size_t i = 0; i < n; i++) {
        if (operands[i].len != 8)
            return MOSS_MERGE_FAILED;
        sum += load_le64(operands[i].bytes);
    }
    store_le64(bytes, sum);
    return moss_output_append(out, bytes, sizeof(bytes));
}

const struct moss_merge_operator merge_add = {
    .name = "add",
    .full = add_full,
};

static enum moss_status
fail_full(void *ctx, struct moss_slice key, const struct moss_slice *existing,
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

const struct moss_merge_operator merge_fail = {
    .name = "fail",
    .full = fail_full,
};
