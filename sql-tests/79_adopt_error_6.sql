-- database: guest.db
-- A home that is gone: one that was it before would go back to its own end.
.shell rm -f test.db test.db-wal test.db-shm
SELECT hex(key) FROM top;
INSERT INTO top VALUES(x'09', x'11');
INSERT INTO top(top) VALUES('adopt');
INSERT INTO top VALUES(x'09', x'11');
SELECT hex(key) FROM top;
CREATE VIRTUAL TABLE temp.m USING moss(store='shared', codec=raw);
INSERT INTO m(m) VALUES('adopt');
