-- What a truncated table is after a reopen.
PRAGMA journal_mode = wal;
CREATE VIRTUAL TABLE t USING moss;
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1000)
INSERT INTO t SELECT i, i FROM c;
