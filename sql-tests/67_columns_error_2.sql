-- They are there after reopening, and when the table gets another name.
SELECT * FROM cars;
ALTER TABLE cars RENAME TO autos;
SELECT seats FROM autos WHERE year = 1980;
INSERT INTO autos(autos, arg) VALUES ('columns', 'make TEXT, year INT, note VARCHAR(9) DEFAULT 12,
  price REAL NOT NULL DEFAULT 5, colour, wheels DEFAULT 4, seats INT, autos, PRIMARY KEY(make, year DESC)');
SELECT * FROM autos WHERE year = 1980;
VACUUM;
SELECT count(*) FROM autos WHERE wheels = 4;
DROP TABLE autos;
SELECT count(*) FROM same;
INSERT INTO same(same) VALUES ('check');
