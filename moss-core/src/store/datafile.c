/*
 * Go moss takes every data-*.moss for a data file, removes those it does not
 * use, and reads the characters 5 to length - 5 of any name as a hexadecimal
 * number.  Our other names begin differently and have letters there that are
 * no such digits.
 *
 * Any thread.
 */
#include "store/datafile.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"

static const char data_format[] = "data-%016llx.moss";
static const char temp_format[] = "moss-temporary-%016llx";
static const char damaged_format[] = "moss-damaged-%016llx";

static const char staged_format[] = "moss-staged-%016llx-%016llx";

static void
make_name(const char *format, uint64_t number, char out[DATAFILE_NAME])
{
    (void)snprintf(out, DATAFILE_NAME, format, (unsigned long long)number);
}

void
datafile_name(uint64_t number, char out[DATAFILE_NAME])
{
    make_name(data_format, number, out);
}

void
datafile_temp_name(uint64_t number, char out[DATAFILE_NAME])
{
    make_name(temp_format, number, out);
}

void
datafile_damaged_name(uint64_t number, char out[DATAFILE_NAME])
{
    make_name(damaged_format, number, out);
}

/* Is name of this format?  Only what make_name() makes of the number is. */
static bool
parse_name(const char *format, const char *name, uint64_t *number)
{
    size_t prefix = strcspn(format, "%");
    char again[DATAFILE_NAME];

    if (strncmp(name, format, prefix) != 0)
        return false;
    *number = strtoull(name + prefix, NULL, 16);
    make_name(format, *number, again);
    return strcmp(name, again) == 0;
}

void
datafile_staged_name(struct moss_tag tag, char out[DATAFILE_STAGED_NAME])
{
    (void)snprintf(out, DATAFILE_STAGED_NAME, staged_format,
                   (unsigned long long)tag.n, (unsigned long long)tag.id);
}

bool
datafile_parse_staged(const char *name, struct moss_tag *tag)
{
    size_t prefix = strcspn(staged_format, "%");
    char again[DATAFILE_STAGED_NAME], *end;

    if (strncmp(name, staged_format, prefix) != 0)
        return false;
    tag->n = strtoull(name + prefix, &end, 16);
    if (*end != '-')
        return false;
    tag->id = strtoull(end + 1, NULL, 16);
    datafile_staged_name(*tag, again);
    return strcmp(name, again) == 0;
}

struct scan {
    struct datafile_list *list;
    enum moss_status st;
};

static void
add(struct scan *s, uint64_t **numbers, size_t *n, uint64_t number)
{
    uint64_t *more = mem_resize(*numbers, *n + 1, sizeof *more);

    if (more == NULL) {
        s->st = MOSS_NOMEM;
        return;
    }
    *numbers = more;
    more[(*n)++] = number;
}

static void
scan_name(void *arg, const char *name)
{
    struct scan *s = arg;
    struct datafile_list *list = s->list;
    uint64_t number = 0;

    if (parse_name(data_format, name, &number))
        add(s, &list->data, &list->n_data, number);
    else if (parse_name(temp_format, name, &number))
        add(s, &list->temp, &list->n_temp, number);
    else if (!parse_name(damaged_format, name, &number))
        return;
    if (number > list->highest)
        list->highest = number;
}

static int
compare_descending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x < y) - (x > y);
}

enum moss_status
datafile_scan(struct moss_os *os, const char *dir, struct datafile_list *out,
              struct moss_error *err)
{
    struct scan s = { out, MOSS_OK };
    enum moss_status st;

    memset(out, 0, sizeof *out);
    st = os->ops->list(os, dir, scan_name, &s);
    if (st == MOSS_OK)
        st = s.st;
    if (st < 0) {
        datafile_list_release(out);
        return error_set(err, st, "list", dir, 0);
    }
    if (out->n_data > 1)
        qsort(out->data, out->n_data, sizeof *out->data, compare_descending);
    return MOSS_OK;
}

void
datafile_list_release(struct datafile_list *list)
{
    mem_free(list->data);
    mem_free(list->temp);
    memset(list, 0, sizeof *list);
}
