-- A collection records what it was declared as: in the store, where another
-- database finds it, and in the catalog.
.shell mkdir store
CREATE VIRTUAL TABLE cars USING moss(store='store',
  make TEXT, year INT DEFAULT 2000, -- of the model
  price REAL NOT NULL DEFAULT 1.5, note VARCHAR(9) COLLATE NOCASE,
  PRIMARY KEY(make, /* newest first */ year DESC));
INSERT INTO cars(make, note) VALUES ('mini', 'X');
CREATE VIRTUAL TABLE pairs USING moss(codec=raw, store=store, collection='');
INSERT INTO pairs VALUES (x'01', x'02');
SELECT detail FROM _moss_catalog WHERE kind = 'table';
-- ':memory:' reads what is in the store, and needs the collection's name.
.once name.sql
SELECT format('.parameter set @name "''%s''"', object) FROM _moss_catalog WHERE name = 'cars';
.once record.sql
SELECT format('CREATE VIRTUAL TABLE record USING moss(store=store, codec=raw,
  key TEXT PRIMARY KEY, value TEXT, collection=''%s/~declaration'');', object)
  FROM _moss_catalog WHERE name = 'cars';
-- Each of these is declared over it.
CREATE TABLE declared(n INTEGER PRIMARY KEY, columns);
INSERT INTO declared(columns) VALUES
  ('make TEXT, year INT DEFAULT 2000, price REAL NOT NULL DEFAULT 1.5, note TEXT COLLATE NOCASE, PRIMARY KEY(make, year DESC)'),
  ('codec=raw'),
  ('make TEXT, year INT DEFAULT 2000, price REAL NOT NULL DEFAULT 1.5, note TEXT COLLATE NOCASE, PRIMARY KEY(make, year)'),
  ('make TEXT, year INT DEFAULT 2000, price REAL NOT NULL DEFAULT 1.5, note TEXT COLLATE NOCASE, PRIMARY KEY(make)'),
  ('make TEXT, year INT DEFAULT 2000, price REAL NOT NULL DEFAULT 1.5, note TEXT COLLATE NOCASE'),
  ('make TEXT COLLATE NOCASE, year INT DEFAULT 2000, price REAL NOT NULL DEFAULT 1.5, note TEXT COLLATE NOCASE, PRIMARY KEY(make, year DESC)'),
  ('make TEXT, year INT DEFAULT 2000, price REAL NOT NULL DEFAULT 1.5, note TEXT, PRIMARY KEY(make, year DESC)'),
  ('make TEXT, year INT DEFAULT 2000, price INT NOT NULL DEFAULT 1.5, note TEXT COLLATE NOCASE, PRIMARY KEY(make, year DESC)'),
  ('make TEXT, year INT DEFAULT 2000, price REAL DEFAULT 1.5, note TEXT COLLATE NOCASE, PRIMARY KEY(make, year DESC)'),
  ('make TEXT, year INT DEFAULT 1999, price REAL NOT NULL DEFAULT 1.5, note TEXT COLLATE NOCASE, PRIMARY KEY(make, year DESC)'),
  ('make TEXT, year INT DEFAULT 2000, cost REAL NOT NULL DEFAULT 1.5, note TEXT COLLATE NOCASE, PRIMARY KEY(make, year DESC)'),
  ('make TEXT, year INT DEFAULT 2000, price REAL NOT NULL DEFAULT 1.5, PRIMARY KEY(make, year DESC)'),
  ('make TEXT, year INT DEFAULT 2000, price REAL NOT NULL DEFAULT 1.5, note TEXT COLLATE NOCASE, more, PRIMARY KEY(make, year DESC)');
.once attach.sql
SELECT format('CREATE VIRTUAL TABLE t%d USING moss(store=store, collection=''%s'', %s);', n, object, columns)
  FROM declared, _moss_catalog WHERE name = 'cars' ORDER BY n;
.read attach.sql
SELECT name FROM sqlite_schema WHERE name GLOB 't[0-9]*';
SELECT * FROM t1;
-- Without columns a table has those that are recorded.
.once attach.sql
SELECT format('CREATE VIRTUAL TABLE same USING moss(store=store, collection=''/%s'');', object)
  FROM _moss_catalog WHERE name = 'cars';
.read attach.sql
INSERT INTO same VALUES ('vw', 1999, 2, 'y');
SELECT * FROM cars WHERE note = 'Y';
.open test.db
.load ./moss
SELECT name, type, "notnull" FROM pragma_table_info('same');
-- A raw collection, and one that has no record, are not for typed tables.
CREATE VIRTUAL TABLE t USING moss(store=store, collection='');
.read record.sql
SELECT * FROM record;
.shell cp -r .fixtures/basic go
CREATE VIRTUAL TABLE t USING moss(store='go', collection='', k PRIMARY KEY, v);
CREATE VIRTUAL TABLE t USING moss(store='go', codec=raw, k PRIMARY KEY, v);
SELECT count(*) > 0 FROM t;
-- What does not fit any more is not read, and can be dropped.
UPDATE record SET value = 'make, year' WHERE key = 'columns';
.open test.db
.load ./moss
SELECT * FROM cars;
UPDATE record SET value = 'raw' WHERE key = 'codec';
.open test.db
.load ./moss
SELECT * FROM cars;
INSERT INTO cars(make, note) VALUES ('mini', 'X');
DROP TABLE cars;
