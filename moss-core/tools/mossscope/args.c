/*
 * Options are the same everywhere: --name, --name VALUE or --name=VALUE,
 * before, between or behind the other words; "--" ends them.  Each command
 * has a table of those that it takes; a few belong to all.
 */
#include "args.h"

#include <errno.h>
#include <stdlib.h>

#include "text.h"

static const struct option common[] = {
    { "json", OPTION_FLAG, offsetof(struct args, json), 0, NULL, "print JSON" },
    { "progress", OPTION_FLAG, offsetof(struct args, progress), 0, NULL,
      "tell the progress on stderr (as on a terminal)" },
    { "help", OPTION_FLAG, offsetof(struct args, help), 0, NULL,
      "print this help" },
    { 0 },
};

/* Where of two arguments' names one is the other's, up to "=". */
static bool
has_name(const char *arg, const char *name)
{
    size_t n = strlen(name);

    return strncmp(arg, name, n) == 0 && (arg[n] == '\0' || arg[n] == '=');
}

/* A command's own options go before the common ones. */
static const struct option *
find_option(const struct command *command, const char *arg)
{
    const struct option *tables[] = { command->options, common };

    for (size_t t = 0; t < 2; t++) {
        for (const struct option *o = tables[t]; o->name != NULL; o++) {
            if (has_name(arg, o->name))
                return o;
        }
    }
    return NULL;
}

static bool
set_number(struct args *a, const struct option *o, const char *text)
{
    char *end;
    uint64_t *field = (void *)((char *)a + o->offset);
    bool *has = (void *)((char *)a + o->has_offset);

    errno = 0;
    *field = strtoull(text, &end, 10);
    *has = true;
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0) {
        (void)scope_complain("--%s: \"%s\" is not a number", o->name, text);
        return false;
    }
    return true;
}

/* Take the option arg, of which next is the word behind it. */
static bool
set_option(struct args *a, const struct option *o, const char *arg,
           const char *next, bool *took_next)
{
    const char *value = strchr(arg, '=');

    *took_next = false;
    if (o->kind == OPTION_FLAG) {
        if (value != NULL) {
            (void)scope_complain("--%s takes no value", o->name);
            return false;
        }
        *(bool *)((char *)a + o->offset) = true;
        return true;
    }
    if (value != NULL) {
        value++;
    } else if (next != NULL) {
        value = next;
        *took_next = true;
    } else {
        (void)scope_complain("--%s needs a value: %s", o->name, o->value);
        return false;
    }
    if (o->kind == OPTION_NUMBER)
        return set_number(a, o, value);
    *(const char **)(void *)((char *)a + o->offset) = value;
    return true;
}

static bool
add_word(struct args *a, const char *word)
{
    if (a->n_words == a->command->max_words) {
        (void)scope_complain("\"%s\" is one word too many", word);
        return false;
    }
    a->words[a->n_words++] = word;
    a->dir = word;
    return true;
}

bool
args_parse(struct args *a, const struct command *command, int argc, char **argv)
{
    bool options_end = false;

    memset(a, 0, sizeof *a);
    a->command = command;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        const struct option *o;
        bool took_next;

        if (options_end || strncmp(arg, "--", 2) != 0) {
            if (!add_word(a, arg))
                return false;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            options_end = true;
            continue;
        }
        o = find_option(command, arg + 2);
        if (o == NULL) {
            (void)scope_complain("%s has no option %s", command->name, arg);
            return false;
        }
        if (!set_option(a, o, arg, i + 1 < argc ? argv[i + 1] : NULL,
                        &took_next))
            return false;
        i += took_next;
    }
    if (a->n_words == 0 && !a->help) {
        (void)scope_complain("%s needs the directory of a store",
                             command->name);
        return false;
    }
    return true;
}

static void
print_option(const struct option *o, FILE *f)
{
    char name[64];

    (void)snprintf(name, sizeof name, "--%s%s%s", o->name,
                   o->value != NULL ? " " : "",
                   o->value != NULL ? o->value : "");
    (void)fprintf(f, "  %-18s %s\n", name, o->help);
}

void
args_help(const struct command *command, FILE *f)
{
    (void)fprintf(f, "usage: mossscope %s %s\n\n%s\n", command->name,
                  command->usage, command->what);
    if (command->more != NULL)
        (void)fprintf(f, "\n%s\n", command->more);
    (void)fprintf(f, "\nOptions:\n");
    for (const struct option *o = command->options; o->name != NULL; o++)
        print_option(o, f);
    for (const struct option *o = common; o->name != NULL; o++) {
        if (find_option(command, o->name) == o)
            print_option(o, f);
    }
}

bool
args_bytes(const struct args *a, const char *option, const char *text,
           struct buf *out)
{
    if (text_get(moss_str(text), a->hex, out))
        return true;
    (void)scope_complain("--%s: \"%s\" is not %s", option, text,
                         a->hex ? "hexadecimal" : "a text with right escapes");
    return false;
}
