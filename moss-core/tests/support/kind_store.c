/* A store with toy kinds of segments. */
#include "support/kind_store.h"

#include <string.h>

#include "base/reaper.h"
#include "support/operators.h"

void
kind_store_init(struct kind_store *s)
{
    memset(s, 0, sizeof *s);
    s->mem = mem_os_new();
}

void
kind_store_release(struct kind_store *s)
{
    driver_close(&s->d);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(s->mem), 0);
    mem_os_free(s->mem);
}

struct moss_store_options
kind_store_options(struct kind_store *s, const char *kind)
{
    return (struct moss_store_options){ .os = mem_os_base(s->mem),
                                        .merge = &merge_append,
                                        .no_mmap = s->no_mmap,
                                        .compaction = MOSS_COMPACTION_DISABLE,
                                        .kinds = toy_kinds,
                                        .n_kinds = TOY_KINDS,
                                        .persist_kind = kind };
}

enum moss_status
kind_store_open(struct kind_store *s, const char *kind)
{
    struct moss_store_options o = kind_store_options(s, kind);

    driver_close(&s->d);
    return driver_open(&s->d, KIND_DIR, &o);
}

void
kind_store_compact(struct kind_store *s, enum moss_compact_kind how)
{
    struct moss_compact_options o = { .kind = how };

    assert_ok(moss_store_compact(s->d.store, &o, &s->d.err));
}
