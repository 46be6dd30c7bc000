/* Mutexes, condition variables, threads and what fork() does to them. */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sync.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"

Suite *suite_sync(void);

enum { MS = 1000000 };

static struct mutex mu;
static struct condvar changed;
static int count; /* guarded by mu */

static void
setup(void)
{
    assert_ok(mutex_init(&mu));
    assert_ok(condvar_init(&changed));
    count = 0;
}

static void
teardown(void)
{
    condvar_destroy(&changed);
    mutex_destroy(&mu);
}

static void
count_to_1000(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        mutex_lock(&mu);
        mutex_assert_held(&mu);
        count++;
        mutex_unlock(&mu);
    }
}

START_TEST(a_mutex_lets_one_in)
{
    struct thread threads[4];

    for (int i = 0; i < 4; i++)
        assert_ok(thread_start(&threads[i], "count", count_to_1000, NULL));
    for (int i = 0; i < 4; i++)
        thread_join(&threads[i]);
    ck_assert_int_eq(count, 4000);
}
END_TEST

static void
set_and_signal(void *arg)
{
    (void)arg;
    mutex_lock(&mu);
    count = 1;
    condvar_signal(&changed);
    mutex_unlock(&mu);
}

START_TEST(a_waiter_is_woken)
{
    struct thread t;

    mutex_lock(&mu);
    assert_ok(thread_start(&t, "signal", set_and_signal, NULL));
    while (count == 0)
        ck_assert(condvar_wait_until(&changed, &mu, MOSS_FOREVER));
    mutex_assert_held(&mu);
    mutex_unlock(&mu);
    thread_join(&t);
}
END_TEST

START_TEST(a_deadline_ends_a_wait)
{
    uint64_t deadline = sync_now_ns() + 2 * MS;

    mutex_lock(&mu);
    while (condvar_wait_until(&changed, &mu, deadline))
        continue; /* woken for no reason, as a wait may be */
    mutex_assert_held(&mu);
    mutex_unlock(&mu);
    ck_assert_uint_ge(sync_now_ns(), deadline);
}
END_TEST

START_TEST(deadlines_do_not_overflow)
{
    uint64_t now = sync_now_ns();

    ck_assert_uint_ge(sync_deadline_ns(0), now);
    ck_assert_uint_ge(sync_deadline_ns(5), now + 5 * MS);
    ck_assert_uint_eq(sync_deadline_ns(MOSS_FOREVER), MOSS_FOREVER);
    ck_assert_uint_eq(sync_deadline_ns(MOSS_FOREVER - 1), MOSS_FOREVER);
    ck_assert_uint_eq(sync_deadline_ns(UINT64_MAX / MS), MOSS_FOREVER);
}
END_TEST

static void
note_mask(void *arg)
{
    sigset_t *mask = arg;

    pthread_sigmask(SIG_SETMASK, NULL, mask);
}

START_TEST(a_thread_blocks_signals_and_its_maker_keeps_its_own)
{
    sigset_t mask, own;
    struct thread t;

    sigemptyset(&mask);
    assert_ok(thread_start(&t, "a name far too long", note_mask, &mask));
    thread_join(&t);
    ck_assert(sigismember(&mask, SIGINT));
    ck_assert(sigismember(&mask, SIGTERM));
    ck_assert(sigismember(&mask, SIGALRM));
    pthread_sigmask(SIG_SETMASK, NULL, &own);
    ck_assert(!sigismember(&own, SIGINT));
}
END_TEST

static struct thread the_thread;
static bool saw_itself; /* guarded by mu */

static void
look_at_itself(void *arg)
{
    (void)arg;
    mutex_lock(&mu); /* the_thread is set before it is free */
    saw_itself = thread_is_self(&the_thread);
    mutex_unlock(&mu);
}

START_TEST(a_thread_knows_itself)
{
    mutex_lock(&mu);
    assert_ok(thread_start(&the_thread, "self", look_at_itself, NULL));
    ck_assert(!thread_is_self(&the_thread));
    mutex_unlock(&mu);
    thread_join(&the_thread);
    ck_assert(saw_itself);
}
END_TEST

START_TEST(a_thread_without_memory_does_not_start)
{
    struct thread t;

    fail_alloc_install();
    fail_alloc_nth(1);
    assert_status(thread_start(&t, "none", count_to_1000, NULL), MOSS_NOMEM);
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
    ck_assert_int_eq(count, 0);
}
END_TEST

static void
count_once(void)
{
    count++;
}

START_TEST(once_is_once)
{
    static struct once once = ONCE_INITIALIZER;

    once_run(&once, count_once);
    once_run(&once, count_once);
    ck_assert_int_eq(count, 1);
}
END_TEST

static void
expect_child_exits_0(pid_t pid)
{
    int status;

    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

START_TEST(a_child_is_another_process)
{
    uint64_t process = sync_process();
    pid_t pid;

    ck_assert_uint_eq(sync_process(), process);
    pid = fork();
    if (pid == 0)
        _exit(sync_process() == process);
    expect_child_exits_0(pid);
    ck_assert_uint_eq(sync_process(), process);
}
END_TEST

static struct mutex held = MUTEX_INITIALIZER;
static atomic_bool stop;

static void
lock_and_unlock(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        mutex_lock(&held);
        mutex_unlock(&held);
        sched_yield(); /* mutexes are not fair: let fork() have it */
    }
}

/* Were it held by the other thread in the child, that would wait for ever. */
START_TEST(a_registered_mutex_is_free_in_a_child)
{
    struct thread t;

    ck_assert(sync_hold_over_fork(&held));
    atomic_store(&stop, false);
    assert_ok(thread_start(&t, "locker", lock_and_unlock, NULL));
    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            mutex_lock(&held);
            mutex_unlock(&held);
            _exit(0);
        }
        expect_child_exits_0(pid);
    }
    atomic_store(&stop, true);
    thread_join(&t);
}
END_TEST

Suite *
suite_sync(void)
{
    Suite *s = suite_create("sync");
    TCase *tc = tcase_create("sync");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_mutex_lets_one_in);
    tcase_add_test(tc, a_waiter_is_woken);
    tcase_add_test(tc, a_deadline_ends_a_wait);
    tcase_add_test(tc, deadlines_do_not_overflow);
    tcase_add_test(tc, a_thread_blocks_signals_and_its_maker_keeps_its_own);
    tcase_add_test(tc, a_thread_knows_itself);
    tcase_add_test(tc, a_thread_without_memory_does_not_start);
    tcase_add_test(tc, once_is_once);
    tcase_add_test(tc, a_child_is_another_process);
    tcase_add_test(tc, a_registered_mutex_is_free_in_a_child);
    suite_add_tcase(s, tc);
    return s;
}
