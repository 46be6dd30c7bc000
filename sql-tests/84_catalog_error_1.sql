-- A damaged catalog is an error, not another collection.
CREATE VIRTUAL TABLE t USING moss(k PRIMARY KEY, v);
INSERT INTO t VALUES(1, 2);
UPDATE _moss_catalog SET object = NULL WHERE kind = 'table';
