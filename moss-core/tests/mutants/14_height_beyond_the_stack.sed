# moss-core/src/stack/partial_read.c: segments that are not there are read.
# partial_read levels_beyond_the_stack_choose_nothing_more
/^choose(/,/^}/ s/if (options->max_segment_height > 0 && options->max_segment_height < height)/if (options->max_segment_height > 0)/
