/*
 * mossscope: looks into stores, Go moss's and ours.
 *
 * A command is a file of its own with a struct command; here they are found
 * and called.  All that reads opens the store for reading, without the lock,
 * so a writer may be at work meanwhile: what is shown is the newest commit
 * point as of the opening.
 */
#include <stdlib.h>

#include "args.h"

static const struct command *const commands[] = {
    &dump_command,    &import_command,  &stats_command,  &check_command,
    &compact_command, &history_command, &revert_command, &salvage_command,
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void
print_help(FILE *f)
{
    (void)fprintf(f, "usage: mossscope COMMAND [OPTIONS] DIR\n\n"
                     "DIR is the directory of a store.  Commands:\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        (void)fprintf(f, "  %-9s %s\n", commands[i]->name, commands[i]->what);
    (void)fprintf(f, "  %-9s %s\n", "version", "print the version");
    (void)fprintf(f, "  %-9s %s\n", "help",
                  "print this help, or that of a command");
    (void)fprintf(f, "\n\"mossscope COMMAND --help\" tells more.  Exit status: "
                     "0 all well, 1 problems found\nor nothing of what was "
                     "sought, 2 wrong use or failure.\n");
}

static const struct command *
find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static enum scope_exit
help(int argc, char **argv)
{
    const struct command *command = argc > 0 ? find_command(argv[0]) : NULL;

    if (argc > 0 && command == NULL)
        return scope_complain("there is no command \"%s\"", argv[0]);
    if (command != NULL)
        args_help(command, stdout);
    else
        print_help(stdout);
    return scope_finish(SCOPE_OK);
}

int
main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct command *command = find_command(name);
    struct args a;

    if (argc < 2) {
        print_help(stderr);
        return SCOPE_FAILED;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0)
        return (int)help(argc - 2, argv + 2);
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        (void)printf("mossscope %s\n", MOSS_VERSION);
        return (int)scope_finish(SCOPE_OK);
    }
    if (command == NULL)
        return (int)scope_complain("there is no command \"%s\"; "
                                   "\"mossscope help\" lists them",
                                   name);
    if (!args_parse(&a, command, argc - 2, argv + 2))
        return SCOPE_FAILED;
    if (a.help)
        return (int)help(1, argv + 1);
    return (int)scope_finish(command->run(&a));
}
