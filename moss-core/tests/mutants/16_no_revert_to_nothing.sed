# moss-core/src/store/history.c: an empty commit point is not reverted to.
# history revert_to_the_empty_beginning
/^revert(/,/^}/ s/enum moss_status st = plan_copy(target, &plan);/enum moss_status st = target->footer->n_locs == 0\
                              ? MOSS_INVALID\
                              : plan_copy(target, \&plan);/
