/*
 * SQL tokens, as far as the arguments of a module need them: enough to tell an
 * option from a column, and to find a keyword that is not honoured; and to see
 * which table a statement changes.
 */
#include "schema.h"

#include <string.h>

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_word(char c)
{
    return c == '_' || c == '$' || (c >= '0' && c <= '9') ||
           (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

/* White space and comments; one that has no end goes to the end. */
static const char *
skip_space(const char *p)
{
    for (;;) {
        if (is_space(*p)) {
            p++;
        } else if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\n");
        } else if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");

            p = end == NULL ? p + strlen(p) : end + 2;
        } else {
            return p;
        }
    }
}

/* Behind the quoted text at p, in which close is doubled. */
static const char *
skip_quoted(const char *p, char close)
{
    for (p++; *p != '\0'; p++) {
        if (*p != close)
            continue;
        if (close == ']' || p[1] != close)
            return p + 1;
        p++;
    }
    return p;
}

struct token
token_next(const char **p)
{
    const char *start = skip_space(*p), *end = start;
    struct token t = { TOKEN_OTHER, start, 0 };

    if (*start == '\0') {
        t.kind = TOKEN_END;
    } else if (*start == '\'') {
        t.kind = TOKEN_STRING;
        end = skip_quoted(start, '\'');
    } else if (*start == '"' || *start == '`' || *start == '[') {
        t.kind = TOKEN_QUOTED;
        end = skip_quoted(start, *start == '[' ? ']' : *start);
    } else if (is_word(*start)) {
        t.kind = *start >= '0' && *start <= '9' ? TOKEN_OTHER : TOKEN_WORD;
        while (is_word(*end))
            end++;
    } else {
        end = start + 1;
    }
    t.n = (size_t)(end - start);
    *p = end;
    return t;
}

bool
token_is(const struct token *t, const char *word)
{
    return t->kind == TOKEN_WORD && t->n == strlen(word) &&
           sqlite3_strnicmp(t->text, word, (int)t->n) == 0;
}

bool
token_is_char(const struct token *t, char c)
{
    return t->kind == TOKEN_OTHER && t->n == 1 && *t->text == c;
}

char *
token_value(const struct token *t)
{
    bool quoted = t->kind == TOKEN_QUOTED || t->kind == TOKEN_STRING;
    char close = *t->text == '[' ? ']' : *t->text;
    char *out = sqlite3_malloc64(t->n + 1), *w = out;

    if (out == NULL)
        return NULL;
    for (size_t i = quoted ? 1 : 0; i < t->n; i++) {
        if (quoted && t->text[i] == close && (close == ']' || ++i >= t->n - 1))
            break;
        *w++ = t->text[i];
    }
    *w = '\0';
    return out;
}

/* Behind DELETE or UPDATE, which WITH may come before; NULL: neither. */
static const char *
find_change(const char *p)
{
    int depth = 0;

    for (;;) {
        struct token t = token_next(&p);

        if (t.kind == TOKEN_END)
            return NULL;
        depth += token_is_char(&t, '(') ? 1 : 0;
        depth -= token_is_char(&t, ')') ? 1 : 0;
        if (depth == 0 && (token_is(&t, "DELETE") || token_is(&t, "UPDATE")))
            return p;
    }
}

bool
token_is_target(const char *sql, const char *table)
{
    const char *p = sql == NULL ? NULL : find_change(sql), *behind;
    struct token t, dot;
    char *name;
    bool same;

    if (p == NULL)
        return false;
    t = token_next(&p);
    if (token_is(&t, "OR")) {
        (void)token_next(&p);
        t = token_next(&p);
    }
    if (token_is(&t, "FROM"))
        t = token_next(&p);
    behind = p;
    dot = token_next(&behind);
    if (token_is_char(&dot, '.'))
        t = token_next(&behind);
    name = token_value(&t);
    same = name != NULL && sqlite3_stricmp(name, table) == 0;
    sqlite3_free(name);
    return same;
}
