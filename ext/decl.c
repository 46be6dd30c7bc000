/*
 * The arguments of CREATE VIRTUAL TABLE ... USING moss(...): options, each
 * written name=value, and columns and constraints, which schema.c reads.
 * SQLite hands them over as they were typed, comments and all white space
 * inside included.  Nothing is dropped in silence: an unknown option is an
 * error, and so is one that is given twice.
 */
#include "ext.h"
#include "schema.h"

#include <string.h>

#define KNOWN_OPTIONS                                                          \
    "store='directory', collection='name', codec=typed|raw, merge='operator'," \
    " durability='async'"

static int
refuse(char **err, const char *format, const char *a, const char *b)
{
    sqlite3_free(*err);
    *err = sqlite3_mprintf(format, a, b);
    return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
}

/* The option that arg sets, if it looks like name = value. */
static bool
split(const char *arg, struct token *name, const char **value)
{
    const char *p = arg;
    struct token equals;

    *name = token_next(&p);
    equals = token_next(&p);
    *value = p;
    return name->kind == TOKEN_WORD && token_is_char(&equals, '=');
}

/*
 * The value in text: a quoted string as SQL writes it, a word or a number.
 * *out is NULL if it is none of these.
 */
static int
unquote(const char *text, char **out)
{
    const char *p = text;
    struct token t = token_next(&p), end = token_next(&p);
    bool quoted = t.kind == TOKEN_STRING || t.kind == TOKEN_QUOTED;
    bool good =
        quoted ? t.n > 1 && t.text[t.n - 1] == *t.text && *t.text != '[' &&
                     *t.text != '`'
               : t.kind == TOKEN_WORD || (t.kind == TOKEN_OTHER &&
                                          *t.text >= '0' && *t.text <= '9');

    *out = NULL;
    if (!good || end.kind != TOKEN_END)
        return SQLITE_OK;
    *out = token_value(&t);
    return *out == NULL ? SQLITE_NOMEM : SQLITE_OK;
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
take_option(const char *arg, const struct token *name, const char *text,
            struct given *g, char **err)
{
    char **value = find_option(g, name->text, name->n);
    int rc;

    if (value == NULL)
        return refuse(err, "moss: unknown option in \"%s\"; known are %s", arg,
                      KNOWN_OPTIONS);
    if (*value != NULL)
        return refuse(err, "moss: \"%s\" is given twice%s", arg, "");
    rc = unquote(text, value);
    if (rc == SQLITE_OK && *value == NULL)
        return refuse(err,
                      "moss: the value in \"%s\" is neither a word nor a "
                      "quoted string%s",
                      arg, "");
    return rc;
}

static int
take_argument(const char *arg, struct given *g, struct decl *out, char **err)
{
    struct token name;
    const char *value, *p = arg;

    if (split(arg, &name, &value))
        return take_option(arg, &name, value, g, err);
    if (token_next(&p).kind == TOKEN_END)
        return refuse(err,
                      "moss: an argument is empty; it is a column or an"
                      " option, which are %s%s",
                      KNOWN_OPTIONS, "");
    out->definitions[out->n_definitions++] = arg;
    return SQLITE_OK;
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
    out->definitions =
        sqlite3_malloc64(((size_t)argc + 1) * sizeof(*out->definitions));
    if (out->definitions == NULL)
        return SQLITE_NOMEM;
    for (int i = 0; i < argc && rc == SQLITE_OK; i++) {
        /* USING moss() has one argument, an empty one. */
        if (argc > 1 || argv[i][strspn(argv[i], " \t\n\v\f\r")] != '\0')
            rc = take_argument(argv[i], &g, out, err);
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
    sqlite3_free(decl->definitions);
    memset(decl, 0, sizeof(*decl));
}
