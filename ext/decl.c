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
    " durability='async', readonly=true"

/* Columns of a table that has options only. */
#define TYPED_COLUMNS "key PRIMARY KEY, value"
#define RAW_COLUMNS "key BLOB PRIMARY KEY, value BLOB"

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

/* A number without sign, white space around it. */
static bool
is_number(const char *text)
{
    const char *space = " \t\n\v\f\r";

    text += strspn(text, space);
    if (*text < '0' || *text > '9')
        return false;
    text += strspn(text, "0123456789.");
    return text[strspn(text, space)] == '\0';
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
    bool good = quoted ? t.n > 1 && t.text[t.n - 1] == *t.text &&
                             *t.text != '[' && *t.text != '`'
                       : t.kind == TOKEN_WORD;

    *out = NULL;
    if (is_number(text)) {
        *out =
            sqlite3_mprintf("%.*s", (int)strspn(t.text, "0123456789."), t.text);
        return *out == NULL ? SQLITE_NOMEM : SQLITE_OK;
    }
    if (!good || end.kind != TOKEN_END)
        return SQLITE_OK;
    *out = token_value(&t);
    return *out == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

/* The options as they were given, before their meaning. */
struct given {
    char *store, *collection, *codec, *merge, *durability, *readonly;
    char *tuning[TUNE_N];
};

static void
given_release(struct given *g)
{
    sqlite3_free(g->store);
    sqlite3_free(g->collection);
    sqlite3_free(g->codec);
    sqlite3_free(g->merge);
    sqlite3_free(g->durability);
    sqlite3_free(g->readonly);
    for (int i = 0; i < TUNE_N; i++)
        sqlite3_free(g->tuning[i]);
}

static char **
find_option(struct given *g, const char *name, size_t n)
{
    const struct {
        const char *name;
        char **value;
    } options[] = {
        { "store", &g->store },           { "collection", &g->collection },
        { "codec", &g->codec },           { "merge", &g->merge },
        { "durability", &g->durability }, { "readonly", &g->readonly },
    };
    enum tuning_option tuning = tuning_find(name, n);

    if (tuning != TUNE_N)
        return &g->tuning[tuning];

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strlen(options[i].name) == n &&
            sqlite3_strnicmp(options[i].name, name, (int)n) == 0)
            return options[i].value;
    }
    return NULL;
}

static int
refuse_unknown(char **err, const char *arg)
{
    char *names = tuning_names();

    if (names == NULL)
        return SQLITE_NOMEM;
    sqlite3_free(*err);
    *err = sqlite3_mprintf("moss: unknown option in \"%s\"; known are %s%s",
                           arg, KNOWN_OPTIONS, names);
    sqlite3_free(names);
    return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
}

static int
take_option(const char *arg, const struct token *name, const char *text,
            struct given *g, char **err)
{
    char **value = find_option(g, name->text, name->n);
    int rc;

    if (value == NULL)
        return refuse_unknown(err, arg);
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

/*
 * Append a definition as it is recorded: its tokens, single spaces between
 * them where there was anything.
 */
static void
append_definition(sqlite3_str *text, const char *arg)
{
    const char *p = arg, *end = NULL;

    if (sqlite3_str_length(text) > 0)
        sqlite3_str_appendall(text, ", ");
    for (struct token t = token_next(&p); t.kind != TOKEN_END;
         t = token_next(&p)) {
        if (end != NULL && end != t.text)
            sqlite3_str_appendchar(text, 1, ' ');
        sqlite3_str_append(text, t.text, (int)t.n);
        end = t.text + t.n;
    }
}

static int
take_argument(const char *arg, struct given *g, sqlite3_str *columns,
              char **err)
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
    append_definition(columns, arg);
    return SQLITE_OK;
}

bool
decl_flag(const char *text, bool *out)
{
    static const char *const words[] = { "false", "no",  "off", "0",
                                         "true",  "yes", "on",  "1" };

    for (int i = 0; i < 8; i++) {
        if (sqlite3_stricmp(text, words[i]) == 0) {
            *out = i >= 4;
            return true;
        }
    }
    return false;
}

static int
check_tuning(const struct given *g, struct decl *out, char **err)
{
    int rc = SQLITE_OK;

    for (int i = 0; i < TUNE_N && rc == SQLITE_OK; i++)
        if (g->tuning[i] != NULL)
            rc = tuning_set(&out->tuning, (enum tuning_option)i, g->tuning[i],
                            err);
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
    if (g->readonly != NULL && !decl_flag(g->readonly, &out->readonly))
        return refuse(err, "moss: readonly=%s: it is true or false%s",
                      g->readonly, "");
    if (g->store != NULL && g->store[0] == '\0')
        return refuse(err, "moss: store='' names no directory%s%s", "", "");
    if (out->readonly && g->collection == NULL &&
        (g->store == NULL || out->codec != CODEC_RAW))
        return refuse(err,
                      "moss: readonly=%s is for a table over existing data:"
                      " name it with collection=%s",
                      g->readonly, "");
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

/* The columns that were given, or those that a table has without. */
static int
take_columns(sqlite3_str *columns, struct decl *out)
{
    int rc = sqlite3_str_errcode(columns);
    char *text = sqlite3_str_finish(columns);

    out->has_columns = text != NULL;
    if (text == NULL && rc == SQLITE_OK)
        text = sqlite3_mprintf("%s", out->codec == CODEC_RAW ? RAW_COLUMNS
                                                             : TYPED_COLUMNS);
    out->columns = text;
    return text == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

int
decl_parse(int argc, const char *const *argv, struct decl *out, char **err)
{
    struct given g = { 0 };
    sqlite3_str *columns = sqlite3_str_new(NULL);
    int rc = SQLITE_OK, end;

    memset(out, 0, sizeof(*out));
    *err = NULL;
    for (int i = 0; i < argc && rc == SQLITE_OK; i++) {
        /* USING moss() has one argument, an empty one. */
        if (argc > 1 || argv[i][strspn(argv[i], " \t\n\v\f\r")] != '\0')
            rc = take_argument(argv[i], &g, columns, err);
    }
    if (rc == SQLITE_OK)
        rc = check(&g, out, err);
    if (rc == SQLITE_OK)
        rc = check_tuning(&g, out, err);
    end = take_columns(columns, out);
    if (rc == SQLITE_OK)
        rc = end;
    if (rc == SQLITE_OK) {
        out->store = g.store;
        out->collection = g.collection;
        out->merge = g.merge;
        g.store = g.collection = g.merge = NULL;
    } else {
        decl_release(out);
    }
    given_release(&g);
    return rc;
}

char *
decl_text(const char *columns)
{
    sqlite3_str *text = sqlite3_str_new(NULL);

    append_definition(text, columns);
    /* An empty one would be given as NULL. */
    if (sqlite3_str_length(text) == 0)
        sqlite3_str_appendchar(text, 1, ' ');
    return sqlite3_str_finish(text);
}

int
decl_set_columns(struct decl *decl, const char *columns)
{
    char *copy = sqlite3_mprintf("%s", columns);

    if (copy == NULL)
        return SQLITE_NOMEM;
    sqlite3_free(decl->columns);
    decl->columns = copy;
    return SQLITE_OK;
}

void
decl_release(struct decl *decl)
{
    sqlite3_free(decl->store);
    sqlite3_free(decl->collection);
    sqlite3_free(decl->merge);
    sqlite3_free(decl->columns);
    memset(decl, 0, sizeof(*decl));
}
