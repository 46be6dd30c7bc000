-- A database and its store, copied while idle, and each put back alone.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (1, 'before the copy');
