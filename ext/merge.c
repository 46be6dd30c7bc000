/*
 * Rows that are merged instead of replaced.  An operand is a row in which each
 * column says what is to be done with it (DESIGN.md, "MERGE columns"); so the
 * merger, the persister and every reader can apply it without knowing the
 * table.
 *
 * It must not matter in how many steps operands are applied: hence sums of
 * integers are exact, whatever lies between, and reals are added one by one,
 * from the oldest to the newest, which two operands that become one only put
 * behind each other.
 *
 * Runs on readers' and on background threads: nothing of SQLite is called, and
 * memory comes from calloc().
 */
#include "merge.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------- what is read */

/* One column of one input. */
struct piece {
    bool present;
    uint8_t head;           /* of an operand: rule, collation, has a base */
    struct moss_slice base; /* the column that a row without it has */
    struct datum base_d;
    struct moss_slice raw; /* the value; of a sum, its integers */
    struct datum d;
    struct moss_slice reals; /* of a sum: 8 bytes each */
};

/* A row or an operand that is being read. */
struct input {
    struct moss_slice notes;
    struct moss_slice rest; /* the columns that follow */
    size_t n_notes;
    struct piece at;
};

static bool
take_column(struct moss_slice *in, struct moss_slice *raw, struct datum *d)
{
    const uint8_t *start = in->bytes;

    if (!row_take(in, d))
        return false;
    *raw = moss_slice(start, (size_t)(in->bytes - start));
    return true;
}

/* What a record begins with. */
static bool
take_notes(struct moss_slice *in, size_t n_notes, struct moss_slice *notes)
{
    size_t n = row_notes_length(*in, n_notes);

    if (n == 0)
        return false;
    *notes = moss_slice(in->bytes, n);
    *in = moss_slice(in->bytes + n, in->len - n);
    return true;
}

static bool
begin_operand(struct moss_slice bytes, struct input *in)
{
    memset(in, 0, sizeof(*in));
    if (bytes.len == 0 || bytes.bytes[0] == 0)
        return false;
    in->n_notes = bytes.bytes[0];
    in->rest = moss_slice(bytes.bytes + 1, bytes.len - 1);
    return take_notes(&in->rest, in->n_notes, &in->notes);
}

static bool
begin_record(struct moss_slice bytes, size_t n_notes, struct input *in)
{
    memset(in, 0, sizeof(*in));
    in->rest = bytes;
    return take_notes(&in->rest, n_notes, &in->notes);
}

static bool
take_reals(struct moss_slice *in, struct moss_slice *reals)
{
    uint64_t n;

    if (!row_take_varint(in, &n) || n > in->len / 8)
        return false;
    *reals = moss_slice(in->bytes, (size_t)n * 8);
    *in = moss_slice(in->bytes + n * 8, in->len - (size_t)n * 8);
    return true;
}

/* The next column of an operand. */
static bool
next_of_operand(struct input *in)
{
    struct piece *p = &in->at;

    memset(p, 0, sizeof(*p));
    if (in->rest.len == 0)
        return true;
    p->present = true;
    p->head = in->rest.bytes[0];
    in->rest = moss_slice(in->rest.bytes + 1, in->rest.len - 1);
    if ((p->head & MERGE_RULE_MASK) >= MERGE_N)
        return false;
    if ((p->head & MERGE_HAS_BASE) != 0 &&
        !take_column(&in->rest, &p->base, &p->base_d))
        return false;
    if (!take_column(&in->rest, &p->raw, &p->d))
        return false;
    return (p->head & MERGE_RULE_MASK) != MERGE_SUM ||
           take_reals(&in->rest, &p->reals);
}

static bool
next_of_record(struct input *in)
{
    memset(&in->at, 0, sizeof(in->at));
    if (in->rest.len == 0)
        return true;
    in->at.present = true;
    return take_column(&in->rest, &in->at.raw, &in->at.d);
}

/* ------------------------------------------------------------------- sums */

/* A sum: integers exactly, in 128 bits, and reals in their order. */
struct sum {
    struct wide ints;
    bool has_int, has_real;
    double real;
};

static void
add_real(struct sum *s, double r)
{
    s->real = s->has_real ? s->real + r : r;
    s->has_real = true;
}

static void
add_wide(struct sum *s, struct wide w)
{
    s->ints = wide_add(s->ints, w);
    s->has_int = true;
}

