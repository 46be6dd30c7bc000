# moss-core/src/collection/collection.c: with a bound on operations alone, no byte is allowed.
# prepare each_bound_works_alone
s/opts->max_dirty_bytes = DEFAULT_MAX_DIRTY_BYTES;/opts->max_dirty_bytes =\
            opts->max_dirty_ops > 0 ? 1 : DEFAULT_MAX_DIRTY_BYTES;/
