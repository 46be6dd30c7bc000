# moss-core/src/store/plan_write.c: children below an empty top level are not written.
# store store_with_children_only_goes_on
/^plan_write(/,/^}/ s/i < p->n_targets && st == MOSS_OK; i++/i < p->n_targets \&\& st == MOSS_OK \&\&\
                       (i == 0 || height(p->targets[0].newer) > 0); i++/