/* A column's value, as a record has it; false: it is no number. */
static bool
add_value(struct sum *s, const struct datum *d)
{
    struct wide ints;
    double real;
    bool has_real;

    switch (d->type) {
    case SQLITE_NULL:
        return true;
    case SQLITE_INTEGER:
        add_wide(s, wide_of(d->i));
        return true;
    case SQLITE_FLOAT:
        if (!row_take_sum(d, &ints, &real, &has_real)) {
            add_real(s, d->r);
            return true;
        }
        add_wide(s, ints);
        if (has_real)
            add_real(s, real);
        return true;
    default:
        return false;
    }
}

static double
real_at(struct moss_slice reals, size_t i)
{
    uint64_t bits = 0;
    double r;

    for (size_t k = 8; k-- > 0;)
        bits = bits << 8 | reals.bytes[8 * i + k];
    memcpy(&r, &bits, sizeof(r));
    return r;
}

static bool
add_piece(struct sum *s, const struct piece *p)
{
    if (!add_value(s, &p->d))
        return false;
    for (size_t i = 0; i < p->reals.len / 8; i++)
        add_real(s, real_at(p->reals, i));
    return true;
}

/* -------------------------------------------------------- least, greatest */

static int
compare_real(double a, double b)
{
    return (a > b) - (a < b);
}

static int
compare_mixed(int64_t i, double r)
{
    int64_t whole;

    if (r < -9223372036854775808.0)
        return 1;
    if (r >= 9223372036854775808.0)
        return -1;
    whole = (int64_t)r;
    if (i != whole)
        return i < whole ? -1 : 1;
    return compare_real((double)whole, r);
}

static int
compare_number(const struct datum *a, const struct datum *b)
{
    if (a->type == SQLITE_INTEGER && b->type == SQLITE_INTEGER)
        return (a->i > b->i) - (a->i < b->i);
    if (a->type == SQLITE_INTEGER)
        return compare_mixed(a->i, b->r);
    if (b->type == SQLITE_INTEGER)
        return -compare_mixed(b->i, a->r);
    return compare_real(a->r, b->r);
}

static size_t
without_spaces(struct moss_slice s)
{
    while (s.len > 0 && s.bytes[s.len - 1] == ' ')
        s.len--;
    return s.len;
}

static int
fold_case(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* As NOCASE does it: up to a NUL that both have, then by length. */
static int
compare_nocase(struct moss_slice a, struct moss_slice b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        int c = fold_case(a.bytes[i]) - fold_case(b.bytes[i]);

        if (c != 0)
            return c;
        if (a.bytes[i] == 0)
            break;
    }
    return (a.len > b.len) - (a.len < b.len);
}

static int
compare_bytes(struct moss_slice a, struct moss_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.bytes, b.bytes, n);

    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int
class_of(const struct datum *d)
{
    return d->type == SQLITE_TEXT ? 1 : d->type == SQLITE_BLOB ? 2 : 0;
}

/* The order of ORDER BY; neither is NULL. */
static int
compare(const struct datum *a, const struct datum *b, enum collation collation)
{
    struct moss_slice x = a->bytes, y = b->bytes;

    if (class_of(a) != class_of(b))
        return class_of(a) - class_of(b);
    if (class_of(a) == 0)
        return compare_number(a, b);
    if (a->type == SQLITE_TEXT && collation == COLLATION_NOCASE)
        return compare_nocase(x, y);
    if (a->type == SQLITE_TEXT && collation == COLLATION_RTRIM) {
        x.len = without_spaces(x);
        y.len = without_spaces(y);
    }
    return compare_bytes(x, y);
}

/* -------------------------------------------------------------- combining */

/* The inputs of one call, oldest first; a record is number 0, if any. */
struct merge {
    struct input *inputs;
    size_t n;
    bool has_record;
    bool partial; /* operands become an operand */
    struct moss_output *out;
};

static enum moss_status
put(struct merge *m, struct moss_slice bytes)
{
    return moss_output_append(m->out, bytes.bytes, bytes.len);
}

static enum moss_status
put_null(struct merge *m)
{
    return moss_output_append(m->out, "", 1);
}

/*
 * What input i has in this column.  If the oldest one lacks it, which was
 * written before the column was appended, it has the base that the oldest
 * operand with the column knows.
 */
