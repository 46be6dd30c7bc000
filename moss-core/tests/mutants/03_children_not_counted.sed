# moss-core/src/collection/stats.c: statistics do not look at children.
# collection stats_count_children
/^add_section/,/^}/ s/i < section->n; i++/i < section->n \&\& i < 1; i++/
/^count_edit_segments/,/^}/ s/i < edit->n; i++/i < edit->n \&\& i < 1 \&\& n > 0; i++/
