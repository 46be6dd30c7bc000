-- A table made without arguments has the columns key and value, of any type.
CREATE VIRTUAL TABLE cars USING moss;
INSERT INTO cars VALUES ('tesla', 1), ('honda', 2.5), ('ford', NULL);
INSERT INTO cars(value, key) VALUES (x'00ff', 'audi');
INSERT INTO cars(key) VALUES ('kia');
SELECT changes();
SELECT * FROM cars;
.headers on
SELECT *, typeof(key), typeof(value) FROM cars WHERE key = 'audi';
.headers off
SELECT count(*), min(key), max(key) FROM cars;
UPDATE cars SET value = 'electric' WHERE key = 'tesla';
SELECT value FROM cars WHERE key = 'tesla';
DELETE FROM cars WHERE key < 'g';
SELECT changes();
SELECT key FROM cars;
REPLACE INTO cars VALUES ('kia', 'ceed'), ('bmw', 'i3');
SELECT key, value FROM cars;
SELECT last_insert_rowid();
CREATE VIRTUAL TABLE IF NOT EXISTS cars USING moss;
SELECT count(*) FROM cars;
DROP TABLE cars;
SELECT count(*) FROM sqlite_schema WHERE name = 'cars';
