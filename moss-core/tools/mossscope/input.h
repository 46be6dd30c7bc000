/* Input byte by byte, with the line for messages; and JSON out of it. */
#ifndef MOSSSCOPE_INPUT_H
#define MOSSSCOPE_INPUT_H

#include "scope.h"

struct input {
    FILE *f;
    const char *name; /* for messages */
    uint64_t line;
    uint64_t bytes;
    bool failed; /* complained already */
};

void input_init(struct input *in, FILE *f, const char *name);
int input_get(struct input *in); /* EOF at the end */
int input_peek(struct input *in);
/* Say what is wrong where the input stands.  False. */
bool input_wrong(struct input *in, const char *what);

/* The next byte that is no white space, not taken. */
int input_peek_word(struct input *in);
/* Take c if it comes next, after white space. */
bool input_take(struct input *in, char c);
/*
 * A JSON string of at most max bytes, appended to out; NULL: dropped.  False:
 * complained.
 */
bool input_string(struct input *in, struct buf *out, size_t max);
/* Pass over a JSON value of any kind.  False: complained. */
bool input_skip_value(struct input *in);

#endif
