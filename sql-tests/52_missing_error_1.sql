-- A store that was taken away is an error, never an empty table.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (1, 'one');
.shell mkdir aside
