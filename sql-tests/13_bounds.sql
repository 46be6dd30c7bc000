-- Bounds that stand for nothing, for everything, and beyond any key.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (1, 'one'), ('a', 'text'), (x'61', 'blob'), ('', 'no text'),
    (x'', 'no blob');
SELECT 'null', count(*) FROM t WHERE key = NULL;
SELECT 'null', count(*) FROM t WHERE key < NULL OR key >= NULL;
SELECT 'null', count(*) FROM t WHERE key IN (NULL, 1);
SELECT 'null', count(*) FROM t WHERE key NOT IN (NULL, 1);
SELECT 'null', count(*) FROM t WHERE key IS NULL;
SELECT 'no text', value FROM t WHERE key = '';
SELECT 'no blob', value FROM t WHERE key = x'';
SELECT 'below no blob', value FROM t WHERE key < x'' ORDER BY key;
SELECT 'from no blob', value FROM t WHERE key >= x'' ORDER BY key DESC;
SELECT 'up to no text', value FROM t WHERE key <= '' ORDER BY key DESC;
SELECT 'nothing between', count(*) FROM t WHERE key > 'a' AND key < 'a';
SELECT 'nothing between', count(*) FROM t WHERE key > 5 AND key < 2;
SELECT 'many terms', value FROM t WHERE key > 0 AND key > 0.5 AND key >= 1
    AND key < 9 AND key < 8 AND key < 7 AND key < 6 AND key < 5 AND key < 4
    AND key < 3 AND key < 2 AND key <= 1 AND key > -1 AND key > -2 AND key > -3
    AND key > -4 AND key > -5 AND key > -6 AND key IN (1, 2, 3) AND key = 1;
-- Longer than a key may be: nothing equals it, all else is before or behind.
SELECT 'equal', count(*) FROM t WHERE key = zeroblob(16777216);
SELECT 'below', value FROM t WHERE key < zeroblob(16777216) ORDER BY key;
SELECT 'above', value FROM t WHERE key > zeroblob(16777216) ORDER BY key;
SELECT 'in', value FROM t WHERE key IN (1, zeroblob(16777216), x'61', 'b', 'a')
    ORDER BY key DESC;
-- A list longer than any plan guesses, in both directions.
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT OR IGNORE INTO t SELECT i, i FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 7 FROM n WHERE i < 6000)
    SELECT count(*), sum(key), max(key) FROM t WHERE key IN (SELECT i FROM n);
SELECT key FROM t WHERE key IN (4999, 3, 70, 70.0, '3') ORDER BY key DESC;
SELECT key FROM t WHERE key IN (4999, 3, 70) AND key < 100 AND key > 2;
-- OFFSET counts rows of the whole statement.
SELECT * FROM (SELECT key FROM t WHERE key < 3 UNION ALL
    SELECT key FROM t WHERE key < 3) LIMIT 2 OFFSET 1;
-- Joins that keep unmatched rows.
CREATE TABLE o(x);
INSERT INTO o VALUES (1), ('nothing'), (NULL);
SELECT o.x, t.value FROM o LEFT JOIN t ON t.key = o.x ORDER BY o.rowid;
SELECT quote(o.x) FROM o LEFT JOIN t ON t.key = o.x WHERE t.key IS NULL;
SELECT o.x, t.key FROM t RIGHT JOIN o ON t.key = o.x ORDER BY o.rowid;
SELECT count(*) FROM t FULL JOIN o ON t.key = o.x;
SELECT max(key), min(key) FROM t WHERE key > 10 AND key < 20;
SELECT max(key) FROM t WHERE key < 0;
-- An infinite number reads Inf, which LIKE matches.
CREATE VIRTUAL TABLE inf USING moss;
CREATE TABLE ord(key PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO inf VALUES (9e999, 1), (-9e999, 2), ('Info', 3), ('inferno', 4), (5, 5), ('-Inform', 6);
INSERT INTO ord SELECT * FROM inf;
SELECT key FROM inf WHERE key LIKE 'inf' ORDER BY key;
SELECT key FROM inf WHERE key LIKE '-i%' ORDER BY key;
SELECT count(*) = (SELECT count(*) FROM ord WHERE key LIKE 'i%') FROM inf WHERE key LIKE 'i%';
SELECT count(*) = (SELECT count(*) FROM ord WHERE key GLOB 'Inf*') FROM inf WHERE key GLOB 'Inf*';
