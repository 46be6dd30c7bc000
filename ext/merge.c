/*
 * The merge operators that merge='name' can name.  They run on moss's
 * background threads too: nothing of SQLite is called here.
 */
#include "ext.h"

#include <string.h>

#define NUMBER_BYTES 8

/* Add a little-endian number, modulo 2^64; false if it is none. */
static bool
add_number(uint64_t *sum, struct moss_slice bytes)
{
    uint64_t v = 0;

    if (bytes.len != NUMBER_BYTES)
        return false;
    for (size_t i = NUMBER_BYTES; i-- > 0;)
        v = v << 8 | bytes.bytes[i];
    *sum += v;
    return true;
}

static enum moss_status
append_number(struct moss_output *out, uint64_t v)
{
    uint8_t buf[NUMBER_BYTES];

    for (size_t i = 0; i < NUMBER_BYTES; i++)
        buf[i] = (uint8_t)(v >> (8 * i));
    return moss_output_append(out, buf, sizeof(buf));
}

static enum moss_status
add_full(void *ctx, struct moss_slice key, const struct moss_slice *existing,
         const struct moss_slice *operands, size_t n, struct moss_output *out)
{
    uint64_t sum = 0;

    (void)ctx;
    (void)key;
    if (existing != NULL && !add_number(&sum, *existing))
        return MOSS_MERGE_FAILED;
    for (size_t i = 0; i < n; i++) {
        if (!add_number(&sum, operands[i]))
            return MOSS_MERGE_FAILED;
    }
    return append_number(out, sum);
}

static enum moss_status
add_partial(void *ctx, struct moss_slice key, const struct moss_slice *operands,
            size_t n, struct moss_output *out)
{
    return add_full(ctx, key, NULL, operands, n, out);
}

static const struct moss_merge_operator operators[] = {
    { "add", add_full, add_partial, NULL },
};

const struct moss_merge_operator *
merge_find(const char *name)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (strcmp(operators[i].name, name) == 0)
            return &operators[i];
    }
    return NULL;
}
