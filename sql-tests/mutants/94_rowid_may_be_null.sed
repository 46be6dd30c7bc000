# ext/schema.c: min() of a rowid visits every row.
# found by: visits
s/if (c->not_null || (is_key \&\& s->has_rowid))/if (c->not_null)/
