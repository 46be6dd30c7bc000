-- Columns, keys and defaults, declared as for an ordinary table.
CREATE VIRTUAL TABLE readings USING moss(
  sensor TEXT, at INTEGER, -- seconds
  value REAL NOT NULL, unit TEXT DEFAULT 'C',
  PRIMARY KEY(sensor, at DESC));
INSERT INTO readings(sensor, at, value) VALUES
  ('a', 1, 10), ('a', 2, '20'), ('b', 5, 1.5), ('a', 10, 7), ('ab', 3, 4), (12, '7', 1);
SELECT *, typeof(sensor), typeof(at), typeof(value) FROM readings;
SELECT at FROM readings WHERE sensor = 'a' AND at > 1;
SELECT at FROM readings WHERE sensor IN ('a', 'b') AND at IN (1, 5, 10) ORDER BY sensor DESC, at;
SELECT sensor, at FROM readings WHERE (sensor, at) > ('a', 2) ORDER BY sensor, at DESC;
SELECT sensor, max(at), count(*) FROM readings GROUP BY sensor;
UPDATE readings SET at = at + 100, value = 99 WHERE sensor = 'a' AND at < 10;
DELETE FROM readings WHERE at = 101;
SELECT * FROM readings ORDER BY sensor DESC, at;
INSERT INTO readings(sensor, at, value) VALUES ('b', 5.0, 1);
INSERT INTO readings(sensor, at) VALUES ('b', 6);
INSERT INTO readings(at, value) VALUES (6, 1);
INSERT OR IGNORE INTO readings VALUES ('b', 5, 1, NULL), ('c', 1, 1, 'F');
INSERT OR REPLACE INTO readings VALUES ('c', 1, 2, NULL);
UPDATE readings SET unit = NULL WHERE sensor = 'b';
SELECT * FROM readings WHERE sensor >= 'b';
SELECT name, type, "notnull", dflt_value FROM pragma_table_info('readings');
-- Rowids.
CREATE VIRTUAL TABLE r USING moss(id INTEGER PRIMARY KEY, x);
INSERT INTO r(x) VALUES ('one'), ('two');
INSERT INTO r VALUES (10, 'ten');
INSERT INTO r(rowid, x) VALUES (20, 'twenty');
INSERT INTO r(x) VALUES ('next');
SELECT last_insert_rowid();
SELECT rowid, * FROM r ORDER BY id DESC;
UPDATE r SET id = 5 WHERE x = 'two';
UPDATE r SET rowid = 6 WHERE id = 10;
SELECT * FROM r WHERE id BETWEEN 5 AND 20;
DELETE FROM r WHERE id > 6;
INSERT INTO r(x) VALUES ('seven');
SELECT max(rowid), count(*) FROM r;
INSERT INTO r VALUES ('abc', 1);
INSERT INTO r VALUES (6, 1);
UPDATE r SET id = NULL WHERE id = 6;
CREATE VIRTUAL TABLE n USING moss(a, b);
INSERT INTO n VALUES (1, 'x'), (1, 'x');
SELECT rowid, * FROM n;
INSERT INTO n(rowid, a) VALUES (2, 0);
-- Collations.
CREATE VIRTUAL TABLE nc USING moss(k TEXT COLLATE NOCASE PRIMARY KEY, v);
INSERT INTO nc VALUES ('Hello', 1), ('abc', 2), ('B', 3);
SELECT * FROM nc;
SELECT * FROM nc WHERE k = 'HELLO';
SELECT * FROM nc WHERE k = 'HELLO' COLLATE BINARY;
SELECT * FROM nc WHERE k LIKE 'h%';
INSERT INTO nc VALUES ('HELLO', 4);
CREATE VIRTUAL TABLE rt USING moss(k TEXT COLLATE RTRIM, v, PRIMARY KEY(k DESC));
INSERT INTO rt VALUES ('a  ', 1), ('b', 2), ('a  c', 3);
SELECT quote(k), v FROM rt WHERE k >= 'a';
INSERT INTO rt VALUES ('a', 4);
-- Defaults.
CREATE VIRTUAL TABLE d USING moss(k PRIMARY KEY, t DEFAULT CURRENT_TIMESTAMP, u DEFAULT word,
  w DEFAULT -5, x INTEGER DEFAULT '7' NOT NULL, y DEFAULT (1 + 2), z DEFAULT "quo""ted");
INSERT INTO d(k) VALUES (1);
SELECT k, length(t), u, w, x, typeof(x), y, z FROM d;
-- Raw columns with names and types of their own.
CREATE VIRTUAL TABLE raw USING moss(name TEXT PRIMARY KEY, body BLOB, codec=raw);
INSERT INTO raw VALUES ('b', x'00'), ('a', x'ff');
INSERT INTO raw VALUES (1, x'00');
INSERT INTO raw VALUES ('c', 'text');
SELECT name, typeof(name), hex(body) FROM raw WHERE name >= 'a';
-- What is refused.
CREATE VIRTUAL TABLE bad USING moss(a CHECK(a > 0));
CREATE VIRTUAL TABLE bad USING moss(a INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE VIRTUAL TABLE bad USING moss(a PRIMARY KEY ON CONFLICT REPLACE);
CREATE VIRTUAL TABLE bad USING moss(a UNIQUE ON CONFLICT REPLACE, b);
CREATE VIRTUAL TABLE bad USING moss(a, b AS (a + 1));
CREATE VIRTUAL TABLE bad USING moss(a, b GENERATED ALWAYS AS (a));
CREATE VIRTUAL TABLE bad USING moss(a REFERENCES t);
CREATE VIRTUAL TABLE bad USING moss(a, FOREIGN KEY(a) REFERENCES t);
CREATE VIRTUAL TABLE bad USING moss(a, a);
CREATE VIRTUAL TABLE bad USING moss(a PRIMARY KEY, b PRIMARY KEY);
CREATE VIRTUAL TABLE bad USING moss(a PRIMARY KEY COLLATE nosuch);
CREATE VIRTUAL TABLE bad USING moss(a DEFAULT (random()));
CREATE VIRTUAL TABLE bad USING moss(a b c d, PRIMARY KEY(nosuch));
CREATE VIRTUAL TABLE bad USING moss(PRIMARY KEY(a));
CREATE VIRTUAL TABLE bad USING moss(a INTEGER PRIMARY KEY, b, codec=raw);
SELECT count(*) FROM sqlite_schema WHERE name = 'bad';
