.bail on
-- A key in another collation than its column: the key is what is unique.
CREATE VIRTUAL TABLE t USING moss(k TEXT COLLATE NOCASE NOT NULL, v, PRIMARY KEY(k COLLATE BINARY));
INSERT INTO t VALUES ('a', 1), ('A', 2), ('b', 3), ('aB', 4), ('Ab', 5);
SELECT count(*), count(DISTINCT k), count(*) FILTER (WHERE k = 'A') FROM t;
SELECT lower(k) FROM (SELECT DISTINCT k FROM t) ORDER BY 1;
UPDATE t SET v = 0 WHERE k = 'AB';
SELECT changes();
DELETE FROM t WHERE k = 'a';
SELECT changes(), group_concat(k) FROM (SELECT k FROM t ORDER BY k COLLATE BINARY);
DELETE FROM t WHERE v >= 0;
SELECT changes(), count(*) FROM t;
CREATE VIRTUAL TABLE r USING moss(k COLLATE RTRIM NOT NULL, v, PRIMARY KEY(k COLLATE NOCASE DESC));
INSERT INTO r VALUES ('a', 1), ('a ', 2), ('a  ', 3), ('B', 4);
SELECT count(*) FROM (SELECT DISTINCT k FROM r);
DELETE FROM r WHERE k = 'a';
SELECT changes(), quote(k) FROM r;
