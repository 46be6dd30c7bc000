# moss-core/src/store/commit.c: mappings and files of children stay open.
# store_faults nothing_is_leaked
/^commit_unref(/,/^}/ s/i < c->footer->n_colls; i++/i < c->footer->n_colls \&\& i < 1; i++/
