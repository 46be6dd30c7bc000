SELECT count(*), min(key) FROM t;
SELECT value FROM t WHERE key = 'second shell';
PRAGMA journal_mode = delete;
INSERT INTO t VALUES ('third shell', 3);
DROP TABLE t;
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES ('a new table', 4);
