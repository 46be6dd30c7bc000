# ext/read.c: a connection does not notice what another one committed.
s/!cs->seen_valid || version != cs->seen_version/!cs->seen_valid/
