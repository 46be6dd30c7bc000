/* Reading the command line. */
#ifndef MOSSSCOPE_ARGS_H
#define MOSSSCOPE_ARGS_H

#include "scope.h"

/* Rows of a command's table of options; a field of struct args each. */
#define OPT_FLAG(name, field, help)                                            \
    {                                                                          \
        name, OPTION_FLAG, offsetof(struct args, field), 0, NULL, help         \
    }
#define OPT_TEXT(name, field, value, help)                                     \
    {                                                                          \
        name, OPTION_TEXT, offsetof(struct args, field), 0, value, help        \
    }
#define OPT_NUMBER(name, field, help)                                          \
    {                                                                          \
        name, OPTION_NUMBER, offsetof(struct args, field),                     \
            offsetof(struct args, has_##field), "N", help                      \
    }

/* Fill in *a from the words behind the command's name.  False: complained. */
bool args_parse(struct args *a, const struct command *command, int argc,
                char **argv);
/* The help of a command, to f. */
void args_help(const struct command *command, FILE *f);

/*
 * The bytes that an option's text stands for: hex digits with --hex, else text
 * with the escapes of text.h.  Appended to out.  False: complained.
 */
bool args_bytes(const struct args *a, const char *option, const char *text,
                struct buf *out);

#endif
