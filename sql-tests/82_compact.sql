-- After a compaction rows are read from what it has left, at once.
.echo on
CREATE VIRTUAL TABLE t USING moss(key, value, PRIMARY KEY(key), INDEX by_value(value));
INSERT INTO t VALUES('a', zeroblob(100000));
INSERT INTO t(t) VALUES('flush');
INSERT INTO t VALUES('b', zeroblob(1000));
INSERT INTO t(t) VALUES('flush');
UPDATE t SET value = 3 WHERE key = 'a';
INSERT INTO t(t) VALUES('flush');
SELECT count(*) > 1 FROM moss_segments('t');
INSERT INTO t(t) VALUES('compact');
SELECT count(*), sum(deletions), sum(entries) FROM moss_segments('t');
SELECT key, hex(value) = hex(zeroblob(1000)) FROM t ORDER BY key;
SELECT count(*) FROM t WHERE value = 3;
INSERT INTO t VALUES('c', 4);
SELECT key FROM t ORDER BY key DESC;
