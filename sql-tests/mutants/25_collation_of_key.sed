# ext/key.c: NOCASE keys keep their case.
s/if (collation == COLLATION_NOCASE)/if (collation == COLLATION_OTHER)/
