# ext/merge_column.c: rows without an appended MERGE column lack its DEFAULT.
# found by: 68_merge 67_columns
s/if (c->fallback != NULL \&\& c->merge > MERGE_LAST)/if (false)/
