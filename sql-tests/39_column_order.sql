.bail on
-- Columns of a row are read in any order, and as often as they are asked for.
CREATE VIRTUAL TABLE t USING moss(k PRIMARY KEY, a, b, c, d, e, f);
INSERT INTO t VALUES (1, 'one', x'01', 1, 1.5, NULL, ''),
  ('two', zeroblob(300), NULL, -2, 'zwei', x'', 1e300),
  (x'03', NULL, NULL, NULL, NULL, NULL, NULL),
  (4.0, 0, -1, 127, 128, -129, 9223372036854775807);
SELECT quote(f), length(a), quote(e), quote(b), quote(d), quote(c), quote(k), quote(f), length(a) FROM t;
SELECT quote(f), quote(d) FROM t WHERE e IS NULL AND c IS NOT NULL AND a > b;
SELECT count(*) FROM t AS x JOIN t AS y ON y.f IS x.f AND y.a IS x.a AND y.k IS x.k;
-- Rows that were written before a column was appended end early.
INSERT INTO t(t, arg) VALUES ('columns', 'k PRIMARY KEY, a, b, c, d, e, f, g DEFAULT ''new'', h, i DEFAULT 7');
INSERT INTO t VALUES (5, 1, 2, 3, 4, 5, 6, 'own', 8, NULL);
SELECT i, h, g, quote(f), i, quote(c), g FROM t;
SELECT h, i FROM t;
-- An entry of an index has some of the columns.
CREATE VIRTUAL TABLE n USING moss(k TEXT COLLATE NOCASE PRIMARY KEY, a COLLATE NOCASE,
  b COLLATE RTRIM, v, INDEX ab(a, b), UNIQUE(v, b));
INSERT INTO n VALUES ('Key', 'Ay', 'be  ', 1.0), ('kez', 'AY', 'bf ', 1), ('KF', NULL, NULL, NULL);
EXPLAIN QUERY PLAN SELECT quote(b), a, k, quote(b) FROM n WHERE a = 'ay';
SELECT quote(b), a, k, quote(b) FROM n WHERE a = 'ay';
SELECT quote(v), quote(b), a, quote(v), k FROM n WHERE a = 'ay';
EXPLAIN QUERY PLAN SELECT quote(b), quote(v), k, quote(b) FROM n WHERE v = 1;
SELECT quote(b), quote(v), k, quote(b) FROM n WHERE v = 1;
SELECT a, quote(b), k, a FROM n WHERE v IS NULL;
