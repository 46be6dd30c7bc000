# ext/admit.c: of an IN list only the first value is looked up.
s/while (rc == SQLITE_OK && value != NULL) {/if (rc == SQLITE_OK \&\& value != NULL) {/
