-- database: old.db
SELECT * FROM t;
INSERT INTO t VALUES (3, 'in the copy');
SELECT * FROM t;
