# moss-core/src/store/store_write.c: a compaction names no older commit point.
# history merging_segments_does_not_cut_the_history
s/a.next->footer->prev = a.prev->footer->off;/a.next->footer->prev = plan->rewrites ? 0 : a.prev->footer->off;/
