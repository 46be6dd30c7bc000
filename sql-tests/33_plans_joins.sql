-- Moss tables in joins are searched by key, whatever their size.
CREATE VIRTUAL TABLE small USING moss(id INTEGER PRIMARY KEY, v);
CREATE VIRTUAL TABLE large USING moss(a INTEGER, b INTEGER, v, PRIMARY KEY(a, b));
CREATE TABLE o(i INTEGER, j INTEGER, s TEXT);
INSERT INTO small VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO large WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s LIMIT 5000) SELECT x % 50, x, x FROM s;
INSERT INTO o WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s LIMIT 200) SELECT x, x, x FROM s;
EXPLAIN QUERY PLAN SELECT * FROM o JOIN small ON small.id = o.i;
EXPLAIN QUERY PLAN SELECT * FROM small JOIN o ON small.id = o.i;
EXPLAIN QUERY PLAN SELECT * FROM o JOIN large ON large.a = o.i AND large.b = o.j;
EXPLAIN QUERY PLAN SELECT * FROM o JOIN large ON large.a = o.i AND large.b > o.j;
EXPLAIN QUERY PLAN SELECT * FROM o LEFT JOIN large ON large.a = o.i AND large.b = o.j;
EXPLAIN QUERY PLAN SELECT * FROM small JOIN large ON large.a = small.id;
EXPLAIN QUERY PLAN SELECT * FROM o JOIN large ON large.a = o.i;
EXPLAIN QUERY PLAN SELECT * FROM large JOIN o ON large.a = o.i;
EXPLAIN QUERY PLAN SELECT * FROM large JOIN small ON small.id = large.v;
EXPLAIN QUERY PLAN SELECT * FROM o JOIN small ON small.id = o.i JOIN large ON large.a = small.v AND large.b = o.j;
EXPLAIN QUERY PLAN SELECT * FROM large AS x JOIN large AS y ON y.a = x.b WHERE x.a = 1;
EXPLAIN QUERY PLAN SELECT (SELECT v FROM small WHERE id = o.i) FROM o;
EXPLAIN QUERY PLAN SELECT * FROM o WHERE EXISTS (SELECT 1 FROM large WHERE a = o.i AND b < o.j);
EXPLAIN QUERY PLAN SELECT * FROM o WHERE i IN (SELECT id FROM small);
-- With statistics of the ordinary table, sizes are told by what is there.
ANALYZE;
EXPLAIN QUERY PLAN SELECT * FROM o JOIN small ON small.id = o.i;
EXPLAIN QUERY PLAN SELECT * FROM o JOIN large ON large.a = o.i AND large.b = o.j;
EXPLAIN QUERY PLAN SELECT * FROM large JOIN small ON small.id = large.v;
EXPLAIN QUERY PLAN SELECT * FROM o JOIN small ON small.id = o.i JOIN large ON large.a = small.v AND large.b = o.j;
