# moss-core/src/stack/iterator.c: with deletions, a seek skips them.
# partial_read a_seek_stops_at_a_deletion
/^settle(/,/^}/ s/if (it->deletions)/if (it->deletions \&\& it->state == ITERATOR_ON)/
