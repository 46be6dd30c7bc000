-- database: moved/test.db
SELECT * FROM t;
INSERT INTO t VALUES (4, 'in the moved one');
SELECT * FROM t;
