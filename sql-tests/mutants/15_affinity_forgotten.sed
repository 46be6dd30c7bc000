# ext/admit.c: a number on the right finds no text that looks like it.
s/rc = admit_numeric_texts(out);/rc = SQLITE_OK;/
