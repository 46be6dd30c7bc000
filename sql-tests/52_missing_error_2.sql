.shell mv test.db-moss aside
SELECT * FROM t;
INSERT INTO t VALUES (2, 'two');
SELECT count(*) FROM t;
.shell ls
.shell mv aside/test.db-moss .
SELECT * FROM t;
