-- Ranges on the key, open and closed, empty and full, of one type and of many.
CREATE VIRTUAL TABLE t USING moss;
WITH RECURSIVE n(i) AS (SELECT -20 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
INSERT INTO t SELECT i, i * i FROM n;
INSERT INTO t VALUES (0.5, 'half'), ('', 'no text'), ('a', 1), ('ab', 2),
    ('b', 3), (x'', 'no blob'), (x'00', 4), (x'ff', 5),
    (-9223372036854775808, 'min'), (9223372036854775807, 'max'),
    (1e300, 'big'), (-9e999, 'least'), (9e999, 'most'),
    ('a' || char(0), 6), (9007199254740993, 'odd');
SELECT 'less', key FROM t WHERE key < -18;
SELECT 'at most', key FROM t WHERE key <= -18;
SELECT 'greater', key FROM t WHERE key > 18 AND key < 'a';
SELECT 'from', key FROM t WHERE key >= 9e18 AND key <= '';
SELECT 'between', key FROM t WHERE key BETWEEN 0 AND 1;
SELECT 'reals', key FROM t WHERE key BETWEEN -0.5 AND 1.5;
SELECT 'texts', quote(key) FROM t WHERE key >= '' AND key < x'';
SELECT 'after a', quote(key) FROM t WHERE key > 'a' AND key < 'b';
SELECT 'blobs', quote(key) FROM t WHERE key >= x'';
SELECT 'empty blob', quote(key), value FROM t WHERE key = x'';
SELECT 'empty text', quote(key), value FROM t WHERE key = '';
SELECT 'backwards', key FROM t WHERE key BETWEEN 3 AND 6 ORDER BY key DESC;
SELECT 'crossed', count(*) FROM t WHERE key > 5 AND key < 4;
SELECT 'point range', key FROM t WHERE key >= 4 AND key <= 4;
SELECT 'null', count(*) FROM t WHERE key > NULL OR key = NULL OR key < NULL;
SELECT 'is null', count(*) FROM t WHERE key IS NULL;
SELECT 'in', key FROM t WHERE key IN (7, 3, 3.0, 'a', NULL, 99, '7');
SELECT 'in query', key FROM t WHERE key IN (SELECT value FROM t);
SELECT 'not in', key FROM t WHERE key NOT IN (1, 2) AND key BETWEEN 0 AND 4;
SELECT 'exact', key FROM t WHERE key = 9007199254740993;
SELECT 'not exact', count(*) FROM t WHERE key = 9007199254740992.0;
SELECT 'max', value FROM t WHERE key >= 9223372036854775807 AND key < 1e30;
SELECT '2^63', key FROM t WHERE key > 9223372036854775807 AND key < '';
SELECT 'infinite', value FROM t WHERE key >= 9e999 AND key < '';
SELECT 'minus infinite', value FROM t WHERE key <= -9e999;
SELECT 'like', key FROM t WHERE key LIKE 'A%';
SELECT 'glob', quote(key) FROM t WHERE key GLOB 'a*';
SELECT 'row value', key FROM t WHERE (key, value) > (18, 324) AND key < 99;
SELECT 'limit', key FROM t WHERE key > 0 ORDER BY key LIMIT 3 OFFSET 2;
SELECT 'limit', key FROM t WHERE key < 0 ORDER BY key DESC LIMIT 2 OFFSET 1;
