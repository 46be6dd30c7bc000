# moss-core/src/store/store_open.c: older data files are not looked at.
# store_open newest_file_without_a_footer_is_passed_over
/^load_newest(/,/^}/ s/if (st != MOSS_CORRUPT || has_footer)/if (st != MOSS_CORRUPT || has_footer || i == 0)/
