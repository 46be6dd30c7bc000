/* The names in a store's directory. */
#ifndef MOSS_STORE_DATAFILE_H
#define MOSS_STORE_DATAFILE_H

#include "moss_os.h"

/* Room for any of the names below. */
#define DATAFILE_NAME 32
/* Go moss reads numbers as signed. */
#define DATAFILE_MAX ((uint64_t)INT64_MAX)

/* "data-<number>.moss": a data file. */
void datafile_name(uint64_t number, char out[DATAFILE_NAME]);
/* What it is called before its first footer is on disk. */
void datafile_temp_name(uint64_t number, char out[DATAFILE_NAME]);
/* Where a newer one without any good footer is put out of the way. */
void datafile_damaged_name(uint64_t number, char out[DATAFILE_NAME]);

/* The name of a staged batch, and back. */
#define DATAFILE_STAGED_NAME 64
void datafile_staged_name(struct moss_tag tag, char out[DATAFILE_STAGED_NAME]);
bool datafile_parse_staged(const char *name, struct moss_tag *tag);

/* Numbers found in a directory, the highest first. */
struct datafile_list {
    uint64_t *data; /* data files */
    size_t n_data;
    uint64_t *temp; /* unfinished ones */
    size_t n_temp;
    uint64_t highest; /* number of any of them, damaged ones included */
};

MOSS_MUST_CHECK enum moss_status
datafile_scan(struct moss_os *os, const char *dir, struct datafile_list *out,
              struct moss_error *err);
void datafile_list_release(struct datafile_list *list);

#endif
