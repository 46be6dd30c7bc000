-- Which constraints narrow a scan, and how EXPLAIN QUERY PLAN shows them.
CREATE VIRTUAL TABLE t USING moss;
CREATE TABLE o(i INTEGER, s TEXT, x);
.eqp on
-- The order in which they are written does not matter.
SELECT * FROM t WHERE key > ?1 AND key < ?2 AND key IN (?3, ?4);
SELECT * FROM t WHERE key IN (?3, ?4) AND ?2 > key AND ?1 < key;
SELECT * FROM t WHERE key IS 5;
-- '?' in quotes is a text that the statement spells out.
SELECT * FROM t WHERE key >= 'a' AND key < ?1;
-- Another collation orders texts differently; LIKE brings bounds with it.
SELECT * FROM t WHERE key = 'a' COLLATE NOCASE;
SELECT * FROM t WHERE key LIKE 'ab%';
SELECT * FROM t WHERE key = 'a' COLLATE BINARY;
-- These do not narrow it.
SELECT * FROM t WHERE key <> 1 AND key IS NOT 2 AND key IS NOT NULL;
SELECT * FROM t WHERE +key = 1;
SELECT * FROM t WHERE key = 1 OR value = 2;
SELECT * FROM t LIMIT 5 OFFSET 2;
-- A row value narrows by its first column.
SELECT * FROM t WHERE (key, value) > (1, 2);
SELECT * FROM t WHERE key IN (SELECT x FROM o) ORDER BY key DESC;
-- What the key's order is good for, and what not.
SELECT * FROM t ORDER BY key, value DESC;
SELECT * FROM t ORDER BY key DESC, value;
SELECT count(*) FROM t GROUP BY key ORDER BY key DESC;
SELECT DISTINCT value, key FROM t;
SELECT count(*) FROM t GROUP BY value, key;
SELECT * FROM t ORDER BY key COLLATE RTRIM;
SELECT * FROM t ORDER BY key NULLS LAST;
-- Keys are looked up for the rows of an ordinary table.
SELECT * FROM t JOIN o ON t.key = o.x;
SELECT * FROM t JOIN o ON t.key BETWEEN o.i AND o.s;
.eqp off
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, i FROM n;
INSERT INTO o SELECT key, key, key FROM t WHERE key <= 3;
.eqp on
SELECT count(*) FROM t JOIN o ON t.key = o.x;
.eqp off
ANALYZE o;
.eqp on
SELECT count(*) FROM t JOIN o ON t.key = o.x;
-- With counts on both sides the smaller one comes first.
SELECT count(*) FROM t AS a JOIN t AS b ON a.key = b.value WHERE b.key < 3;
SELECT count(*) FROM t AS a JOIN t AS b ON a.value = b.key WHERE a.key > 1998;
