# ext/table.c: a table made again under its name gets the old collection.
s/sqlite3_randomness((int)sizeof random, &random);/random = 1;/
