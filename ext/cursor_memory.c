/*
 * The memory of cursors.  Statements are prepared once and run often: then the
 * next scan wants as much as the last one did, and the same plan.
 */
#include "cursor_memory.h"

#include <string.h>

/* What a cursor has beyond this it gives back. */
#define IDLE_BYTES ((size_t)64 << 10)

void
cursor_memory_release(struct cursor_memory *m)
{
    reader_release(&m->scan);
    reader_release(&m->row);
    sorted_release(&m->sorted);
    ranges_release(&m->ranges);
    ranges_release(&m->part);
    bytes_release(&m->plan_text);
}

bool
cursor_memory_is_small(const struct cursor_memory *m)
{
    return reader_memory(&m->scan) + reader_memory(&m->row) +
               sorted_memory(&m->sorted) + ranges_memory(&m->ranges) +
               ranges_memory(&m->part) + m->plan_text.cap <=
           IDLE_BYTES;
}

int
cursor_memory_plan(struct cursor_memory *m, const struct schema *schema,
                   int number, const char *text)
{
    size_t n = strlen(text) + 1;
    int rc;

    /* The text and the number are all that two plans can differ in. */
    if (n == m->plan_text.n && number == m->plan_number &&
        memcmp(text, m->plan_text.p, n) == 0)
        return SQLITE_OK;
    m->plan_text.n = 0;
    rc = bytes_reserve(&m->plan_text, n);
    if (rc == SQLITE_OK)
        rc = plan_parse(schema, number, text, &m->plan);
    if (rc != SQLITE_OK)
        return rc;
    m->plan_number = number;
    return bytes_append(&m->plan_text, text, n);
}
