/* A process that exits without closing what it has open. */
#ifndef MOSS_TESTS_SUPPORT_FORGET_H
#define MOSS_TESTS_SUPPORT_FORGET_H

/* What the test program's first argument is then; the second is dir. */
#define FORGET "--forget-to-close"

/*
 * Start the test program once more, with these arguments, and return when it
 * has ended.  By exec(): where fork() alone made a process the thread
 * sanitizer starts no threads.
 */
void forget_in_child(const char *dir);

/* What it does then: execute "a=1" over the store in dir, and return. */
void forget_to_close(const char *dir);

#endif
