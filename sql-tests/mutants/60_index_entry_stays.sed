# ext/index.c: an UPDATE leaves the old entry of an index behind
s/if (old != NULL \&\& !same_key)/if (old == NULL \&\& same_key)/
