-- Somebody removes the store: its tables can be dropped, and then there is
-- room for new ones.
.shell rm -r test.db-moss
DROP TABLE t;
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (3, 'three');
SELECT * FROM t;
