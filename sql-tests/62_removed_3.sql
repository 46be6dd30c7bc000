SELECT * FROM t;
INSERT INTO t VALUES (4, 'four');
SELECT count(*) FROM t;
