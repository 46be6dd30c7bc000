/* Trees of models. */
#include "support/model_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/model.h"

enum { MAX_CHILDREN = 8, NAME_ROOM = 16 };

struct model_tree {
    char name[NAME_ROOM];
    struct model *entries;
    enum moss_status failed; /* a rename in it, while a batch is applied */
    size_t n;
    struct model_tree *children[MAX_CHILDREN]; /* sorted by name */
};

struct model_tree *
model_tree_new(void)
{
    struct model_tree *t = must_alloc(calloc(1, sizeof(*t)));

    t->entries = model_new();
    return t;
}

void
model_tree_free(struct model_tree *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        model_tree_free(t->children[i]);
    model_free(t->entries);
    free(t);
}

static struct model_tree *
model_tree_clone(const struct model_tree *t)
{
    struct model_tree *copy = must_alloc(calloc(1, sizeof(*copy)));

    memcpy(copy->name, t->name, sizeof(copy->name));
    copy->entries = model_clone(t->entries);
    for (copy->n = 0; copy->n < t->n; copy->n++)
        copy->children[copy->n] = model_tree_clone(t->children[copy->n]);
    return copy;
}

/* Where the child of that name is, or would be. */
static size_t
find_child(const struct model_tree *t, const char *name, size_t len)
{
    size_t i = 0;

    while (i < t->n && (strncmp(t->children[i]->name, name, len) < 0))
        i++;
    return i;
}

static bool
is_child(const struct model_tree *t, size_t i, const char *name, size_t len)
{
    return i < t->n && strlen(t->children[i]->name) == len &&
           memcmp(t->children[i]->name, name, len) == 0;
}

static struct model_tree *
get_child(struct model_tree *t, const char *name, size_t len)
{
    size_t i = find_child(t, name, len);

    if (is_child(t, i, name, len))
        return t->children[i];
    ck_assert(t->n < MAX_CHILDREN && len < NAME_ROOM);
    memmove(&t->children[i + 1], &t->children[i],
            (t->n - i) * sizeof(t->children[0]));
    t->children[i] = model_tree_new();
    memcpy(t->children[i]->name, name, len);
    t->n++;
    return t->children[i];
}

static void
del_child(struct model_tree *t, const char *name, size_t len)
{
    size_t i = find_child(t, name, len);

    if (!is_child(t, i, name, len))
        return;
    model_tree_free(t->children[i]);
    t->n--;
    memmove(&t->children[i], &t->children[i + 1],
            (t->n - i) * sizeof(t->children[0]));
}

static int
by_name(const void *pa, const void *pb)
{
    struct model_tree *const *a = pa, *const *b = pb;

    return strcmp((*a)->name, (*b)->name);
}

static enum moss_status
rename_child(struct model_tree *t, const char *from, size_t from_len,
             const char *to, size_t to_len)
{
    size_t i = find_child(t, from, from_len), k = find_child(t, to, to_len);
    char *name;

    if (!is_child(t, i, from, from_len))
        return MOSS_NOT_FOUND;
    if (i != k && is_child(t, k, to, to_len))
        return MOSS_EXISTS;
    ck_assert(to_len < NAME_ROOM);
    name = t->children[i]->name;
    memset(name, 0, NAME_ROOM);
    memcpy(name, to, to_len);
    qsort(t->children, t->n, sizeof(t->children[0]), by_name);
    return MOSS_OK;
}

static void
apply_word(struct model_tree *t, const char *word, size_t n)
{
    const char *sign = memchr(word, '=', n), *arrow = memchr(word, '>', n);

    if (*word == '*' && n == 1) {
        model_clear(t->entries);
    } else if (sign == NULL && arrow != NULL) {
        enum moss_status st =
            rename_child(t, word, (size_t)(arrow - word), arrow + 1,
                         (size_t)(word + n - arrow) - 1);

        if (t->failed == MOSS_OK)
            t->failed = st;
    } else if (*word == '-') {
        model_del(t->entries, moss_slice(word + 1, n - 1));
    } else if (*word == '!') {
        del_child(t, word + 1, n - 1);
    } else if (sign != NULL) {
        model_set(t->entries, moss_slice(word, (size_t)(sign - word)),
                  moss_slice(sign + 1, (size_t)(word + n - sign) - 1));
    } else {
        sign = memchr(word, '+', n);
        ck_assert(sign != NULL);
        model_append(t->entries, moss_slice(word, (size_t)(sign - word)),
                     moss_slice(sign + 1, (size_t)(word + n - sign) - 1));
    }
}

