#include "support/staging.h"

#include <check.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "support/dump.h"
#include "support/fixture.h"
#include "support/stores.h"

const struct moss_tag staging_tag = { 7, 700 };
struct staging sg;

enum moss_status
staging_open_store(const struct moss_merge_operator *merge)
{
    struct moss_store_options so = { .os = fault_os_base(sg.fault),
                                     .merge = merge };

    return moss_store_open(STAGING_DIR, &so, &sg.store, &sg.err);
}

void
staging_open(const struct moss_merge_operator *merge)
{
    struct moss_collection_options co = { .merge = merge };
    struct moss_lower *lower = NULL;

    assert_ok(staging_open_store(merge));
    assert_ok(moss_store_lower(sg.store, &lower));
    assert_ok(moss_collection_open(&co, lower, &sg.c));
}

void
staging_close(void)
{
    if (sg.c != NULL)
        assert_ok(moss_collection_close(sg.c, MOSS_FOREVER, NULL));
    sg.c = NULL;
    moss_store_close(sg.store);
    sg.store = NULL;
    for (int i = 0; i < 3; i++)
        reaper_drain();
}

void
staging_setup(void)
{
    sg.mem = mem_os_new();
    sg.fault = fault_os_new(mem_os_base(sg.mem));
    sg.store = NULL;
    sg.c = NULL;
}

void
staging_teardown(void)
{
    staging_close();
    ck_assert_uint_eq(mem_os_open_files(sg.mem), 0);
    fault_os_free(sg.fault);
    mem_os_free(sg.mem);
}

enum moss_status
staging_add(struct moss_staged *g, const char *text)
{
    struct moss_batch *batch = batch_of(text);
    enum moss_status st = moss_staged_add(g, batch, &sg.err);

    moss_batch_free(batch);
    return st;
}

const char *const staging_pieces[] = { "a=1 b=1 kid{x=1 y=1}",
                                       "-b c=2 kid{y=2 deep{z=2}}",
                                       "a=3 other{} d=3" };

enum moss_status
staging_stage(struct moss_staged **out, struct moss_staged_info *info)
{
    struct moss_staged *g = NULL;
    enum moss_status st =
        moss_staged_begin(sg.store, staging_tag, NULL, &g, &sg.err);

    *out = NULL;
    for (size_t i = 0; i < 3 && st == MOSS_OK; i++)
        st = staging_add(g, staging_pieces[i]);
    if (st == MOSS_OK)
        st = moss_staged_finish(g, info, &sg.err);
    if (st < 0)
        moss_staged_free(g);
    else
        *out = g;
    return st;
}

enum moss_status
staging_publish(struct moss_staged *g)
{
    struct moss_prepared *p = NULL;
    enum moss_status st = moss_staged_prepare(g, sg.c, MOSS_FOREVER, &p);

    if (st == MOSS_OK)
        moss_prepared_publish(p);
    return st;
}

void
staging_run(const char *text)
{
    struct moss_batch *batch = batch_of(text);

    assert_ok(moss_collection_execute(sg.c, batch));
    moss_batch_free(batch);
}

bool
staging_has_file(void)
{
    char *names = dir_names(mem_os_base(sg.mem), STAGING_DIR);
    bool has = strstr(names, "moss-staged") != NULL;

    free(names);
    return has;
}

bool
staging_keep_8(void *ctx, struct moss_tag tag)
{
    ++*(int *)ctx;
    return tag.n == 8;
}
