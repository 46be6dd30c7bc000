-- The logs of two stores, exchanged: each is known for another store's.
CREATE VIRTUAL TABLE a USING moss;
CREATE VIRTUAL TABLE b USING moss(store='other');
INSERT INTO a VALUES (1, 'a');
INSERT INTO b VALUES (2, 'b');
CREATE TEMP TABLE row AS SELECT d FROM _moss_log_1 WHERE rowid = 1;
UPDATE _moss_log_1 SET d = (SELECT d FROM _moss_log_2 WHERE rowid = 1) WHERE rowid = 1;
UPDATE _moss_log_2 SET d = (SELECT d FROM row) WHERE rowid = 1;
SELECT * FROM a;
SELECT * FROM b;
INSERT INTO a VALUES (3, 'c');
DROP TABLE b;
SELECT count(*) FROM sqlite_schema WHERE name = 'b';
