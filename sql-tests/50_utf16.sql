-- A database whose texts are UTF-16: the same rows, ordered as it orders them.
PRAGMA encoding = 'UTF-16le';
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES ('a', 1), ('é', 2), ('日本', 3), ('😀', 4), ('', 5),
    (char(57344), 6), (5, 7), (x'61', 8), ('ab', 9), ('a' || char(0) || 'b', 10);
SELECT value FROM t WHERE key = '😀';
SELECT value FROM t WHERE key IN ('é', 'ab', 'nothing') ORDER BY value;
SELECT typeof(key), length(key), value FROM t WHERE key > 'a' ORDER BY key;
SELECT value FROM t WHERE key LIKE 'A%' ORDER BY value;
SELECT value FROM t ORDER BY key DESC;
SELECT max(key), min(key) FROM t WHERE typeof(key) = 'text';
UPDATE t SET key = key || '本' WHERE key = '日本';
SELECT key FROM t WHERE value = 3;
CREATE TABLE o AS SELECT key FROM t;
SELECT count(*) FROM t JOIN o USING (key);
