/*
 * Contents to text and text to batches.  The reader of batches takes a word at
 * a time; braces open and close the batch of a child.
 */
#include "support/dump.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/fixture.h"

/* ------------------------------------------------------ contents to text */

static void
put_entry(FILE *f, const struct moss_iterator *it, bool is_first)
{
    struct moss_slice key, value;
    char *k, *v;

    moss_iterator_current(it, &key, &value);
    k = text_of(key);
    v = text_of(value);
    fprintf(f, "%s%s=%s", is_first ? "" : " ", k, v);
    free(k);
    free(v);
}

/* Returns whether there was any. */
static bool
put_entries(FILE *f, struct moss_snapshot *snap, bool backwards)
{
    struct moss_iterator *it;
    enum moss_status st;
    bool any = false;

    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    st = backwards ? moss_iterator_last(it) : moss_iterator_first(it);
    while (st == MOSS_OK) {
        put_entry(f, it, !any);
        any = true;
        st = backwards ? moss_iterator_prev(it) : moss_iterator_next(it);
    }
    assert_status(st, MOSS_DONE);
    moss_iterator_free(it);
    return any;
}

struct tree_dump {
    FILE *f;
    struct moss_snapshot *snap;
    bool any;
};

static enum moss_status
put_child(void *arg, struct moss_slice name)
{
    struct tree_dump *d = arg;
    struct tree_dump below = { .f = d->f };
    char *text = text_of(name);

    fprintf(d->f, "%s%s{", d->any ? " " : "", text);
    free(text);
    d->any = true;
    assert_ok(moss_snapshot_child(d->snap, name, &below.snap));
    below.any = put_entries(d->f, below.snap, false);
    assert_ok(moss_snapshot_children(below.snap, put_child, &below));
    fputc('}', d->f);
    moss_snapshot_unref(below.snap);
    return MOSS_OK;
}

static char *
dump(struct moss_snapshot *snap, bool backwards, bool with_children)
{
    char *text = NULL;
    size_t n;
    FILE *f = must_alloc(open_memstream(&text, &n));
    struct tree_dump d = { .f = f, .snap = snap };

    d.any = put_entries(f, snap, backwards);
    if (with_children)
        assert_ok(moss_snapshot_children(snap, put_child, &d));
    ck_assert_int_eq(fclose(f), 0);
    return text;
}

char *
dump_snapshot(struct moss_snapshot *snap)
{
    return dump(snap, false, false);
}

char *
dump_backwards(struct moss_snapshot *snap)
{
    return dump(snap, true, false);
}

char *
dump_tree(struct moss_snapshot *snap)
{
    return dump(snap, false, true);
}

void
assert_snapshot(struct moss_snapshot *snap, const char *text)
{
    char *got = dump_snapshot(snap);

    ck_assert_str_eq(got, text);
    free(got);
}

void
assert_tree(struct moss_snapshot *snap, const char *text)
{
    char *got = dump_tree(snap);

    ck_assert_str_eq(got, text);
    free(got);
}

void
assert_collection(struct moss_collection *c, const char *text)
{
    struct moss_snapshot *snap;

    assert_ok(moss_collection_snapshot(c, &snap));
    assert_tree(snap, text);
    moss_snapshot_unref(snap);
}

/* ------------------------------------------------------- text to batches */

static const char *
skip_spaces(const char *p)
{
    while (*p == ' ')
        p++;
    return p;
}

/* One change; word is n bytes long. */
static enum moss_status
add_word(struct moss_batch *batch, const char *word, size_t n)
{
    const char *sign = memchr(word, '=', n);
    bool is_set = sign != NULL;

    if (*word == '*' && n == 1) {
        moss_batch_clear(batch);
        return MOSS_OK;
    }
    if (*word == '-') {
        assert_ok(moss_batch_del(batch, moss_slice(word + 1, n - 1)));
        return MOSS_OK;
    }
    if (*word == '!') {
        assert_ok(moss_batch_del_child(batch, moss_slice(word + 1, n - 1)));
        return MOSS_OK;
    }
    if (!is_set && (sign = memchr(word, '>', n)) != NULL)
        return moss_batch_rename_child(
            batch, moss_slice(word, (size_t)(sign - word)),
            moss_slice(sign + 1, n - (size_t)(sign - word) - 1));
    if (!is_set)
        sign = memchr(word, '+', n);
    ck_assert_msg(sign != NULL, "no change: %.*s", (int)n, word);

    struct moss_slice key = moss_slice(word, (size_t)(sign - word));
    struct moss_slice value =
        moss_slice(sign + 1, n - (size_t)(sign - word) - 1);

    if (is_set)
        assert_ok(moss_batch_set(batch, key, value));
    else
        assert_ok(moss_batch_merge(batch, key, value));
    return MOSS_OK;
}

/* Up to the brace that closes this batch, or the end; returns what is left. */
static const char *
add_words(struct moss_batch *batch, const char *p, int depth,
          enum moss_status *status)
{
    for (p = skip_spaces(p); *p != '\0' && *p != '}'; p = skip_spaces(p)) {
        size_t n = strcspn(p, " {}");
        struct moss_batch *child;

        ck_assert_msg(n > 0, "no word: %s", p);
        if (p[n] != '{') {
            enum moss_status st = add_word(batch, p, n);

            if (*status == MOSS_OK)
                *status = st;
            p += n;
            continue;
        }
        assert_ok(moss_batch_child(batch, moss_slice(p, n), &child));
        p = add_words(child, p + n + 1, depth + 1, status);
        ck_assert_msg(*p == '}', "a brace is open");
        p++;
    }
    ck_assert_msg(depth > 0 || *p == '\0', "a brace too many");
    return p;
}

enum moss_status
batch_try(struct moss_batch *batch, const char *text)
{
    enum moss_status status = MOSS_OK;

    (void)add_words(batch, text, 0, &status);
    return status;
}

void
batch_add(struct moss_batch *batch, const char *text)
{
    assert_ok(batch_try(batch, text));
}

struct moss_batch *
batch_of(const char *text)
{
    struct moss_batch *batch;

    assert_ok(moss_batch_new(0, 0, &batch));
    batch_add(batch, text);
    return batch;
}