/* Up to the end or behind the brace that closes this collection. */
static const char *
apply(struct model_tree *t, const char *p)
{
    while (*p != '\0' && *p != '}') {
        size_t n = strcspn(p, " {}");

        if (*p == ' ') {
            p++;
        } else if (p[n] == '{') {
            p = apply(get_child(t, p, n), p + n + 1);
        } else {
            apply_word(t, p, n);
            p += n;
        }
    }
    return *p == '}' ? p + 1 : p;
}

void
model_tree_apply(struct model_tree *t, const char *text)
{
    assert_ok(model_tree_try(t, text));
}

/* What has failed in collections that are still there. */
static enum moss_status
find_failure(const struct model_tree *t)
{
    enum moss_status st = t->failed;

    for (size_t i = 0; i < t->n && st == MOSS_OK; i++)
        st = find_failure(t->children[i]);
    return st;
}

enum moss_status
model_tree_try(struct model_tree *t, const char *text)
{
    struct model_tree *copy = model_tree_clone(t), old = *t;
    enum moss_status status;

    (void)apply(copy, text);
    status = find_failure(copy);
    if (status == MOSS_OK) {
        *t = *copy;
        *copy = old;
    }
    model_tree_free(copy);
    return status;
}

static void
dump(const struct model_tree *t, FILE *f)
{
    char *entries = model_dump(t->entries);
    bool any = *entries != '\0';

    fputs(entries, f);
    free(entries);
    for (size_t i = 0; i < t->n; i++) {
        fprintf(f, "%s%s{", any ? " " : "", t->children[i]->name);
        dump(t->children[i], f);
        fputc('}', f);
        any = true;
    }
}

char *
model_tree_dump(const struct model_tree *t)
{
    char *text = NULL;
    size_t n;
    FILE *f = must_alloc(open_memstream(&text, &n));

    dump(t, f);
    ck_assert_int_eq(fclose(f), 0);
    return text;
}

static void
put_words(FILE *f, struct rng *rng, int depth, bool edits)
{
    uint64_t n = rng_below(rng, depth == 0 ? 12 : 5);

    for (uint64_t i = 0; i < n; i++) {
        unsigned key = (unsigned)rng_below(rng, 30);
        unsigned value = (unsigned)rng_below(rng, 1000);
        uint64_t what = rng_below(rng, 20);

        if (what < 9) {
            fprintf(f, "k%u=%u ", key, value);
        } else if (what < 13) {
            fprintf(f, "-k%u ", key);
        } else if (what < 16) {
            fprintf(f, "k%u+%u ", key, value % 10);
        } else if (edits && key < 6) {
            fprintf(f, "c%u>c%u ", key % 4, value % 4);
        } else if (edits && key < 8) {
            fputs("* ", f);
        } else if (what < 17) {
            fprintf(f, "!c%u ", key % 4);
        } else if (depth < 3) {
            fprintf(f, "c%u{", key % 4);
            put_words(f, rng, depth + 1, edits);
            fputs("} ", f);
        }
    }
}

static char *
words(struct rng *rng, bool edits)
{
    char *text = NULL;
    size_t n;
    FILE *f = must_alloc(open_memstream(&text, &n));

    put_words(f, rng, 0, edits);
    ck_assert_int_eq(fclose(f), 0);
    return text;
}

char *
random_words(struct rng *rng)
{
    return words(rng, false);
}

char *
random_tree_words(struct rng *rng)
{
    return words(rng, true);
}
