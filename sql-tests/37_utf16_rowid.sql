-- A rowid is no text: in a UTF-16 database it narrows and orders as ever.
PRAGMA encoding = 'UTF-16le';
CREATE VIRTUAL TABLE i USING moss(id INTEGER PRIMARY KEY, v);
INSERT INTO i VALUES (1, 'a'), (10, 'b'), (9, 'c');
EXPLAIN QUERY PLAN SELECT * FROM i WHERE id > 5 ORDER BY id DESC;
EXPLAIN QUERY PLAN SELECT max(id) FROM i;
SELECT id FROM i WHERE id > 5 ORDER BY id DESC;
SELECT max(id) FROM i WHERE id < '9.5';
