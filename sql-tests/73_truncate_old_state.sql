-- A reader whose state is made again from the log, which empties a table in it.
PRAGMA journal_mode = wal;
PRAGMA synchronous = off;
CREATE VIRTUAL TABLE t USING moss;
CREATE VIRTUAL TABLE kept USING moss;
CREATE TABLE plain(a);
INSERT INTO plain VALUES(1);
INSERT INTO t VALUES(1, 'one'), (2, 'two');
INSERT INTO kept VALUES(1, 'one');
INSERT INTO t(t) VALUES('flush');
INSERT INTO t VALUES(3, 'three');
INSERT INTO t(t) VALUES('truncate');
INSERT INTO t VALUES(4, 'four');
INSERT INTO kept VALUES(2, 'two');
.connection 1
.open test.db
.load ./moss
BEGIN;
SELECT * FROM plain;
.connection 0
PRAGMA synchronous = off;
INSERT INTO t(t) VALUES('truncate');
.read "|seq -f 'REPLACE INTO t VALUES(5, %.0f);' 1100"
SELECT * FROM t;
.connection 1
SELECT * FROM t;
SELECT * FROM kept;
COMMIT;
SELECT * FROM t;
