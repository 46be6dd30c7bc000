-- durability='async': transactions are as everywhere; a clean close keeps all.
CREATE VIRTUAL TABLE a USING moss(durability='async');
INSERT INTO a VALUES (1, 'one'), (2, 'two');
BEGIN;
INSERT INTO a VALUES (3, 'three');
SAVEPOINT s;
DELETE FROM a;
ROLLBACK TO s;
COMMIT;
BEGIN;
DELETE FROM a;
SELECT count(*) FROM a;
ROLLBACK;
SELECT * FROM a;
-- Beside a table that is not, and in temp, where it means nothing.
CREATE VIRTUAL TABLE t USING moss;
CREATE VIRTUAL TABLE temp.w USING moss(durability='async');
BEGIN;
INSERT INTO t SELECT * FROM a;
INSERT INTO w SELECT * FROM a;
UPDATE a SET value = value || '!';
COMMIT;
SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM w);
DROP TABLE w;
INSERT INTO a VALUES (4, 'four');
