# ext/admit.c: a number on the right finds no text that looks like it.
s/rc = admit_numeric_texts(s);/rc = SQLITE_OK;/
