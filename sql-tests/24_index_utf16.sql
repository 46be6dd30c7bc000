-- Indexes in a UTF-16 database: texts narrow on equality, numbers on ranges.
PRAGMA encoding = 'UTF-16le';
CREATE VIRTUAL TABLE t USING moss(k INTEGER PRIMARY KEY, a TEXT, n INT, u UNIQUE, INDEX by_a(a), INDEX by_n(n));
INSERT INTO t VALUES (1, 'ä', 1, 'x'), (2, 'z', 2, 'ÿ'), (3, 'ä', 3, char(0x1f600)), (4, char(0xff61), 4, 4), (5, NULL, 5, NULL);
.eqp on
SELECT k FROM t WHERE a = 'ä';
SELECT k FROM t WHERE a > 'z';
SELECT k, a FROM t ORDER BY a;
SELECT k FROM t WHERE n BETWEEN 2 AND 4;
SELECT k FROM t WHERE u = char(0x1f600);
SELECT k FROM t WHERE a IS NULL;
SELECT DISTINCT a, n FROM t;
.eqp off
INSERT OR REPLACE INTO t VALUES (6, 'q', 6, 'ÿ');
SELECT k FROM t WHERE u = 'ÿ';
