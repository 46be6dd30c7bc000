/* Freeing on a background thread. */
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/reaper.h"
#include "base/sync.h"
#include "support/fixture.h"

Suite *suite_reaper(void);

static struct mutex mu;
static struct condvar changed;
static int order[100], n_run; /* guarded by mu */
static bool is_open;          /* guarded by mu: may the gate be passed? */
static bool at_gate;          /* guarded by mu: does the reaper wait there? */

struct thing {
    struct reap reap;
    int number;
};

static void
setup(void)
{
    assert_ok(mutex_init(&mu));
    assert_ok(condvar_init(&changed));
    n_run = 0;
    is_open = false;
    at_gate = false;
}

static void
teardown(void)
{
    reaper_drain();
    condvar_destroy(&changed);
    mutex_destroy(&mu);
}

static void
note(struct reap *r)
{
    struct thing *thing = container_of(r, struct thing, reap);

    mutex_lock(&mu);
    order[n_run++] = thing->number;
    mutex_unlock(&mu);
    free(thing);
}

static struct thing *
defer(int number, void (*run)(struct reap *r))
{
    struct thing *thing = must_alloc(calloc(1, sizeof(*thing)));

    thing->number = number;
    reaper_defer(&thing->reap, run);
    return thing;
}

static int
run_so_far(void)
{
    int n;

    mutex_lock(&mu);
    n = n_run;
    mutex_unlock(&mu);
    return n;
}

START_TEST(drain_waits_for_everything_in_order)
{
    for (int i = 0; i < 100; i++)
        defer(i, note);
    reaper_drain();
    ck_assert_int_eq(run_so_far(), 100);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(order[i], i);
}
END_TEST

static void
wait_at_gate(struct reap *r)
{
    mutex_lock(&mu);
    at_gate = true;
    condvar_broadcast(&changed);
    while (!is_open)
        condvar_wait(&changed, &mu);
    mutex_unlock(&mu);
    note(r);
}

static void
open_gate(void)
{
    mutex_lock(&mu);
    is_open = true;
    condvar_broadcast(&changed);
    mutex_unlock(&mu);
}

START_TEST(defer_does_not_wait_for_what_it_defers)
{
    defer(0, wait_at_gate);
    defer(1, note);
    ck_assert_int_eq(run_so_far(), 0);
    open_gate();
    reaper_drain();
    ck_assert_int_eq(run_so_far(), 2);
}
END_TEST

/*
 * A chain of 100.  Who does not wait for all of it has many occasions to show
 * that, but need not.
 */
static void
defer_another(struct reap *r)
{
    struct thing *thing = container_of(r, struct thing, reap);

    reaper_drain(); /* on the reaper's own thread: must not wait for itself */
    for (int i = 0; i < 20; i++)
        sched_yield();
    if (thing->number < 99)
        defer(thing->number + 1, defer_another);
    note(r);
}

START_TEST(drain_waits_for_what_things_defer_in_turn)
{
    defer(0, defer_another);
    reaper_drain();
    ck_assert_int_eq(run_so_far(), 100);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(order[i], i);
}
END_TEST

static void
defer_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        defer(i, note);
}

START_TEST(many_threads_defer)
{
    struct thread threads[4];

    for (int i = 0; i < 4; i++)
        assert_ok(thread_start(&threads[i], "defer", defer_many, NULL));
    for (int i = 0; i < 4; i++)
        thread_join(&threads[i]);
    reaper_drain();
    ck_assert_int_eq(run_so_far(), 80);
}
END_TEST

/*
 * When the child is made, thing 0 waits on the reaper's thread and thing 1 in
 * the queue: the child frees 1 and then its own, at once.
 */
START_TEST(a_child_frees_at_once)
{
    static struct thing *waiting; /* in the child only leak checkers need it */
    pid_t pid;
    int status;

    waiting = defer(0, wait_at_gate);
    mutex_lock(&mu);
    while (!at_gate)
        condvar_wait(&changed, &mu);
    mutex_unlock(&mu);
    defer(1, note);
    mutex_lock(&mu); /* so that nobody else holds it in the child */
    pid = fork();
    mutex_unlock(&mu);
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        defer(2, note);
        _exit(waiting->number == 0 && n_run == 2 && order[0] == 1 &&
                      order[1] == 2
                  ? 0
                  : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    open_gate();
}
END_TEST

static void
just_free(struct reap *r)
{
    free(container_of(r, struct thing, reap));
}

/*
 * exit() in a child must not wait for the parent's thread.  The status is
 * left alone: a leak checker at exit takes what only that thread's stack
 * pointed to for leaked.
 */
START_TEST(a_child_exits)
{
    pid_t pid;
    int status;

    defer(0, just_free);
    reaper_drain();
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        defer(1, just_free);
        reaper_drain();
        exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
}
END_TEST

Suite *
suite_reaper(void)
{
    Suite *s = suite_create("reaper");
    TCase *tc = tcase_create("reaper");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, drain_waits_for_everything_in_order);
    tcase_add_test(tc, defer_does_not_wait_for_what_it_defers);
    tcase_add_test(tc, drain_waits_for_what_things_defer_in_turn);
    tcase_add_test(tc, many_threads_defer);
    tcase_add_test(tc, a_child_frees_at_once);
    tcase_add_test(tc, a_child_exits);
    suite_add_tcase(s, tc);
    return s;
}
