-- The next rowid follows the greatest one, be it negative.
CREATE VIRTUAL TABLE r USING moss(id INTEGER PRIMARY KEY, x);
CREATE TABLE o(id INTEGER PRIMARY KEY, x);
INSERT INTO r VALUES (-8, 'a');
INSERT INTO o VALUES (-8, 'a');
INSERT INTO r(x) VALUES ('b'), ('c');
INSERT INTO o(x) VALUES ('b'), ('c');
SELECT * FROM r;
SELECT count(*) FROM (SELECT * FROM r EXCEPT SELECT * FROM o);
DELETE FROM r;
INSERT INTO r VALUES (-1, 'last');
INSERT INTO r(x) VALUES ('zero'), ('one');
SELECT * FROM r;
