/*
 * The built-in merge operators.
 *
 * All but the sum of doubles combine partially, by the same function that
 * makes values: an absent value changes nothing, so operands combine to what
 * they would be over nothing.
 *
 * Integers that wrap around, and least and greatest over a total order, give
 * the same whatever is combined first.  Doubles that are added do not, in the
 * last digits; so they are always added from the oldest on.
 *
 * Stateless; ctx of "append:SEP" is SEP, inside the caller's name.  Any
 * thread.
 */
#include "segment/merge_op.h"

#include "base/coding.h"

enum { NUMBER_BYTES = 8 };

/* ------------------------------------------------------------------ */
/* Append                                                             */
/* ------------------------------------------------------------------ */

static enum moss_status
append_one(struct moss_output *out, struct moss_slice bytes)
{
    return moss_output_append(out, bytes.bytes, bytes.len);
}

static enum moss_status
append_full(void *ctx, struct moss_slice key, const struct moss_slice *existing,
            const struct moss_slice *operands, size_t n,
            struct moss_output *out)
{
    struct moss_slice separator = moss_str(ctx);
    enum moss_status st = MOSS_OK;

    (void)key;
    if (existing != NULL)
        st = append_one(out, *existing);
    for (size_t i = 0; st == MOSS_OK && i < n; i++) {
        if (i > 0 || existing != NULL)
            st = append_one(out, separator);
        if (st == MOSS_OK)
            st = append_one(out, operands[i]);
    }
    return st;
}

static enum moss_status
append_partial(void *ctx, struct moss_slice key,
               const struct moss_slice *operands, size_t n,
               struct moss_output *out)
{
    return append_full(ctx, key, NULL, operands, n, out);
}

/* ------------------------------------------------------------------ */
/* Numbers                                                            */
/* ------------------------------------------------------------------ */

/* What a number becomes with the next one; both as their 8 bytes. */
typedef uint64_t combine_fn(uint64_t a, uint64_t b);

static uint64_t
add(uint64_t a, uint64_t b)
{
    return a + b;
}

/* Turn the bits of a signed integer into a number of the same order. */
static uint64_t
integer_rank(uint64_t bits)
{
    return bits ^ (uint64_t)1 << 63;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
    return integer_rank(b) < integer_rank(a) ? b : a;
}

static uint64_t
greatest(uint64_t a, uint64_t b)
{
    return integer_rank(b) > integer_rank(a) ? b : a;
}

static double
double_of(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof(d));
    return d;
}

static uint64_t
add_double(uint64_t a, uint64_t b)
{
    double sum = double_of(a) + double_of(b);
    uint64_t bits;

    memcpy(&bits, &sum, sizeof(bits));
    return bits;
}

static bool
is_nan(uint64_t bits)
{
    return double_of(bits) != double_of(bits);
}

/* The same for a double: the sign bit turns all others round. */
static uint64_t
double_rank(uint64_t bits)
{
    return bits >> 63 != 0 ? ~bits : integer_rank(bits);
}

static uint64_t
least_double(uint64_t a, uint64_t b)
{
    if (is_nan(a) != is_nan(b))
        return is_nan(a) ? b : a;
    return double_rank(b) < double_rank(a) ? b : a;
}

static uint64_t
greatest_double(uint64_t a, uint64_t b)
{
    if (is_nan(a) != is_nan(b))
        return is_nan(a) ? b : a;
    return double_rank(b) > double_rank(a) ? b : a;
}

/* What a numeric operator's ctx points to: a function pointer is no object. */
struct rule {
    combine_fn *combine;
};

static enum moss_status
number_full(void *ctx, struct moss_slice key, const struct moss_slice *existing,
            const struct moss_slice *operands, size_t n,
            struct moss_output *out)
{
    const struct rule *rule = ctx;
    const struct moss_slice *first = existing != NULL ? existing : operands;
    uint8_t bytes[NUMBER_BYTES];
    uint64_t result;

    (void)key;
    if (first->len != NUMBER_BYTES)
        return MOSS_MERGE_FAILED;
    result = load_le64(first->bytes);
    for (size_t i = existing != NULL ? 0 : 1; i < n; i++) {
        if (operands[i].len != NUMBER_BYTES)
            return MOSS_MERGE_FAILED;
        result = rule->combine(result, load_le64(operands[i].bytes));
    }
    store_le64(bytes, result);
    return moss_output_append(out, bytes, sizeof(bytes));
}

static enum moss_status
number_partial(void *ctx, struct moss_slice key,
               const struct moss_slice *operands, size_t n,
               struct moss_output *out)
{
    return number_full(ctx, key, NULL, operands, n, out);
}

/* ------------------------------------------------------------------ */
/* By name                                                            */
/* ------------------------------------------------------------------ */

static struct rule sums = { add }, minima = { least }, maxima = { greatest },
                   double_sums = { add_double },
                   double_minima = { least_double },
                   double_maxima = { greatest_double };

static char nothing[] = "";

static const struct moss_merge_operator builtin[] = {
    { "append", append_full, append_partial, nothing },
    { "add", number_full, number_partial, &sums },
    { "min", number_full, number_partial, &minima },
    { "max", number_full, number_partial, &maxima },
    { "add_double", number_full, NULL, &double_sums },
    { "min_double", number_full, number_partial, &double_minima },
    { "max_double", number_full, number_partial, &double_maxima },
};

const struct moss_merge_operator *
moss_merge_builtin(const char *name)
{
    for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++) {
        if (strcmp(builtin[i].name, name) == 0)
            return &builtin[i];
    }
    return NULL;
}

enum moss_status
moss_merge_append(const char *name, struct moss_merge_operator *out)
{
    static const char begin[] = "append:";

    memset(out, 0, sizeof(*out));
    if (strncmp(name, begin, sizeof(begin) - 1) != 0)
        return MOSS_INVALID;
    out->name = name;
    out->full = append_full;
    out->partial = append_partial;
    out->ctx = (void *)(uintptr_t)(name + sizeof(begin) - 1);
    return MOSS_OK;
}
