-- The session of the README's section "Operating".
.echo on
BEGIN;
CREATE VIRTUAL TABLE cars USING moss;
INSERT INTO cars VALUES('civic', 'Honda'), ('mini', 'BMW');
COMMIT;
INSERT INTO cars(cars) VALUES('flush');
SELECT id, transactions, entries FROM moss_commits('cars') LIMIT 1;
UPDATE cars SET value = 'BMC' WHERE key = 'mini';
DELETE FROM cars WHERE key = 'civic';
SELECT * FROM cars(10000000006);
SELECT now.value, old.value FROM cars AS now JOIN cars(10000000006) AS old USING(key);
INSERT INTO cars(cars, arg) VALUES('revert', 10000000006);
SELECT * FROM cars;
INSERT INTO cars(cars) VALUES('check');
INSERT INTO cars(cars, arg) VALUES('compact', 60);
SELECT level, entries, deletions FROM moss_segments('cars');
SELECT value FROM moss_stats('cars') WHERE name = 'num_segments';
INSERT INTO cars(cars) VALUES('truncate');
SELECT count(*) FROM cars;
