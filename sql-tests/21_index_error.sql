-- Constraints of indexes: codes and messages; what is refused.
CREATE VIRTUAL TABLE t USING moss(a PRIMARY KEY, b UNIQUE, c NOT NULL, d, UNIQUE(c, d), UNIQUE INDEX d2(d COLLATE NOCASE));
CREATE TABLE o(a PRIMARY KEY, b UNIQUE, c NOT NULL, d, UNIQUE(c, d)) WITHOUT ROWID;
CREATE UNIQUE INDEX d2 ON o(d COLLATE NOCASE);
INSERT INTO t VALUES (1, 10, 'x', 'aa'), (2, NULL, 'x', 'bb'), (3, NULL, 'y', NULL), (4, 11, 'y', NULL);
INSERT INTO o SELECT * FROM t;
.print -- one at a time
INSERT INTO t VALUES (5, 10.0, 'z', 'zz');
INSERT INTO o VALUES (5, 10.0, 'z', 'zz');
INSERT INTO t VALUES (5, 12, 'z', 'AA');
INSERT INTO o VALUES (5, 12, 'z', 'AA');
INSERT INTO t VALUES (5, 12, 'x', 'aa');
INSERT INTO o VALUES (5, 12, 'x', 'aa');
UPDATE t SET d = 'bb' WHERE a = 1;
UPDATE o SET d = 'bb' WHERE a = 1;
UPDATE t SET c = 'x', d = 'bb' WHERE a = 3;
UPDATE o SET c = 'x', d = 'bb' WHERE a = 3;
.print -- several at once: the same one is reported
INSERT INTO t VALUES (1, 10, NULL, 'aa');
INSERT INTO o VALUES (1, 10, NULL, 'aa');
INSERT INTO t VALUES (1, 10, 'x', 'aa');
INSERT INTO o VALUES (1, 10, 'x', 'aa');
INSERT INTO t VALUES (2, 11, 'x', 'aa');
INSERT INTO o VALUES (2, 11, 'x', 'aa');
.print -- conflict clauses
INSERT OR IGNORE INTO t VALUES (6, 10, 'q', 'q'), (7, 13, 'q', 'q');
INSERT OR FAIL INTO t VALUES (8, 14, 'r', 'r'), (9, 14, 's', 's');
BEGIN;
INSERT OR ROLLBACK INTO t VALUES (10, 15, 'u', 'u'), (11, 15, 'v', 'v');
COMMIT;
SELECT * FROM t;
.print -- declarations
CREATE VIRTUAL TABLE bad USING moss(a, INDEX i(a) WHERE a > 0);
CREATE VIRTUAL TABLE bad USING moss(a, INDEX i(a + 1));
CREATE VIRTUAL TABLE bad USING moss(a, INDEX i(a), INDEX I(a));
CREATE VIRTUAL TABLE bad USING moss(a, INDEX i(nosuch));
CREATE VIRTUAL TABLE bad USING moss(a, INDEX i(a COLLATE nosuch));
CREATE VIRTUAL TABLE bad USING moss(a, INDEX (a));
CREATE VIRTUAL TABLE bad USING moss(a, INDEX i);
CREATE VIRTUAL TABLE bad USING moss(a, INDEX i(a) x);
CREATE VIRTUAL TABLE bad USING moss(a, INDEX i(rowid));
CREATE VIRTUAL TABLE bad USING moss(a, UNIQUE(a) ON CONFLICT IGNORE);
CREATE VIRTUAL TABLE bad USING moss(a, UNIQUE(a + 1));
CREATE VIRTUAL TABLE bad USING moss(a BLOB PRIMARY KEY, b BLOB, INDEX i(b), codec=raw);
CREATE VIRTUAL TABLE bad USING moss(a PRIMARY KEY, b UNIQUE, codec=raw);
