/*
 * Gathers the suites of every test_*.c file (gen/suites.h, written by the
 * Makefile, lists them) and runs them.  Arguments name the suites to run, by
 * module; none means all.  The last line counts the tests.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "support/forget.h"

#define SUITE(name) Suite *suite_##name(void);
#include "suites.h"
#undef SUITE

struct entry {
    const char *name;
    Suite *(*make)(void);
};

static const struct entry entries[] = {
#define SUITE(name) { #name, suite_##name },
#include "suites.h"
#undef SUITE
};

static bool
is_wanted(const char *name, int argc, char **argv)
{
    if (argc <= 1)
        return true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return true;
    }
    return false;
}

int
main(int argc, char **argv)
{
    SRunner *runner;
    int run, failed;

    if (argc == 3 && strcmp(argv[1], FORGET) == 0) {
        forget_to_close(argv[2]);
        return EXIT_SUCCESS;
    }
    runner = srunner_create(NULL);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (is_wanted(entries[i].name, argc, argv))
            srunner_add_suite(runner, entries[i].make());
    }
    srunner_run_all(runner, CK_ENV);
    run = srunner_ntests_run(runner);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("%d passed, %d failed\n", run - failed, failed);
    fflush(stdout); /* a leak found at exit ends the process without it */
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
