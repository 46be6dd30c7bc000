-- database: :memory:
-- In memory, in temp, and in an attached database in memory.
CREATE VIRTUAL TABLE t USING moss;
CREATE VIRTUAL TABLE temp.w USING moss;
ATTACH ':memory:' AS aux;
CREATE VIRTUAL TABLE aux.a USING moss;
INSERT INTO t VALUES (1, 'main');
INSERT INTO w VALUES (1, 'temp');
INSERT INTO a VALUES (1, 'attached');
SELECT t.value, w.value, a.value FROM t JOIN w USING (key) JOIN a USING (key);
BEGIN;
UPDATE t SET value = 'changed';
UPDATE w SET value = 'changed';
UPDATE a SET value = 'changed';
ROLLBACK;
SELECT t.value, w.value, a.value FROM t JOIN w USING (key) JOIN a USING (key);
BEGIN;
SAVEPOINT s;
DELETE FROM w;
INSERT INTO t VALUES (2, 'two');
ROLLBACK TO s;
INSERT INTO a VALUES (3, 'three');
COMMIT;
SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM w), (SELECT count(*) FROM a);
DETACH aux;
-- The same name in two schemas.
CREATE VIRTUAL TABLE temp.t USING moss;
INSERT INTO temp.t VALUES ('in', 'temp');
SELECT * FROM t;
SELECT * FROM main.t;
DROP TABLE temp.t;
SELECT * FROM t;
DROP TABLE w;
SELECT count(*) FROM temp.sqlite_schema WHERE name = 'w';
