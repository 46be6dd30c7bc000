-- Indexes: which plan is taken, and what it gives.
CREATE VIRTUAL TABLE cars USING moss(
  id INTEGER PRIMARY KEY, color TEXT COLLATE NOCASE, at INT, price REAL, note,
  INDEX by_color(color, at DESC), INDEX by_price(price), "size" TEXT,
  unique INDEX "by size"("size" COLLATE BINARY DESC)
);
INSERT INTO cars VALUES
  (1, 'Red', 10, 1.0, 'a', 's1'), (2, 'red', 30, 2, 'b', 's2'),
  (3, 'RED', 20, 2.5, 'c', NULL), (4, 'blue', 10, NULL, 'd', NULL),
  (5, NULL, 10, 3, 'e', 's5'), (6, NULL, NULL, -0.0, 'f', 's6'),
  (7, x'00', 5, '2', 'g', 's7'), (8, '', 5, 'two', 'h', '');
.eqp on
.print -- equality, with and without a lookup of the row
SELECT * FROM cars WHERE color = 'red';
SELECT id, color, at FROM cars WHERE color = 'red';
SELECT at, count(*) FROM cars WHERE color = 'red' AND at > 10 GROUP BY at;
SELECT id FROM cars WHERE color = 'red' AND at = 20 AND id >= 3;
.print -- order, in both directions, the key last
SELECT id, at FROM cars WHERE color = 'RED' ORDER BY at DESC;
SELECT id, at FROM cars WHERE color = 'RED' ORDER BY at;
SELECT color, at, id FROM cars ORDER BY color, at DESC, id;
SELECT color, at, id FROM cars ORDER BY color DESC, at, id DESC;
SELECT id, color FROM cars WHERE color IS NULL ORDER BY at, id DESC;
SELECT DISTINCT color FROM cars;
SELECT max(at), min(at) FROM cars WHERE color = 'red';
SELECT max(at) FROM cars WHERE color = 'red';
SELECT min(price) FROM cars;
SELECT note FROM cars ORDER BY price LIMIT 2;
.print -- NULL, IS, IN, ranges
SELECT id FROM cars WHERE color IS NULL;
SELECT id FROM cars WHERE color IS NULL AND at IS NULL;
SELECT id FROM cars WHERE color IS (SELECT NULL);
SELECT id FROM cars WHERE color IS NOT NULL AND price > 0;
SELECT id, color FROM cars WHERE color IN ('BLUE', NULL, '', 'red') ORDER BY color, at;
SELECT id, price FROM cars WHERE price BETWEEN 2 AND 3;
SELECT id, price FROM cars WHERE price < 2.5;
SELECT id, price FROM cars WHERE price > '2';
SELECT id, price FROM cars WHERE price >= 'two';
SELECT id, color FROM cars WHERE color LIKE 're%';
.print -- UNIQUE
SELECT note FROM cars WHERE "size" = 's5';
SELECT id, "size" FROM cars WHERE "size" > 's2' ORDER BY "size" DESC;
SELECT id, "size" FROM cars WHERE "size" IS NULL;
SELECT "size", id FROM cars WHERE "size" IN ('s1', 's7', '') ORDER BY "size";
.print -- what an index cannot serve
SELECT id FROM cars WHERE color = 'red' COLLATE RTRIM;
SELECT id FROM cars WHERE color > 'a' COLLATE BINARY AND id < 4;
SELECT id FROM cars WHERE at = 10 AND id > 2;
.print -- joins
CREATE TABLE wanted(color, price);
INSERT INTO wanted VALUES ('red', 2), ('BLUE', 3), (NULL, 1), (x'00', 2);
SELECT w.rowid, id FROM wanted AS w JOIN cars AS c ON c.color = w.color ORDER BY 1, 2;
SELECT w.rowid, id FROM wanted AS w JOIN cars AS c ON c.color IS w.color ORDER BY 1, 2;
SELECT w.rowid, id FROM wanted AS w JOIN cars AS c ON c.price = w.price ORDER BY 1, 2;
.print -- OR
SELECT id FROM cars WHERE color = 'red' OR price = 3;
.eqp off
-- Values come back from an index as they are.
SELECT quote(price), typeof(price), id FROM cars ORDER BY price, id;
SELECT quote(color), at, id FROM cars ORDER BY color, at DESC, id;
