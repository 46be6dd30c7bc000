-- DROP works all the same.
.shell mv test.db-moss aside
DROP TABLE t;
SELECT count(*) FROM sqlite_schema WHERE name = 't';
.shell mv aside/test.db-moss .
CREATE VIRTUAL TABLE t USING moss;
SELECT count(*) FROM t;
INSERT INTO t VALUES ('new', 1);
