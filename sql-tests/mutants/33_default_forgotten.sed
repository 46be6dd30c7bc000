# ext/write_columns.c: no DEFAULT takes the place of a NULL.
# found by: 18_columns 35_replace_null
s/return column->default_text != NULL \&\&/return column->name == NULL \&\&/
