/* Input byte by byte, with the line for messages; and JSON out of it. */
#ifndef MOSSSCOPE_INPUT_H
#define MOSSSCOPE_INPUT_H

#include "scope.h"

#define INPUT_BUFFER 65536

struct input {
    FILE *f;
    const char *name; /* for messages */
    uint64_t line;
    bool failed;       /* complained already */
    size_t at, filled; /* of the buffer */
    uint8_t buffer[INPUT_BUFFER];
};

void input_init(struct input *in, FILE *f, const char *name);
/* Read on when the buffer is used up; false at the end. */
bool input_fill(struct input *in);

/* The next byte, not taken; EOF at the end. */
static inline int
input_peek(struct input *in)
{
    if (in->at == in->filled && !input_fill(in))
        return EOF;
    return in->buffer[in->at];
}

/* The next byte. */
static inline int
input_get(struct input *in)
{
    int c = input_peek(in);

    in->at += c != EOF;
    in->line += c == '\n';
    return c;
}

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
