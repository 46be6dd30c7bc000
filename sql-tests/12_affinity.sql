-- Ranges at their edges hold exactly what an ordinary table gives.
CREATE VIRTUAL TABLE t USING moss;
CREATE TABLE o(key PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO o VALUES (-1, 1), (0, 2), (15, 3), (15.5, 4), (9e999, 5), ('', 6),
    (' 15', 7), ('+15', 8), ('15', 9), ('15.0', 10), ('1e1', 11), ('a', 12),
    ('b', 13), ('B', 14), (x'', 15), (x'00', 16), (x'3135', 17), (x'ff', 18),
    ('-', 19), (char(0), 20), (10, 21), ('é', 22);
INSERT INTO t SELECT * FROM o;
-- What is compared: typed, untyped, and text in a numeric column.
CREATE TABLE c(i INTEGER, s TEXT, x);
INSERT INTO c SELECT key, key, key FROM o;
INSERT INTO c VALUES (NULL, NULL, NULL), ('', '', ''), ('N/A', 'N/A', 'N/A'),
    ('-', '-', '-'), ('1e1x', '1e1x', '1e1x'), (x'31', x'31', x'31');
CREATE VIEW pairs AS
    SELECT c.rowid AS n, 1 AS op, t.value FROM c JOIN t ON t.key = c.i UNION ALL
    SELECT c.rowid, 2, t.value FROM c JOIN t ON t.key < c.i UNION ALL
    SELECT c.rowid, 3, t.value FROM c JOIN t ON t.key <= c.i UNION ALL
    SELECT c.rowid, 4, t.value FROM c JOIN t ON t.key > c.i UNION ALL
    SELECT c.rowid, 5, t.value FROM c JOIN t ON t.key >= c.i UNION ALL
    SELECT c.rowid, 6, t.value FROM c JOIN t ON t.key IS c.i UNION ALL
    SELECT c.rowid, 11, t.value FROM c JOIN t ON t.key = c.s UNION ALL
    SELECT c.rowid, 12, t.value FROM c JOIN t ON t.key < c.s UNION ALL
    SELECT c.rowid, 13, t.value FROM c JOIN t ON t.key <= c.s UNION ALL
    SELECT c.rowid, 14, t.value FROM c JOIN t ON t.key > c.s UNION ALL
    SELECT c.rowid, 15, t.value FROM c JOIN t ON t.key >= c.s UNION ALL
    SELECT c.rowid, 21, t.value FROM c JOIN t ON t.key = c.x UNION ALL
    SELECT c.rowid, 22, t.value FROM c JOIN t ON t.key < c.x UNION ALL
    SELECT c.rowid, 23, t.value FROM c JOIN t ON t.key <= c.x UNION ALL
    SELECT c.rowid, 24, t.value FROM c JOIN t ON t.key > c.x UNION ALL
    SELECT c.rowid, 25, t.value FROM c JOIN t ON t.key >= c.x UNION ALL
    SELECT c.rowid, 31, t.value FROM c JOIN t ON t.key = c.x COLLATE NOCASE UNION ALL
    SELECT c.rowid, 32, t.value FROM c JOIN t ON t.key < c.x COLLATE NOCASE UNION ALL
    SELECT c.rowid, 33, t.value FROM c JOIN t ON t.key >= c.x COLLATE NOCASE UNION ALL
    SELECT c.rowid, 41, t.value FROM c JOIN t ON t.key = CAST(c.x AS INTEGER) UNION ALL
    SELECT c.rowid, 42, t.value FROM c JOIN t ON t.key <= CAST(c.x AS REAL);
CREATE TABLE got AS SELECT * FROM pairs;
DROP TABLE t;
CREATE TABLE t(key PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO t SELECT * FROM o;
CREATE TABLE want AS SELECT * FROM pairs;
SELECT count(*), count(DISTINCT op) FROM want;
SELECT 'missing', * FROM (SELECT * FROM want EXCEPT SELECT * FROM got) LIMIT 9;
SELECT 'too many', * FROM (SELECT * FROM got EXCEPT SELECT * FROM want) LIMIT 9;
SELECT (SELECT count(*) FROM got) = (SELECT count(*) FROM want);
