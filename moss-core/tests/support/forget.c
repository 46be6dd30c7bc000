/*
 * What is not closed at exit is persisted then.  Only a process of its own can
 * show that.
 */
#include "support/forget.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "moss.h"
#include "support/fixture.h"

void
forget_in_child(const char *dir)
{
    char self[4096];
    /* Not "/proc/self/exe" itself: under valgrind that is valgrind. */
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    int status;
    pid_t pid;

    ck_assert_int_gt(n, 0);
    self[n] = '\0';
    fflush(NULL);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)execl(self, self, FORGET, dir, (char *)NULL);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

/* There is no test here that could fail. */
static void
must(enum moss_status st)
{
    if (st < 0) {
        fprintf(stderr, "forget_to_close: %s\n", moss_status_name(st));
        abort();
    }
}

void
forget_to_close(const char *dir)
{
    struct moss_collection_options options = { .persist_delay_ms = 1000000 };
    struct moss_collection *c;
    struct moss_batch *batch;
    struct moss_store *store;
    struct moss_lower *lower;

    must(moss_store_open(dir, NULL, &store, NULL));
    must(moss_store_lower(store, &lower));
    moss_store_close(store);
    must(moss_collection_open(&options, lower, &c));
    must(moss_batch_new(0, 0, &batch));
    must(moss_batch_set(batch, moss_str("a"), moss_str("1")));
    must(moss_collection_execute(c, batch));
    moss_batch_free(batch);
}
