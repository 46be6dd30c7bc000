-- The functions that tell about a table's store.
PRAGMA journal_mode = wal;
SELECT moss_version();
CREATE VIRTUAL TABLE cars USING moss;
CREATE TABLE plain(a);
CREATE VIEW seen AS SELECT * FROM plain;
INSERT INTO cars VALUES('a', 1), ('b', 2);
INSERT INTO cars(cars) VALUES('flush');
DELETE FROM cars WHERE key = 'a';
INSERT INTO cars(cars) VALUES('flush');
-- Counters, under the names that they have in Go moss, too.
SELECT count(*) = count(DISTINCT name) FROM moss_stats('cars');
SELECT name, value FROM moss_stats('cars')
WHERE name IN ('TotExecuteBatchEnd', 'disk_files');
SELECT value > 0 FROM moss_stats('cars') WHERE name IN ('num_bytes_used_disk', 'num_segments', 'disk_bytes');
SELECT name, sum(count) > 0, min(first) >= 0, min(last - first) >= 0
FROM moss_histograms('cars') WHERE name LIKE 'Mutation%' GROUP BY name;
SELECT name FROM moss_histograms('cars') WHERE name = 'PersistFooterUsecs' GROUP BY name;
-- The newest state: one segment in the file, or two.
SELECT sum(entries) - 2 * sum(deletions), count(file) = count(*), min(offset) % 4096, min(level)
FROM moss_segments('cars');
BEGIN;
INSERT INTO cars VALUES('c', 3);
SELECT level, entries, deletions, merges, key_bytes, value_bytes, file, offset FROM moss_segments('cars') WHERE level = 0;
ROLLBACK;
SELECT replace(collection, substr(collection, -16), 'ID'), entries > 0, bytes > 0, segments > 0
FROM moss_collections('cars');
SELECT replace(collection, substr(collection, -16), 'ID'), segments > 0 FROM moss_collections('test.db-moss');
SELECT * FROM moss_collections('.fixtures/children') ORDER BY collection;
-- Which table: by its name, and its schema.
ATTACH ':memory:' AS m;
CREATE VIRTUAL TABLE m.cars USING moss;
INSERT INTO m.cars VALUES(1, 1);
CREATE VIRTUAL TABLE temp."odd ""name" USING moss;
SELECT count(*) FROM moss_segments('cars', 'm');
SELECT count(*) FROM moss_segments('CARS', 'Main') WHERE file IS NULL;
SELECT count(*) FROM moss_segments('odd "name');
CREATE VIRTUAL TABLE temp.cars USING moss;
SELECT count(*) FROM moss_segments('cars');
SELECT count(*) FROM moss_stats WHERE target = 'cars' AND schema = 'm' AND name = 'TotCloseEnd';
SELECT count(*) FROM moss_commits('cars', 'm');
SELECT sql_name.column1, count(*) FROM (VALUES('temp'), ('m')) AS sql_name, moss_segments('cars', sql_name.column1) GROUP BY 1;
-- What is none.
SELECT * FROM moss_stats;
SELECT * FROM moss_stats(NULL);
SELECT * FROM moss_stats('nosuch');
SELECT * FROM moss_commits('nosuch', 'main');
SELECT * FROM moss_commits('cars', 'nosuch');
SELECT * FROM moss_segments('plain');
SELECT * FROM moss_segments('seen');
SELECT * FROM moss_histograms('');
SELECT * FROM moss_collections('nosuch');
SELECT * FROM moss_collections('/nosuch');
CREATE VIRTUAL TABLE x USING moss_stats;
INSERT INTO moss_stats VALUES(1, 2);
-- They open stores, so a view or a trigger cannot have them.
CREATE VIEW v AS SELECT * FROM moss_collections('/tmp');
SELECT * FROM v;
CREATE VIEW w AS SELECT moss_debug();
SELECT * FROM w;
CREATE VIEW u AS SELECT moss_version();
SELECT * FROM u;
CREATE TABLE versioned(v, c AS (moss_version()));
INSERT INTO versioned(v) VALUES(1);
SELECT * FROM versioned;
-- What is open.
SELECT json_valid(moss_debug());
SELECT value ->> 'store' LIKE '%/test.db-moss', value ->> 'users', value ->> 'async', value ->> 'transaction',
       value ->> 'persisted' FROM json_each(moss_debug(), '$.stores') WHERE value ->> 'store' <> 'in memory';
BEGIN;
INSERT INTO main.cars VALUES('d', 4);
SELECT value ->> 'role', value ->> 'inTransaction', value ->> 'pendingBytes' > 0
FROM json_each(moss_debug(), '$.connection') WHERE value ->> 'schema' = 'main';
COMMIT;
