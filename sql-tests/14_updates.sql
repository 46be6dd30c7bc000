-- UPDATE and DELETE while the same table is read.
CREATE VIRTUAL TABLE t USING moss;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    INSERT INTO t SELECT i, printf('v%d', i) FROM n;
-- Every key moves into the place of rows still to be visited.
UPDATE t SET key = -key;
SELECT changes(), count(*), min(key), max(key) FROM t;
UPDATE t SET key = key + 5000 WHERE key < -10;
SELECT changes(), count(*), min(key), max(key) FROM t;
-- A statement reads what was there when it began.
INSERT INTO t SELECT key + 100000, value FROM t;
SELECT changes(), count(*) FROM t;
DELETE FROM t WHERE key IN (SELECT key - 100000 FROM t WHERE key > 50000);
SELECT changes(), count(*) FROM t;
UPDATE t SET value = (SELECT count(*) FROM t WHERE value LIKE 'v%')
    WHERE key < 100004;
SELECT changes(), count(*), min(value), max(value) FROM t WHERE key < 100004;
-- The value stays as it is where it is not set.
DELETE FROM t;
INSERT INTO t VALUES (1, x'0102'), (2, NULL), (3, 1.0), (4, -7), (5, 'é');
UPDATE t SET key = key + 10;
SELECT key, quote(value) FROM t;
UPDATE t SET value = value WHERE key = 13;
SELECT quote(value), changes() FROM t WHERE key = 13;
-- REPLACE removes the row in the way; what was replaced is not updated.
UPDATE OR REPLACE t SET key = 15 WHERE key = 11;
SELECT key, quote(value) FROM t;
UPDATE OR IGNORE t SET key = 15 WHERE key = 12;
SELECT changes(), group_concat(key) FROM t;
-- A trigger of an ordinary table writes and reads a moss table.
CREATE TABLE o(x);
CREATE TRIGGER copied AFTER INSERT ON o BEGIN
    INSERT OR REPLACE INTO t VALUES (new.x, (SELECT count(*) FROM t));
END;
INSERT INTO o VALUES (1), (2), (1);
SELECT key, quote(value) FROM t ORDER BY key;
SELECT last_insert_rowid();
