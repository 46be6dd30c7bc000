/*
 * Assertions, directories, files and seeds for tests.  Real directories lie in
 * $TMPDIR or /tmp.  Whatever goes wrong here ends the test.
 */
#include "support/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

void *
must_alloc(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

char *
text_of(struct moss_slice bytes)
{
    char *text = must_alloc(malloc(4 * bytes.len + 1));
    char *p = text;

    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t c = bytes.bytes[i];

        if (c > ' ' && c < 0x7f && c != '\\' && c != '=')
            *p++ = (char)c;
        else
            p += sprintf(p, "\\x%02x", c);
    }
    *p = '\0';
    return text;
}

/* ------------------------------------------------------------ directories */

char *
temp_dir_new(void)
{
    const char *root = getenv("TMPDIR");
    char *dir = path_join(root == NULL ? "/tmp" : root, "moss-test-XXXXXX");

    ck_assert_ptr_nonnull(mkdtemp(dir));
    return dir;
}

char *
path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *path = must_alloc(malloc(n));

    snprintf(path, n, "%s/%s", dir, name);
    return path;
}

struct names {
    char **names;
    size_t n;
};

static void
collect(void *arg, const char *name)
{
    struct names *list = arg;

    list->names =
        must_alloc(realloc(list->names, (list->n + 1) * sizeof(*list->names)));
    list->names[list->n++] = must_alloc(strdup(name));
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct names
names_of(struct moss_os *os, const char *dir)
{
    struct names list = { 0 };

    assert_ok(os->ops->list(os, dir, collect, &list));
    if (list.n > 1)
        qsort(list.names, list.n, sizeof(*list.names), compare_names);
    return list;
}

static void
names_release(struct names *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->names[i]);
    free(list->names);
}

static bool
is_dir(struct moss_os *os, const char *path)
{
    struct moss_file_id id;

    return os->ops->identify(os, path, &id) == MOSS_OK && id.is_dir;
}

static void
remove_tree(struct moss_os *os, const char *dir)
{
    struct names list = names_of(os, dir);

    for (size_t i = 0; i < list.n; i++) {
        char *path = path_join(dir, list.names[i]);

        if (is_dir(os, path))
            remove_tree(os, path);
        else
            assert_ok(os->ops->remove(os, path));
        free(path);
    }
    names_release(&list);
    assert_ok(os->ops->remove_dir(os, dir));
}

void
temp_dir_remove(char *dir)
{
    if (dir == NULL)
        return;
    remove_tree(moss_os_posix(), dir);
    free(dir);
}

char *
dir_names(struct moss_os *os, const char *dir)
{
    struct names list = names_of(os, dir);
    size_t n = 1;
    char *text, *p;

    for (size_t i = 0; i < list.n; i++)
        n += strlen(list.names[i]) + 1;
    text = must_alloc(malloc(n));
    p = text;
    *p = '\0';
    for (size_t i = 0; i < list.n; i++)
        p += sprintf(p, "%s%s", i == 0 ? "" : " ", list.names[i]);
    names_release(&list);
    return text;
}

/* ------------------------------------------------------------------ files */

uint8_t *
file_read_all(struct moss_os *os, const char *path, size_t *n)
{
    struct moss_file *f;
    uint64_t size;
    uint8_t *bytes;

    assert_ok(os->ops->open(os, path, MOSS_OPEN_READ, &f));
    assert_ok(f->ops->size(f, &size));
    bytes = must_alloc(malloc((size_t)size + 1));
    assert_ok(f->ops->read(f, 0, bytes, (size_t)size));
    f->ops->close(f);
    *n = (size_t)size;
    return bytes;
}

void
file_write_all(struct moss_os *os, const char *path, const void *bytes,
               size_t n)
{
    struct moss_file *f;

    assert_ok(os->ops->open(os, path, MOSS_OPEN_WRITE | MOSS_OPEN_CREATE, &f));
    assert_ok(f->ops->truncate(f, 0));
    assert_ok(f->ops->write(f, 0, bytes, n));
    f->ops->close(f);
}

void
dir_copy(struct moss_os *from_os, const char *from, struct moss_os *to_os,
         const char *to)
{
    struct names list = names_of(from_os, from);

    assert_ok(to_os->ops->mkdir(to_os, to));
    for (size_t i = 0; i < list.n; i++) {
        char *source = path_join(from, list.names[i]);
        char *target = path_join(to, list.names[i]);

        if (!is_dir(from_os, source)) {
            size_t n;
            uint8_t *bytes = file_read_all(from_os, source, &n);

            file_write_all(to_os, target, bytes, n);
            free(bytes);
        }
        free(source);
        free(target);
    }
    names_release(&list);
}

/* ------------------------------------------------------------------- seeds */

uint64_t
test_seed(uint64_t fallback)
{
    const char *text = getenv("SEED");
    uint64_t seed;

    if (text == NULL)
        return fallback;
    seed = strtoull(text, NULL, 0);
    printf("SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

int
test_rounds(int n)
{
#if defined(__SANITIZE_THREAD__)
    return n / 10 + 1;
#else
    return n;
#endif
}

static uint64_t
scramble(uint64_t x)
{
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93U;
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93U;
    return x ^ (x >> 32);
}

/* Seeds in a row must not begin at places in a row of one sequence. */
void
rng_init(struct rng *r, uint64_t seed)
{
    r->state = scramble(seed + 0x632be59bd9b4e019U);
}

/* A counter, scrambled by multiplications and shifts. */
uint64_t
rng_next(struct rng *r)
{
    r->state += 0x9e3779b97f4a7c15U;
    return scramble(r->state);
}

uint64_t
rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}
