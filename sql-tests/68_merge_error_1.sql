-- MERGE columns: INSERT on a key that is there merges.
CREATE VIRTUAL TABLE c USING moss(
  page TEXT COLLATE NOCASE PRIMARY KEY,
  hits INTEGER MERGE sum DEFAULT 1,
  worst REAL MERGE max,
  least MERGE min,
  log TEXT MERGE append NOT NULL DEFAULT '',
  seen MERGE last,
  note
);
INSERT INTO c VALUES ('Home', 1, 2.5, 'b', 'x', 1, 'first');
INSERT INTO c VALUES ('HOME', 5, 1, 'a', 'y', 2, 'second'), ('home', -2, 7, 3, 'z', NULL, NULL);
SELECT * FROM c;
SELECT changes(), total_changes();
INSERT INTO c(page) VALUES ('new'), ('new'), ('NEW'), ('home');
SELECT *, typeof(hits), typeof(worst) FROM c;
-- The other ways to write.
INSERT OR IGNORE INTO c(page, hits) VALUES ('home', 100), ('other', 7);
REPLACE INTO c(page, hits, log) VALUES ('new', 50, 'r');
UPDATE c SET hits = 10, log = log || '!' WHERE page = 'home';
INSERT INTO c(page, hits) VALUES ('home', 1);
INSERT OR FAIL INTO c(page, hits) VALUES ('home', 1);
INSERT OR ABORT INTO c(page, hits) VALUES ('home', 1);
INSERT OR ROLLBACK INTO c(page, hits) VALUES ('home', 1);
SELECT page, hits, log FROM c;
UPDATE c SET page = 'home' WHERE page = 'new';
UPDATE OR REPLACE c SET page = 'home' WHERE page = 'new';
SELECT page, hits, log FROM c;
DELETE FROM c WHERE page = 'home';
INSERT INTO c(page) VALUES ('home');
SELECT page, hits, log FROM c;
-- In a transaction: its own operands, savepoints.
BEGIN;
INSERT INTO c(page, hits) VALUES ('home', 10);
SELECT hits FROM c WHERE page = 'home';
SAVEPOINT s;
INSERT INTO c(page, hits) VALUES ('home', 100), ('s', 1), ('s', 2);
SELECT hits FROM c WHERE page IN ('home', 's');
UPDATE c SET hits = hits + 1000 WHERE page = 's';
INSERT INTO c(page, hits) VALUES ('s', 1);
SELECT hits FROM c WHERE page = 's';
DELETE FROM c WHERE page = 's';
INSERT INTO c(page, hits) VALUES ('s', 8), ('s', 8);
SELECT hits FROM c WHERE page = 's';
ROLLBACK TO s;
INSERT INTO c(page, hits) VALUES ('home', 1), ('t', 1), ('t', 1);
COMMIT;
SELECT page, hits FROM c;
-- Arithmetic.
CREATE VIRTUAL TABLE n USING moss(id INTEGER PRIMARY KEY, v MERGE sum);
INSERT INTO n VALUES (1, 9223372036854775807), (1, 1);
SELECT v, typeof(v) FROM n;
INSERT INTO n VALUES (1, -1);
SELECT v, typeof(v) FROM n;
INSERT INTO n VALUES (1, -9223372036854775807), (1, -9223372036854775807), (1, -3);
SELECT v, typeof(v) FROM n;
INSERT INTO n VALUES (2, 1), (2, 0.5), (2, NULL), (3, NULL), (4, NULL), (4, 4), (5, 0.5), (5, 0.25);
SELECT id, v, typeof(v) FROM n WHERE id > 1;
INSERT INTO n VALUES (2, 1), (2, 1e300), (6, -9e999), (6, 9e999);
SELECT id, v, typeof(v) FROM n WHERE id IN (2, 6);
INSERT INTO n VALUES (NULL, 3);
SELECT last_insert_rowid(), max(id) FROM n;
INSERT INTO n VALUES (1, 'text');
INSERT INTO n VALUES (1, x'00');
UPDATE n SET v = 'text';
CREATE VIRTUAL TABLE m USING moss(k PRIMARY KEY, lo COLLATE NOCASE MERGE min, hi MERGE max, a MERGE append);
INSERT INTO m VALUES (1, 'B', 1, 1), (1, 'a', 1.0, 2.5), (1, 'A', x'', 'x'), (1, NULL, 'z', x'79'), (2, 1, 2, x'61');
INSERT INTO m VALUES (3, 9007199254740993, 9007199254740992, NULL), (3, 9007199254740992.0, 9007199254740993, NULL);
SELECT k, lo, quote(hi), quote(a) FROM m;
-- Constraints of an operand.
INSERT INTO c(page, log) VALUES ('home', NULL);
UPDATE c SET log = NULL WHERE page = 'home';
INSERT INTO c(page) VALUES (NULL);
-- What cannot be declared.
CREATE VIRTUAL TABLE e USING moss(k PRIMARY KEY, v MERGE avg);
CREATE VIRTUAL TABLE e USING moss(k PRIMARY KEY, v MERGE);
CREATE VIRTUAL TABLE e USING moss(k MERGE sum PRIMARY KEY, v);
CREATE VIRTUAL TABLE e USING moss(k PRIMARY KEY, v TEXT MERGE sum);
CREATE VIRTUAL TABLE e USING moss(k PRIMARY KEY, v INT MERGE append);
CREATE VIRTUAL TABLE e USING moss(k PRIMARY KEY, v MERGE sum DEFAULT 'x');
CREATE VIRTUAL TABLE e USING moss(k PRIMARY KEY, v MERGE sum DEFAULT CURRENT_TIME);
CREATE VIRTUAL TABLE e USING moss(k PRIMARY KEY, v MERGE append DEFAULT 5);
CREATE VIRTUAL TABLE e USING moss(k BLOB PRIMARY KEY, v BLOB MERGE append, codec=raw);
-- Appended columns: what rows have that lack them takes part.
INSERT INTO n(n, arg) VALUES ('columns', 'id INTEGER PRIMARY KEY, v MERGE sum, w INT MERGE sum DEFAULT 100, x TEXT MERGE append DEFAULT ''-''');
INSERT INTO n(id, w, x) VALUES (4, 1, 'a'), (7, 1, 'a');
INSERT INTO n(id, w, x) VALUES (4, 1, 'b'), (7, 1, 'b');
SELECT * FROM n WHERE id IN (3, 4, 7);
-- A store with another operator.
.shell mkdir adds && cp -r .fixtures/merge other
CREATE VIRTUAL TABLE a USING moss(store=other, codec=raw, merge='add');
SELECT count(*) > 0 FROM a;
CREATE VIRTUAL TABLE e USING moss(store=other, k PRIMARY KEY, v MERGE sum);
CREATE VIRTUAL TABLE p USING moss(store=adds, k PRIMARY KEY, v MERGE sum);
INSERT INTO p VALUES (1, 1), (1, 2);
