-- Reading a table as of an older commit point.
PRAGMA journal_mode = wal;
CREATE TABLE at(n INTEGER PRIMARY KEY, id);
-- One transaction each, which is one commit point each.
BEGIN;
CREATE VIRTUAL TABLE cars USING moss;
INSERT INTO cars VALUES('a', 1), ('b', 2);
COMMIT;
INSERT INTO cars(cars) VALUES('flush');
INSERT INTO at SELECT 1, max(id) FROM moss_commits('cars');
BEGIN;
UPDATE cars SET value = 7 WHERE key = 'a';
INSERT INTO cars VALUES('c', 3);
COMMIT;
INSERT INTO cars(cars) VALUES('flush');
INSERT INTO at SELECT 2, max(id) FROM moss_commits('cars');
INSERT INTO cars(cars) VALUES('truncate');
INSERT INTO cars(cars) VALUES('flush');
INSERT INTO at SELECT 3, max(id) FROM moss_commits('cars');
SELECT n, transactions, entries, bytes, file, offset = (id - 10000000000) * 4096,
       abs(strftime('%s', 'now') - strftime('%s', time)) < 3600
FROM moss_commits('cars') JOIN at USING(id);
-- A commit that is not there, or not the table's.
SELECT * FROM cars(10000000000);
SELECT * FROM cars(0);
SELECT * FROM cars(-1);
SELECT * FROM cars(10000000001);
SELECT * FROM cars('then');
SELECT * FROM cars(1.5);
-- Each of them, and all at once.
SELECT key, value FROM at, cars(at.id) WHERE n = 1;
SELECT key, value FROM at JOIN cars(id) WHERE n = 2 AND key >= 'a' ORDER BY key DESC;
SELECT n, count(key) FROM at LEFT JOIN cars ON moss_commit = at.id GROUP BY n;
SELECT n, key, value FROM cars, at WHERE moss_commit = at.id AND key = 'a' ORDER BY n;
SELECT group_concat(key, '') FROM cars WHERE moss_commit IN (SELECT id FROM at);
SELECT moss_commit = (SELECT id FROM at WHERE n = 1), key FROM cars((SELECT id FROM at WHERE n = 1));
SELECT count(*) FROM cars((SELECT id || '' FROM at WHERE n = 1));
SELECT count(*) FROM cars((SELECT id + 0.0 FROM at WHERE n = 1));
-- What was, beside what is.
INSERT INTO cars VALUES('b', 22), ('d', 4);
SELECT old.key, old.value, now.value FROM cars((SELECT id FROM at WHERE n = 2)) old LEFT JOIN cars now USING(key);
SELECT moss_commit FROM cars;
SELECT count(*) FROM cars WHERE moss_commit IS NULL;
SELECT count(*) FROM cars(NULL);
SELECT count(*) FROM cars WHERE moss_commit > 0;
-- Rows can be brought back.
BEGIN;
INSERT OR REPLACE INTO cars SELECT * FROM cars((SELECT id FROM at WHERE n = 1));
SELECT * FROM cars;
DELETE FROM cars WHERE key IN (SELECT key FROM cars((SELECT id FROM at WHERE n = 2)));
SELECT * FROM cars;
UPDATE cars SET value = (SELECT count(*) FROM cars((SELECT id FROM at WHERE n = 2)));
SELECT * FROM cars;
ROLLBACK;
-- The plans say so.
EXPLAIN QUERY PLAN SELECT * FROM cars(1);
EXPLAIN QUERY PLAN SELECT * FROM cars(1) WHERE key > 'a' ORDER BY key DESC;
EXPLAIN QUERY PLAN SELECT * FROM cars(1) ORDER BY key DESC;
EXPLAIN QUERY PLAN SELECT * FROM cars, at WHERE moss_commit = at.id AND key = 'a';
-- The past cannot be changed.
INSERT INTO cars(key, value, moss_commit) SELECT 'z', 1, id FROM at;
UPDATE cars SET value = 1 WHERE moss_commit = (SELECT id FROM at WHERE n = 1);
UPDATE cars SET moss_commit = 1;
DELETE FROM cars WHERE moss_commit = (SELECT id FROM at WHERE n = 1);
DELETE FROM cars WHERE key = 'a' AND moss_commit IN (SELECT id FROM at);
SELECT * FROM cars;
-- Tables with rowids, keys of several columns, and two tables in one store.
CREATE VIRTUAL TABLE r USING moss(x);
CREATE VIRTUAL TABLE p USING moss(a, b, v, PRIMARY KEY(a, b DESC));
INSERT INTO r VALUES('one'), ('two');
INSERT INTO p VALUES(1, 1, 'old'), (1, 2, 'old');
INSERT INTO p(p) VALUES('flush');
INSERT INTO at SELECT 4, max(id) FROM moss_commits('p');
DELETE FROM r;
UPDATE p SET v = 'new', b = b + 1;
INSERT INTO r(r) VALUES('flush');
SELECT rowid, x FROM r((SELECT id FROM at WHERE n = 4));
SELECT a, b, v FROM p((SELECT id FROM at WHERE n = 4)) WHERE a = 1;
SELECT a, b, v FROM p WHERE a = 1;
SELECT * FROM r;
SELECT count(*) FROM r WHERE moss_commit = (SELECT max(id) FROM moss_commits('p'));
DELETE FROM r WHERE moss_commit = (SELECT id FROM at WHERE n = 4);
DELETE FROM p WHERE moss_commit = (SELECT id FROM at WHERE n = 4);
SELECT count(*) FROM p;
SELECT count(*) FROM r((SELECT 10000000001));
-- A reader of the past is not in the way of DELETE.
BEGIN;
INSERT INTO r(x) VALUES('three');
INSERT INTO at SELECT rowid + 100, x FROM r((SELECT id FROM at WHERE n = 4));
DELETE FROM r;
SELECT count(*) FROM r;
ROLLBACK;
-- Nor can a trigger's statements, whatever else they and the one around them read.
CREATE TABLE fired(x, y);
INSERT INTO fired VALUES (0, 1);
CREATE TRIGGER deletes AFTER UPDATE ON fired BEGIN
  DELETE FROM r WHERE moss_commit = (SELECT id FROM at WHERE n = 4) AND rowid = new.x;
