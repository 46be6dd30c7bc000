# moss-core/src/store/plan_write.c: a full compaction leaves out what children had.
# compact compaction_keeps_the_data_of_children
/^plan_choose_whole/,/^}/ s/keep_in_place(&p->targets\[i\], 0);/{\
            keep_in_place(\&p->targets[i], 0);\
            if (i > 0)\
                p->targets[i].older = NULL;\
        }/
