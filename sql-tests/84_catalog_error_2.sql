SELECT * FROM t;
INSERT INTO t VALUES(3, 4);
DROP TABLE t;
SELECT count(*) FROM _moss_catalog WHERE name = 't';