END;
CREATE TRIGGER compares AFTER DELETE ON fired BEGIN
  DELETE FROM r WHERE moss_commit = (SELECT id FROM at WHERE n = 4)
    AND x = (SELECT min(o.x) FROM r AS o WHERE o.rowid = r.rowid);
END;
INSERT INTO r(rowid, x) VALUES (1, 'one'), (2, 'two');
UPDATE fired SET x = (SELECT rowid FROM r WHERE rowid >= y);
DELETE FROM fired WHERE y = (SELECT rowid FROM r WHERE rowid >= y);
DELETE FROM fired WHERE EXISTS (SELECT rowid FROM r WHERE rowid >= y);
SELECT * FROM r;
-- Where the statement itself changes the table, its subqueries may read the past.
BEGIN;
WITH w AS (SELECT 1) DELETE FROM main."r" WHERE EXISTS (SELECT 1 FROM r AS o
  WHERE o.moss_commit = (SELECT id FROM at WHERE n = 4) AND o.rowid = r.rowid AND o.x = 'one');
UPDATE OR REPLACE r SET x = (SELECT o.x || o.rowid FROM r AS o
  WHERE o.moss_commit = (SELECT id FROM at WHERE n = 4) AND o.rowid = r.rowid);
SELECT * FROM r;
ROLLBACK;
DROP TABLE fired;
DELETE FROM r;
-- Compaction begins a new file, and with it a new history.
INSERT INTO cars(cars) VALUES('compact');
SELECT count(*), min(id) > 20000000000 FROM moss_commits('cars');
SELECT * FROM cars((SELECT id FROM at WHERE n = 1));
-- In memory there is no past.
CREATE VIRTUAL TABLE temp.m USING moss;
INSERT INTO m VALUES(1, 1);
SELECT * FROM moss_commits('m');
SELECT * FROM m(10000000001);