static bool
value_at(const struct merge *m, size_t i, const struct piece **out,
         struct piece *base)
{
    const struct piece *p = &m->inputs[i].at;

    *out = p;
    if (p->present || i > 0)
        return p->present;
    for (size_t k = 1; k < m->n; k++) {
        const struct piece *o = &m->inputs[k].at;

        if (!o->present)
            continue;
        if ((o->head & MERGE_HAS_BASE) == 0)
            return false;
        memset(base, 0, sizeof(*base));
        base->raw = o->base;
        base->d = o->base_d;
        *out = base;
        return true;
    }
    return false;
}

static enum moss_status
put_first(struct merge *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->inputs[i].at.present)
            return put(m, m->inputs[i].at.raw);
    return MOSS_MERGE_FAILED;
}

static enum moss_status
put_last(struct merge *m)
{
    for (size_t i = m->n; i-- > 0;)
        if (m->inputs[i].at.present)
            return put(m, m->inputs[i].at.raw);
    return MOSS_MERGE_FAILED;
}

/* Of equal ones the oldest. */
static enum moss_status
put_extreme(struct merge *m, int sign, enum collation collation)
{
    struct datum best = { .type = SQLITE_NULL };
    struct moss_slice raw = { 0 };

    for (size_t i = 0; i < m->n; i++) {
        const struct piece *p;
        struct piece base;

        if (!value_at(m, i, &p, &base) || p->d.type == SQLITE_NULL)
            continue;
        if (best.type == SQLITE_NULL ||
            sign * compare(&p->d, &best, collation) > 0) {
            best = p->d;
            raw = p->raw;
        }
    }
    return best.type == SQLITE_NULL ? put_null(m) : put(m, raw);
}

static enum moss_status
put_appended(struct merge *m)
{
    uint8_t head[ROW_HEAD_BYTES];
    struct moss_slice only = { 0 };
    uint64_t total = 0;
    size_t parts = 0;
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; i < m->n; i++) {
        const struct piece *p;
        struct piece base;

        if (!value_at(m, i, &p, &base) || p->d.type == SQLITE_NULL)
            continue;
        if (class_of(&p->d) == 0)
            return MOSS_MERGE_FAILED;
        parts++;
        total += p->d.bytes.len;
        only = p->raw;
    }
    if (parts < 2)
        return parts == 0 ? put_null(m) : put(m, only);
    st = put(m, moss_slice(head, row_text_head(total, head)));
    for (size_t i = 0; i < m->n && st == MOSS_OK; i++) {
        const struct piece *p;
        struct piece base;

        if (value_at(m, i, &p, &base) && p->d.type != SQLITE_NULL)
            st = put(m, p->d.bytes);
    }
    return st;
}

/* The reals of an operand that stands for others: all of theirs. */
static enum moss_status
put_reals(struct merge *m)
{
    uint8_t head[ROW_HEAD_BYTES];
    uint64_t n = 0;
    enum moss_status st;

    for (size_t i = 0; i < m->n; i++)
        n += m->inputs[i].at.reals.len / 8;
    st = put(m, moss_slice(head, row_varint(n, head)));
    for (size_t i = 0; i < m->n && st == MOSS_OK; i++)
        st = put(m, m->inputs[i].at.reals);
    return st;
}

static enum moss_status
put_sum(struct merge *m)
{
    struct sum s = { 0 };
    uint8_t buf[ROW_SUM_BYTES];
    size_t n;
    enum moss_status st;

    for (size_t i = 0; i < m->n; i++) {
        const struct piece *p;
        struct piece base;

        if (!value_at(m, i, &p, &base))
            continue;
        if (m->partial ? !add_value(&s, &p->d) : !add_piece(&s, p))
            return MOSS_MERGE_FAILED;
    }
    /* In an operand the integers stand alone. */
    n = row_sum(s.ints, s.has_int, s.real, s.has_real, buf);
    st = put(m, moss_slice(buf, n));
    return st == MOSS_OK && m->partial ? put_reals(m) : st;
}

/*
 * The head of a column of the operand that is made, and its base, unless that
 * is in the value already.
 */
