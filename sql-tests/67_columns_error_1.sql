-- Columns are appended by a command; rows that are there have the DEFAULT.
PRAGMA journal_mode = wal;
CREATE VIRTUAL TABLE cars USING moss(make TEXT, year INT, PRIMARY KEY(make, year DESC));
INSERT INTO cars VALUES ('mini', 1960), ('mini', 1970), ('vw', 1950);
.connection 1
.open test.db
.load ./moss
SELECT * FROM cars WHERE make = 'mini';
.connection 0
INSERT INTO cars(cars, arg) VALUES ('columns', 'make TEXT, year INT,
  note VARCHAR(9) DEFAULT 12, -- a text
  price REAL NOT NULL DEFAULT 5, colour, PRIMARY KEY(make, year DESC)');
SELECT *, typeof(note), typeof(price) FROM cars;
INSERT INTO cars VALUES ('vw', 1951, 'new', 1, 'red');
UPDATE cars SET colour = 'blue' WHERE year = 1970;
.connection 1
SELECT * FROM cars WHERE price = 5;
UPDATE cars SET note = note || '!' WHERE make = 'mini';
.connection 0
SELECT * FROM cars ORDER BY make DESC, year;
-- Inside a transaction, and undone.
BEGIN;
SAVEPOINT s;
INSERT INTO cars(cars, arg) VALUES ('columns', 'make TEXT, year INT, note VARCHAR(9) DEFAULT 12,
  price REAL NOT NULL DEFAULT 5, colour, doors INT DEFAULT (2 + 2), PRIMARY KEY(make, year DESC)');
UPDATE cars SET doors = doors + 1 WHERE year = 1970;
SELECT year, doors FROM cars;
.connection 1
SELECT * FROM cars WHERE year = 1970;
.connection 0
ROLLBACK TO s;
SELECT * FROM cars WHERE year = 1970;
SELECT doors FROM cars;
INSERT INTO cars(cars, arg) VALUES ('columns', 'make TEXT, year INT, note VARCHAR(9) DEFAULT 12,
  price REAL NOT NULL DEFAULT 5, colour, wheels DEFAULT x''04'', PRIMARY KEY(make, year DESC)');
SELECT quote(wheels) FROM cars WHERE year = 1970;
ROLLBACK;
SELECT wheels FROM cars;
SELECT * FROM cars WHERE year = 1970;
.connection 1
-- Another connection, and its uncommitted columns.
BEGIN;
INSERT INTO cars(cars, arg) VALUES ('columns', 'make TEXT, year INT, note VARCHAR(9) DEFAULT 12,
  price REAL NOT NULL DEFAULT 5, colour, wheels DEFAULT 4, PRIMARY KEY(make, year DESC)');
INSERT INTO cars(make, year) VALUES ('fiat', 1980);
.connection 0
SELECT count(*) FROM cars;
.connection 1
COMMIT;
.connection 0
SELECT * FROM cars;
SELECT name FROM pragma_table_info('cars');
-- A second table over the collection gets them, too.
.once attach.sql
SELECT format('CREATE VIRTUAL TABLE same USING moss(collection=''%s'');', object)
  FROM _moss_catalog WHERE name = 'cars';
.read attach.sql
INSERT INTO same(same, arg) VALUES ('columns', 'make TEXT, year INT, note VARCHAR(9) DEFAULT 12,
  price REAL NOT NULL DEFAULT 5, colour, wheels DEFAULT 4, seats INT, PRIMARY KEY(make, year DESC)');
SELECT * FROM cars WHERE make = 'fiat';
-- What cannot be.
INSERT INTO cars(cars) VALUES ('columns');
INSERT INTO cars(cars, arg) VALUES ('columns', 7);
INSERT INTO cars(cars, arg) VALUES ('columns', '');
INSERT INTO cars(cars, arg) VALUES ('columns', 'make TEXT, year INT');
CREATE VIRTUAL TABLE t USING moss(a PRIMARY KEY, b INT DEFAULT 1);
INSERT INTO t VALUES (1, 1);
INSERT INTO t(t, arg) VALUES ('columns', 'a PRIMARY KEY, b INT DEFAULT 1');
INSERT INTO t(t, arg) VALUES ('columns', 'a PRIMARY KEY');
INSERT INTO t(t, arg) VALUES ('columns', 'a PRIMARY KEY, c, b INT DEFAULT 1');
INSERT INTO t(t, arg) VALUES ('columns', 'a PRIMARY KEY, b TEXT DEFAULT 1, c');
INSERT INTO t(t, arg) VALUES ('columns', 'a, b INT DEFAULT 1, c PRIMARY KEY');
INSERT INTO t(t, arg) VALUES ('columns', 'a PRIMARY KEY, b INT DEFAULT 1, c NOT NULL');
INSERT INTO t(t, arg) VALUES ('columns', 'a PRIMARY KEY, b INT DEFAULT 1, c NOT NULL DEFAULT NULL');
INSERT INTO t(t, arg) VALUES ('columns', 'a PRIMARY KEY, b INT DEFAULT 1, c DEFAULT CURRENT_TIME');
INSERT INTO t(t, arg) VALUES ('columns', 'a PRIMARY KEY, b INT DEFAULT 1, c DEFAULT (random())');
INSERT INTO t(t, arg) VALUES ('columns', 'a PRIMARY KEY, b INT DEFAULT 1, c CHECK (c > 1)');
INSERT INTO t(t, arg) VALUES ('columns', 'a PRIMARY KEY, b INT DEFAULT 1, codec=raw');
INSERT INTO t(t, arg) VALUES ('columns', 'a PRIMARY KEY, b INT DEFAULT 1, moss_key');
INSERT INTO t(t, arg) SELECT 'columns', 'a PRIMARY KEY, b INT DEFAULT 1, c DEFAULT 3' UNION ALL SELECT 'columns', 'a PRIMARY KEY';
SELECT * FROM t;
CREATE VIRTUAL TABLE r USING moss(codec=raw);
INSERT INTO r(r, arg) VALUES ('columns', 'key BLOB PRIMARY KEY, value BLOB, more');
-- Without a key, and in temp.
CREATE VIRTUAL TABLE temp.n USING moss(a, b);
INSERT INTO n VALUES (1, 2);
INSERT INTO n(n, arg) VALUES ('columns', 'a, b, c DEFAULT ''three''');
SELECT rowid, * FROM n;
SELECT count(*) FROM sqlite_schema WHERE type = 'view';
