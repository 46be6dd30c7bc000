/*
 * The arguments of CREATE VIRTUAL TABLE ... USING moss(...): options, each
 * written name=value.  SQLite hands them over as they were typed, comments
 * and all white space inside included, so that quoting is undone here.
 * Nothing is dropped in silence: an argument that is no known option is an
 * error, and so is one that is given twice.
 */
#include "ext.h"

#include <string.h>

#define KNOWN_OPTIONS                                                          \
    "store='directory', collection='name', codec=typed|raw, merge='operator'," \
    " durability='async'"

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static int
refuse(char **err, const char *format, const char *a, const char *b)
{
    sqlite3_free(*err);
    *err = sqlite3_mprintf(format, a, b);
    return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
}

/* Copy a word to p; how much of text it is. */
static size_t
take_word(const char *text, size_t n, char *p)
{
    size_t i = 0;

    for (; i < n && is_word(text[i]); i++)
        *p++ = text[i];
    *p = '\0';
    return i;
}

/* The same of a string in quotes, which are doubled inside; 0: no end. */
static size_t
take_quoted(const char *text, size_t n, char *p)
{
    for (size_t i = 1; i < n; i++) {
        if (text[i] == text[0]) {
            if (i + 1 == n || text[i + 1] != text[0]) {
                *p = '\0';
                return i + 1;
            }
            i++;
        }
        *p++ = text[i];
    }
    return 0;
}

/*
 * Copy the value in text[0..n): a quoted string as SQL writes it, or a word.
 * *out is NULL if it is neither.
 */
static int
unquote(const char *text, size_t n, char **out)
{
    bool quoted = n > 0 && (text[0] == '\'' || text[0] == '"');
    char *p = sqlite3_malloc64(n + 1);
    size_t taken;

    *out = NULL;
    if (p == NULL)
        return SQLITE_NOMEM;
    taken = quoted ? take_quoted(text, n, p) : take_word(text, n, p);
    if (taken == 0 || taken != n) {
        sqlite3_free(p);
        return SQLITE_OK;
    }
    *out = p;
    return SQLITE_OK;
}

/* name = value; n_name is 0 if arg does not look like that. */
struct argument {
    const char *name, *value;
    size_t n_name, n_value;
};

static struct argument
split(const char *arg)
{
    struct argument a = { arg, arg, 0, 0 };
    size_t n;

    while (is_space(*a.name))
        a.name++;
    while (is_word(a.name[a.n_name]))
        a.n_name++;
    a.value = a.name + a.n_name;
    while (is_space(*a.value))
        a.value++;
    if (*a.value != '=') {
        a.n_name = 0;
        return a;
    }
    a.value++;
    while (is_space(*a.value))
        a.value++;
    n = strlen(a.value);
    while (n > 0 && is_space(a.value[n - 1]))
        n--;
    a.n_value = n;
    return a;
}

/* The options as they were given, before their meaning. */
struct given {
    char *store, *collection, *codec, *merge, *durability;
};

static char **
find_option(struct given *g, const char *name, size_t n)
{
    const struct {
        const char *name;
        char **value;
    } options[] = {
        { "store", &g->store },           { "collection", &g->collection },
        { "codec", &g->codec },           { "merge", &g->merge },
        { "durability", &g->durability },
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strlen(options[i].name) == n &&
            sqlite3_strnicmp(options[i].name, name, (int)n) == 0)
            return options[i].value;
    }
    return NULL;
}

static int
take_argument(const char *arg, struct given *g, char **err)
{
    struct argument a = split(arg);
    char **value;
    int rc;

    if (a.n_name == 0)
        return refuse(err,
                      "moss: \"%s\" is not an option; the columns of a moss "
                      "table are key and value, its options are %s",
                      arg, KNOWN_OPTIONS);
    value = find_option(g, a.name, a.n_name);
    if (value == NULL)
        return refuse(err, "moss: unknown option in \"%s\"; known are %s", arg,
                      KNOWN_OPTIONS);
    if (*value != NULL)
        return refuse(err, "moss: \"%s\" is given twice%s", arg, "");
    rc = unquote(a.value, a.n_value, value);
    if (rc == SQLITE_OK && *value == NULL)
        return refuse(err,
                      "moss: the value in \"%s\" is neither a word nor a "
                      "quoted string%s",
                      arg, "");
    return rc;
}

/* What the values must be, and the parts of decl that are not strings. */
static int
check(const struct given *g, struct decl *out, char **err)
{
    if (g->codec == NULL || sqlite3_stricmp(g->codec, "typed") == 0)
        out->codec = CODEC_TYPED;
    else if (sqlite3_stricmp(g->codec, "raw") == 0)
        out->codec = CODEC_RAW;
    else
        return refuse(err, "moss: codec=%s: it is typed or raw%s", g->codec,
                      "");
    if (g->durability != NULL && sqlite3_stricmp(g->durability, "async") != 0)
        return refuse(err,
                      "moss: durability='%s': it is 'async' or not given%s",
                      g->durability, "");
    out->async = g->durability != NULL;
    if (g->store != NULL && g->store[0] == '\0')
        return refuse(err, "moss: store='' names no directory%s%s", "", "");
    if (g->merge == NULL)
        return SQLITE_OK;
    if (out->codec != CODEC_RAW)
        return refuse(err, "moss: merge='%s' wants codec=raw%s", g->merge, "");
    if (moss_merge_builtin(g->merge) == NULL)
        return refuse(
            err,
            "moss: merge='%s': the operators are 'append', 'add', 'min',"
            " 'max', 'add_double', 'min_double', 'max_double'%s",
            g->merge, "");
    return SQLITE_OK;
}

int
decl_parse(int argc, const char *const *argv, struct decl *out, char **err)
{
    struct given g = { 0 };
    int rc = SQLITE_OK;

    memset(out, 0, sizeof(*out));
    *err = NULL;
    for (int i = 0; i < argc && rc == SQLITE_OK; i++) {
        /* USING moss() has one argument, an empty one. */
        if (argc > 1 || argv[i][strspn(argv[i], " \t\n\v\f\r")] != '\0')
            rc = take_argument(argv[i], &g, err);
    }
    if (rc == SQLITE_OK)
        rc = check(&g, out, err);
    if (rc == SQLITE_OK) {
        out->store = g.store;
        out->collection = g.collection;
        out->merge = g.merge;
        g.store = g.collection = g.merge = NULL;
    }
    sqlite3_free(g.store);
    sqlite3_free(g.collection);
    sqlite3_free(g.merge);
    sqlite3_free(g.codec);
    sqlite3_free(g.durability);
    return rc;
}

void
decl_release(struct decl *decl)
{
    sqlite3_free(decl->store);
    sqlite3_free(decl->collection);
    sqlite3_free(decl->merge);
    memset(decl, 0, sizeof(*decl));
}