static enum moss_status
put_head(struct merge *m, const struct piece *oldest)
{
    bool base = (oldest->head & MERGE_HAS_BASE) != 0 && m->inputs[0].at.present;
    uint8_t head = oldest->head & (uint8_t)~MERGE_HAS_BASE;
    enum moss_status st;

    if (base)
        head |= MERGE_HAS_BASE;
    st = moss_output_append(m->out, &head, 1);
    return st == MOSS_OK && base ? put(m, oldest->base) : st;
}

/* The column that all inputs stand at. */
static enum moss_status
put_column(struct merge *m)
{
    const struct piece *oldest = NULL;
    enum collation collation;
    enum moss_status st = MOSS_OK;

    for (size_t i = m->has_record ? 1 : 0; i < m->n && oldest == NULL; i++)
        if (m->inputs[i].at.present)
            oldest = &m->inputs[i].at;
    /* Of a newer version of the table than the operands. */
    if (oldest == NULL)
        return put(m, m->inputs[0].at.raw);
    if (m->partial)
        st = put_head(m, oldest);
    if (st != MOSS_OK)
        return st;
    collation = (enum collation)((oldest->head >> MERGE_COLLATION_SHIFT) &
                                 MERGE_COLLATION_MASK);
    switch ((enum merge_rule)(oldest->head & MERGE_RULE_MASK)) {
    case MERGE_FIRST:
        return put_first(m);
    case MERGE_SUM:
        return put_sum(m);
    case MERGE_MIN:
        return put_extreme(m, -1, collation);
    case MERGE_MAX:
        return put_extreme(m, 1, collation);
    case MERGE_APPEND:
        return put_appended(m);
    case MERGE_NONE:
    case MERGE_LAST:
    case MERGE_N:
    default:
        return put_last(m);
    }
}

/* Go to the next column; *any: there is one. */
static bool
next_column(struct merge *m, bool *any)
{
    *any = false;
    for (size_t i = 0; i < m->n; i++) {
        struct input *in = &m->inputs[i];
        bool record = i == 0 && m->has_record;

        if (!(record ? next_of_record(in) : next_of_operand(in)))
            return false;
        *any = *any || in->at.present;
    }
    return true;
}

static enum moss_status
merge_columns(struct merge *m)
{
    enum moss_status st = MOSS_OK;
    bool any = true;

    if (m->partial) {
        uint8_t n_notes = (uint8_t)m->inputs[0].n_notes;

        st = moss_output_append(m->out, &n_notes, 1);
    }
    /* The key is that of the row that came first. */
    if (st == MOSS_OK)
        st = put(m, m->inputs[0].notes);
    while (st == MOSS_OK && any) {
        if (!next_column(m, &any))
            st = MOSS_MERGE_FAILED;
        else if (any)
            st = put_column(m);
    }
    return st;
}

static enum moss_status
merge_inputs(const struct moss_slice *existing,
             const struct moss_slice *operands, size_t n, bool partial,
             struct moss_output *out)
{
    struct merge m = { .partial = partial, .out = out };
    size_t first = existing != NULL ? 1 : 0;
    enum moss_status st = MOSS_OK;

    m.has_record = existing != NULL;
    m.n = n + first;
    m.inputs = calloc(m.n, sizeof(*m.inputs));
    if (m.inputs == NULL)
        return MOSS_NOMEM;
    for (size_t i = 0; i < n && st == MOSS_OK; i++)
        if (!begin_operand(operands[i], &m.inputs[first + i]))
            st = MOSS_MERGE_FAILED;
    if (st == MOSS_OK && existing != NULL &&
        !begin_record(*existing, m.inputs[1].n_notes, &m.inputs[0]))
        st = MOSS_MERGE_FAILED;
    if (st == MOSS_OK)
        st = merge_columns(&m);
    free(m.inputs);
    return st;
}

static enum moss_status
full(void *ctx, struct moss_slice key, const struct moss_slice *existing,
     const struct moss_slice *operands, size_t n, struct moss_output *out)
{
    (void)ctx;
    (void)key;
    return merge_inputs(existing, operands, n, false, out);
}

static enum moss_status
partial(void *ctx, struct moss_slice key, const struct moss_slice *operands,
        size_t n, struct moss_output *out)
{
    (void)ctx;
    (void)key;
    return merge_inputs(NULL, operands, n, true, out);
}

const struct moss_merge_operator merge_rows = {
    .name = "sqlite-rows",
    .full = full,
    .partial = partial,
};
