# moss-core/src/store/store_write.c: a revert names no older commit point.
# history revert_makes_an_older_commit_point_the_newest
s/a.next->footer->prev = a.prev->footer->off;/a.next->footer->prev = out == NULL ? 0 : a.prev->footer->off;/
