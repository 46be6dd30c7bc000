-- database: guest.db
PRAGMA journal_mode = wal;
CREATE VIRTUAL TABLE top USING moss(store='shared', codec=raw);
CREATE TABLE plain(a);
INSERT INTO top VALUES(x'02', x'bb');
INSERT INTO top(top) VALUES('truncate');
INSERT INTO top(top) VALUES('flush');
INSERT INTO top(top) VALUES('check');
BEGIN;
INSERT INTO top(top) VALUES('adopt');
ROLLBACK;
SELECT hex(key), hex(value) FROM top;
