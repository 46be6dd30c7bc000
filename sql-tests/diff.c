/*
 * Random SQL statements on moss tables and on ordinary tables of the same
 * columns, in two databases, must give the same rows, codes, messages and
 * counters.
 *
 *     diff [--seed N] [--statements N] [--report FILE] [--episode N]
 *          [--mode TEXT] [--differences N] [--whole] [--tables plain]
 *
 * A run consists of episodes.  Each begins with new databases in a random
 * mode (WAL, rollback journal, memory, one or two connections, ...) and has a
 * random number generator of its own, so that --episode repeats one alone;
 * --mode leaves out those whose mode, as the report names it, has not TEXT in
 * its name.  The steps of the current episode are written to episode.sql in
 * the scratch directory before they run, for the case of a crash, and what
 * came of each.  A difference is shrunk and written to a script beside it;
 * the run ends after --differences of them (1), with exit code 1.
 * With --whole it is not shrunk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/diff_gen.h"
#include "support/diff_run.h"

struct run {
    struct diff_report report;
    const char *dir;
    long statements; /* still to do */
    int differences; /* still to find before giving up */
    int found;
};

static void
write_script(const char *path, const struct diff_steps *steps,
             const struct diff_mode *mode, const char *difference)
{
    char layout[DIFF_LAYOUT_SIZE];
    const struct diff_dialect dialect = { "VIRTUAL TABLE", layout, true };
    FILE *to = fopen(path, "w");

    diff_layout_text(mode, true, layout, sizeof layout);
    if (to == NULL)
        fail("cannot write %s", path);
    fprintf(to, "-- seed %llu, %s\n-- %s;\n", (unsigned long long)harness_seed,
            mode->name, mode->setup);
    for (size_t i = 0; i < steps->n; i++) {
        char *text = diff_step_script(&steps->at[i], &dialect);

        fputs(text, to);
        sqlite3_free(text);
    }
    fprintf(to, "/* which gives\n%s*/\n", difference);
    fclose(to);
}

static void
print_file(const char *path)
{
    FILE *from = fopen(path, "r");
    char line[2000];

    while (from != NULL && fgets(line, sizeof line, from) != NULL)
        fputs(line, stdout);
    if (from != NULL)
        fclose(from);
}

static void
report_difference(struct run *run, int episode, const struct diff_mode *mode,
                  const struct diff_steps *steps, const char *difference)
{
    char *whole = sqlite3_mprintf("%s/episode-%d-whole.sql", run->dir, episode);
    char *small = sqlite3_mprintf("%s/episode-%d.sql", run->dir, episode);
    char *dir = sqlite3_mprintf("%s/shrink", run->dir);
    char *again = NULL;

    run->found++;
    printf("\nDIFFERENCE: seed %llu, episode %d (%s), step %zu\n%s",
           (unsigned long long)harness_seed, episode, mode->name, steps->n,
           difference);
    write_script(whole, steps, mode, difference);
    printf("all steps: %s\n", whole);
    if (option_given("--whole"))
        goto done;
    struct diff_steps part = diff_shrink(steps, mode, dir, difference, &again);
    if (again == NULL) {
        printf("running the episode again, the sides agree\n");
    } else {
        write_script(small, &part, mode, again);
        printf("shrunk to %zu steps: %s\n", part.n, small);
        print_file(small);
    }
    free(part.at);
    sqlite3_free(again);
done:
    sqlite3_free(whole);
    sqlite3_free(small);
    sqlite3_free(dir);
}

static void
log_step(FILE *log, const struct diff_step *step, const struct diff_pair *pair)
{
    char *text = diff_step_script(step, &pair->moss.dialect);

    fputs(text, log);
    fflush(log);
    sqlite3_free(text);
}

/* The last step of an episode. */
static void
write_check(struct diff_step *step)
{
    memset(step, 0, sizeof *step);
    step->action = DIFF_CHECK;
    step->compare = DIFF_CODE;
    step->is_ddl = true; /* a command counts as a row */
    step->kind = "check of the tables";
}

static void
run_steps(struct run *run, int episode, struct rng rng,
          const struct diff_mode *mode)
{
    struct diff_steps steps = { NULL, 0, 0 };
    struct diff_pair pair;
    struct diff_gen gen;
    char *dir = sqlite3_mprintf("%s/databases", run->dir);
    char *log_path = sqlite3_mprintf("%s/episode.sql", run->dir);
    char *difference = NULL;
    FILE *log = fopen(log_path, "w");
    int length;

    if (log == NULL)
        fail("cannot write %s", log_path);
    length = rng_between(&rng, 100, 900);
    if (rng_percent(&rng, 15))
        length *= 4;
    diff_report_count(&run->report, DIFF_MODES, mode->name);
    fprintf(log, "-- seed %llu, episode %d, %s; %s;\n",
            (unsigned long long)harness_seed, episode, mode->name, mode->setup);
    diff_gen_init(&gen, rng, mode);
    diff_pair_open(&pair, mode, dir);
    for (; length >= 0 && run->statements > 0 && difference == NULL &&
           !pair.apart;
         length--, run->statements--) {
        struct diff_step step;
        struct diff_outcome out;

        if (length == 0 || run->statements == 1)
            write_check(&step);
        else
            diff_gen_next(&gen, &step);
        diff_steps_append(&steps, &step);
        log_step(log, &step, &pair);
        difference = diff_pair_run(&pair, &step, &run->report, &out);
        fprintf(log, "-- %d %s, %zu rows\n", out.rc, out.message, out.n_rows);
        diff_gen_note(&gen, &step, &out);
        diff_outcome_release(&out);
    }
    diff_pair_close(&pair);
    fclose(log);
    if (difference != NULL)
        report_difference(run, episode, mode, &steps, difference);
    sqlite3_free(difference);
    diff_gen_release(&gen);
    diff_steps_release(&steps);
    sqlite3_free(dir);
    sqlite3_free(log_path);
}

static void
run_episode(struct run *run, int episode)
{
    struct rng rng = rng_of(harness_seed, (uint64_t)episode);
    struct diff_mode mode;

    diff_mode_random(&rng, &mode);
    if (strstr(mode.name, option_text("--mode", "")) != NULL)
        run_steps(run, episode, rng, &mode);
}

static void
save_report(struct run *run, const char *path)
{
    FILE *to = fopen(path, "w");

    if (to == NULL)
        fail("cannot write %s", path);
    fprintf(to, "seed %llu\n", (unsigned long long)harness_seed);
    diff_report_print(&run->report, to);
    fclose(to);
}

int
main(int argc, char **argv)
{
    struct run run;
    const char *path;
    int episode;

    harness_start(
        argc, argv,
        "--statements --report --episode --differences --mode --whole");
    memset(&run, 0, sizeof run);
    run.dir = scratch_dir();
    run.statements = option_number("--statements", 4000);
    run.differences = (int)option_number("--differences", 1);
    path = option_text("--report", NULL);
    printf("working in %s\n", run.dir);
    if (option_given("--episode")) {
        run_episode(&run, (int)option_number("--episode", 1));
    } else {
        for (episode = 1; run.statements > 0 && run.found < run.differences;
             episode++)
            run_episode(&run, episode);
    }
    diff_report_print(&run.report, stdout);
    if (path != NULL)
        save_report(&run, path);
    diff_report_release(&run.report);
    if (run.found > 0)
        fail("%d differences", run.found);
    printf("diff: no difference\n");
    return 0;
}
