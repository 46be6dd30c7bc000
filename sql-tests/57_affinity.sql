-- Comparisons with columns and expressions of every affinity lose no row.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (15, 'integer'), ('15', 'text'), (15.5, 'real'),
    ('15.0', 'text real'), (' 15', 'text space'), (x'3135', 'blob'),
    ('abc', 'text'), ('ABC', 'upper'), ('abc ', 'trailing');
CREATE TABLE o(i INTEGER, r REAL, s TEXT, n NUMERIC, b BLOB, x);
INSERT INTO o VALUES (15, 15, 15, 15, 15, 15),
    ('15', '15', '15', '15', '15', '15'), ('abc', 'abc', 'abc', 'abc', 'abc', 'abc');
SELECT 'i', count(*), count(DISTINCT t.value) FROM o JOIN t ON t.key = o.i;
SELECT 'r', count(*), count(DISTINCT t.value) FROM o JOIN t ON t.key = o.r;
SELECT 's', count(*), count(DISTINCT t.value) FROM o JOIN t ON t.key = o.s;
SELECT 'n', count(*), count(DISTINCT t.value) FROM o JOIN t ON t.key = o.n;
SELECT 'b', count(*), count(DISTINCT t.value) FROM o JOIN t ON t.key = o.b;
SELECT 'x', count(*), count(DISTINCT t.value) FROM o JOIN t ON t.key = o.x;
SELECT 'i <', count(*) FROM o CROSS JOIN t ON t.key < o.i;
SELECT 's >=', count(*) FROM o CROSS JOIN t ON t.key >= o.s;
SELECT 'cast', value FROM t WHERE key = CAST('15' AS INTEGER);
SELECT 'cast', value FROM t WHERE key > CAST(15 AS REAL);
SELECT 'cast text', value FROM t WHERE key = CAST(15 AS TEXT);
SELECT 'in', value FROM t WHERE key IN (SELECT i FROM o) ORDER BY value;
SELECT 'in', value FROM t WHERE key IN (SELECT s FROM o) ORDER BY value;
SELECT 'nocase', value FROM t WHERE key = 'Abc' COLLATE NOCASE ORDER BY value;
SELECT 'rtrim', value FROM t WHERE key = 'abc  ' COLLATE RTRIM ORDER BY value;
SELECT 'nocase >', value FROM t WHERE key COLLATE NOCASE > 'ABB' ORDER BY value;
SELECT 'unary plus', value FROM t WHERE key = +15;
SELECT 'concatenated', value FROM t WHERE key = 15 || '';
SELECT 'like', value FROM t WHERE key LIKE '15%' ORDER BY value;
SELECT 'text = 15', value FROM t WHERE key = '15';
SELECT 'is', value FROM t WHERE key IS 15;
SELECT 'is not', count(*) FROM t WHERE key IS NOT 15;
