-- Indexes over a reopened database, in one and in several transactions.
PRAGMA journal_mode = wal;
CREATE VIRTUAL TABLE t USING moss(k TEXT PRIMARY KEY, a INT UNIQUE, b TEXT, INDEX by_b(b, a), INDEX "odd/name"(b DESC));
CREATE VIRTUAL TABLE empty USING moss(k PRIMARY KEY, a UNIQUE);
INSERT INTO t VALUES ('one', 1, 'x'), ('two', 2, 'y'), ('three', 3, 'x');
BEGIN;
UPDATE t SET b = 'z' WHERE a = 1;
CREATE VIRTUAL TABLE late USING moss(k PRIMARY KEY, a, INDEX i(a));
INSERT INTO late VALUES (1, 'a'), (2, 'b');
SAVEPOINT s;
DELETE FROM t;
ROLLBACK TO s;
COMMIT;
ALTER TABLE t RENAME TO u;
SELECT k FROM u WHERE b = 'x';
