-- Uniqueness and NOT NULL under each conflict clause.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');
-- ABORT: the whole statement is undone, the transaction goes on.
BEGIN;
INSERT INTO t VALUES (4, 'd');
INSERT INTO t VALUES (5, 'e'), (1, 'again'), (6, 'f');
SELECT changes();
INSERT OR ABORT INTO t VALUES (7, 'g'), (7, 'own');
SELECT key FROM t;
-- FAIL: what came before the conflict stays.
INSERT OR FAIL INTO t VALUES (5, 'e'), (1, 'again'), (6, 'f');
SELECT changes();
SELECT key FROM t;
-- IGNORE: the row is left out.
INSERT OR IGNORE INTO t VALUES (6, 'f'), (1, 'again'), (NULL, 'x'), (7, 'g');
SELECT changes();
SELECT key, value FROM t;
-- REPLACE: the row that is in the way goes, and is not counted.
INSERT OR REPLACE INTO t VALUES (1, 'new'), (8, 'h'), (8, 'i');
SELECT changes();
SELECT key, value FROM t WHERE key IN (1, 8);
REPLACE INTO t VALUES (NULL, 'no default to put in');
COMMIT;
-- ROLLBACK: the transaction ends.
BEGIN;
DELETE FROM t WHERE key > 2;
INSERT OR ROLLBACK INTO t VALUES (9, 'i'), (1, 'again');
COMMIT;
SELECT count(*) FROM t;
-- UPDATE of keys.
UPDATE t SET key = 2 WHERE key = 1;
UPDATE t SET key = key + 1;
SELECT count(*), max(key) FROM t;
UPDATE t SET key = NULL WHERE key = 1;
UPDATE OR IGNORE t SET key = key + 1;
SELECT group_concat(key) FROM t;
SELECT changes();
UPDATE OR REPLACE t SET key = 3, value = 'moved' WHERE key = 1;
SELECT key, value FROM t WHERE key <= 3;
UPDATE t SET key = key + 100;
SELECT group_concat(key), changes() FROM t;
UPDATE t SET key = -key WHERE key > 103;
SELECT group_concat(key) FROM t;
UPDATE OR FAIL t SET key = 0 WHERE key < 0;
SELECT group_concat(key) FROM t;
-- A key that is written again as another type is the same key.
INSERT INTO t VALUES (0.0, 'zero');
UPDATE t SET key = 0.0 WHERE key = 0;
SELECT typeof(key) FROM t WHERE key = 0;
INSERT INTO t DEFAULT VALUES;
INSERT INTO t VALUES (1);
INSERT INTO t(key, nope) VALUES (1, 2);
SELECT rowid FROM t;
