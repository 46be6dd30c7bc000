-- VACUUM, journal modes and a copy leave the tables as they are.
CREATE VIRTUAL TABLE t USING moss;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO t SELECT i, 'value ' || i FROM n;
CREATE VIRTUAL TABLE x USING moss;
INSERT INTO x SELECT * FROM t;
DROP TABLE x;
VACUUM;
SELECT count(*), sum(key) FROM t;
PRAGMA journal_mode = wal;
DELETE FROM t WHERE key % 2;
VACUUM;
INSERT INTO t VALUES (1001, 'after VACUUM');
PRAGMA journal_mode = persist;
INSERT INTO t VALUES (1002, 'persist');
PRAGMA journal_mode = wal;
INSERT INTO t VALUES (1003, 'wal');
PRAGMA wal_checkpoint(TRUNCATE);
INSERT INTO t VALUES (1004, 'after the checkpoint');
PRAGMA page_size = 8192;
PRAGMA journal_mode = delete;
VACUUM;
PRAGMA page_size;
INSERT INTO t VALUES (1005, 'other pages');
SELECT count(*), sum(key) FROM t;
PRAGMA integrity_check;
