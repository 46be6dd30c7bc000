/* The pump: order, waiting, the end. */
#include <check.h>

#include "base/base.h"
#include "base/pump.h"
#include "support/coll.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"

Suite *suite_pump(void);

enum { JOBS = 100 };

struct noted {
    struct pump_job job;
    int number;
    struct log *log;
};

struct log {
    int numbers[2 * JOBS], n;
    struct noted jobs[JOBS];
};

static void
note(struct pump_job *job)
{
    struct noted *noted = container_of(job, struct noted, job);

    noted->log->numbers[noted->log->n++] = noted->number;
}

static void
log_init(struct log *log)
{
    memset(log, 0, sizeof *log);
    for (int i = 0; i < JOBS; i++)
        log->jobs[i] = (struct noted){ { .run = note }, i, log };
}

START_TEST(jobs_run_in_order_before_the_end)
{
    struct pump *p;
    struct log log;

    log_init(&log);
    assert_ok(pump_new(&p));
    for (int i = 0; i < JOBS; i++)
        pump_submit(p, &log.jobs[i].job);
    pump_free(p);
    ck_assert_int_eq(log.n, JOBS);
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(log.numbers[i], i);
}
END_TEST

START_TEST(a_job_can_be_waited_for_and_used_again)
{
    struct pump *p;
    struct log log;

    log_init(&log);
    assert_ok(pump_new(&p));
    pump_wait(p, &log.jobs[0].job); /* was never submitted */
    ck_assert_int_eq(log.n, 0);
    for (int i = 0; i < JOBS; i++) {
        pump_submit(p, &log.jobs[1].job);
        pump_wait(p, &log.jobs[1].job);
        ck_assert_int_eq(log.n, i + 1);
    }
    pump_free(p);
    ck_assert_int_eq(log.n, JOBS);
}
END_TEST

/* The pump itself, then what its thread needs. */
START_TEST(without_memory_there_is_no_pump)
{
    struct pump *p = NULL;
    int64_t before;

    settle_reaper();
    fail_alloc_install();
    before = fail_alloc_live();
    for (uint64_t n = 1; n <= 2; n++) {
        fail_alloc_nth(n);
        assert_status(pump_new(&p), MOSS_NOMEM);
        ck_assert(fail_alloc_tripped());
        ck_assert_ptr_null(p);
        ck_assert_int_eq(fail_alloc_live(), before);
    }
    fail_alloc_nth(0);
    assert_ok(pump_new(&p));
    pump_free(p);
    ck_assert_int_eq(fail_alloc_live(), before);
    fail_alloc_remove();
}
END_TEST

START_TEST(no_pump_is_nothing_to_end)
{
    pump_free(NULL);
}
END_TEST

Suite *
suite_pump(void)
{
    Suite *s = suite_create("pump");
    TCase *tc = tcase_create("pump");

    tcase_add_test(tc, jobs_run_in_order_before_the_end);
    tcase_add_test(tc, a_job_can_be_waited_for_and_used_again);
    tcase_add_test(tc, without_memory_there_is_no_pump);
    tcase_add_test(tc, no_pump_is_nothing_to_end);
    suite_add_tcase(s, tc);
    return s;
}
