# ext/key.c: NOCASE keys keep their case.
# found by: 10_keys
s/if (collation == COLLATION_NOCASE)/if (collation == COLLATION_OTHER)/
