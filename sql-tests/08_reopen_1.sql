-- What is committed is there for the next shell.
PRAGMA journal_mode = wal;
CREATE VIRTUAL TABLE t USING moss;
CREATE VIRTUAL TABLE gone USING moss;
CREATE VIRTUAL TABLE old_name USING moss;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO t SELECT i, 'value ' || i FROM n;
INSERT INTO gone VALUES (1, 1);
INSERT INTO old_name VALUES ('kept', 'under a new name');
DELETE FROM t WHERE key % 3 = 0;
UPDATE t SET value = NULL WHERE key % 100 = 1;
REPLACE INTO t VALUES (2.5, x'cafe'), ('text', ''), (x'', -0.5);
DROP TABLE gone;
ALTER TABLE old_name RENAME TO new_name;
BEGIN;
DELETE FROM t WHERE key > 100;
ROLLBACK;
BEGIN;
INSERT INTO t VALUES ('never committed', 1);
