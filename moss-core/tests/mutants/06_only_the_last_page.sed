# moss-core/src/store/footer.c: a footer is looked for on the last page only.
# store_open damaged_end_of_the_file_leaves_the_older_commit_point
/^scan_chunk(/,/^}/ s/if (off == lo)/if (off == (hi - 1) \/ FILE_PAGE * FILE_PAGE)/
