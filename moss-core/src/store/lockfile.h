/* The lock of a store's one writer, and the page that others may watch. */
#ifndef MOSS_STORE_LOCKFILE_H
#define MOSS_STORE_LOCKFILE_H

#include "moss_os.h"

/*
 * Go moss takes the characters 5 to length - 5 of every name in a store's
 * directory, so none may be shorter than ten, and those must not be
 * hexadecimal.
 */
#define LOCKFILE_NAME "moss-store-lock"

struct lockfile;

/* MOSS_BUSY if somebody else has it. */
MOSS_MUST_CHECK enum moss_status
lockfile_take(struct moss_os *os, const char *dir, struct lockfile **out,
              struct moss_error *err);
void lockfile_release(struct lockfile *lock); /* NULL is fine */

/*
 * Is it still the file of that name?  MOSS_CANTOPEN if the store's directory
 * was moved, removed or exchanged, or the lock file was: somebody else may
 * have locked another one.
 */
MOSS_MUST_CHECK enum moss_status
lockfile_check(const struct lockfile *lock, struct moss_error *err);

/* Say in the page which footer of which data file is the newest. */
MOSS_MUST_CHECK enum moss_status
lockfile_note(struct lockfile *lock, const uint8_t store_id[16],
              uint64_t file_number, uint64_t footer_off,
              struct moss_error *err);

#endif
