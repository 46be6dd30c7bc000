-- Commands: what they are, what they answer, what they refuse.
PRAGMA journal_mode = wal;
CREATE VIRTUAL TABLE cars USING moss;
INSERT INTO cars VALUES('a', 1), ('b', 2), ('c', 3);
SELECT last_insert_rowid();
-- As with full-text tables, a command counts as one row.
INSERT INTO cars(cars) VALUES('flush');
SELECT changes(), last_insert_rowid();
INSERT INTO cars(cars) VALUES('MERGE');
INSERT INTO cars(cars) VALUES('compact');
INSERT INTO cars(cars, arg) VALUES('flush', 1e9), ('compact', 1e9), ('merge', 1e9);
SELECT changes();
SELECT * FROM cars;
-- No time at all is never enough.
INSERT INTO cars(cars, arg) VALUES('flush', 0);
INSERT INTO cars(cars, arg) VALUES('merge', 0.0);
INSERT INTO cars(cars, arg) VALUES('compact', '0');
INSERT INTO cars(cars, arg) VALUES('compact', -1);
INSERT INTO cars(cars, arg) VALUES('flush', 'soon');
INSERT INTO cars(cars, arg) VALUES('flush', x'31');
-- In a transaction they concern what is committed; the changes go on.
BEGIN;
INSERT INTO cars VALUES('d', 4);
INSERT INTO cars(cars) VALUES('flush');
INSERT INTO cars(cars) VALUES('compact');
SELECT count(*) FROM cars;
ROLLBACK;
SELECT count(*) FROM cars;
-- What is no command.
INSERT INTO cars(cars) VALUES('nosuch');
INSERT INTO cars(cars) VALUES('');
INSERT INTO cars(cars, key) VALUES('flush', 1);
INSERT INTO cars(key, arg) VALUES('e', 1);
INSERT INTO cars(key, cars) VALUES('e', NULL);
UPDATE cars SET cars = 'flush';
UPDATE cars SET arg = 1;
UPDATE cars SET moss_commit = 1;
INSERT INTO cars(key, moss_commit) VALUES('f', 1);
SELECT * FROM cars;
-- The hidden columns, and where a table has none or another name for them.
SELECT name, type, hidden FROM pragma_table_xinfo('cars');
CREATE VIRTUAL TABLE t USING moss(T, Arg, PRIMARY KEY(t, arg));
SELECT name, type, hidden FROM pragma_table_xinfo('t');
INSERT INTO t(t) VALUES('flush');
INSERT INTO t(t, arg) VALUES('flush', 'x');
SELECT * FROM t;
CREATE VIRTUAL TABLE u USING moss(a, "ARG", PRIMARY KEY(a, arg));
SELECT name, type, hidden FROM pragma_table_xinfo('u');
INSERT INTO u(u, moss_arg) VALUES('flush', 10);
CREATE VIRTUAL TABLE arg USING moss(a PRIMARY KEY);
INSERT INTO arg(arg, moss_arg) VALUES('flush', 'x');
CREATE VIRTUAL TABLE moss_commit USING moss(a PRIMARY KEY);
SELECT name FROM pragma_table_xinfo('moss_commit');
CREATE VIRTUAL TABLE v USING moss(moss_commit PRIMARY KEY);
CREATE VIRTUAL TABLE v USING moss(a PRIMARY KEY, Moss_Key);
CREATE VIRTUAL TABLE v USING moss(a PRIMARY KEY, moss_arg);
-- The command is named as the table is now.
ALTER TABLE cars RENAME TO "fast cars";
INSERT INTO "fast cars"("fast cars") VALUES('flush');
INSERT INTO "fast cars"(cars) VALUES('flush');
-- Hidden columns are no columns of NATURAL JOIN.
CREATE VIRTUAL TABLE w USING moss(key PRIMARY KEY, other);
INSERT INTO w VALUES('b', 'two');
SELECT * FROM "fast cars" NATURAL JOIN w;
-- In memory and in temporary databases there is nothing to wait for.
ATTACH ':memory:' AS m;
CREATE VIRTUAL TABLE m.x USING moss;
CREATE VIRTUAL TABLE temp.y USING moss;
INSERT INTO x VALUES(1, 2);
INSERT INTO x(x) VALUES('flush');
INSERT INTO x(x) VALUES('merge');
INSERT INTO x(x) VALUES('compact');
INSERT INTO y(y) VALUES('compact');
SELECT * FROM x;
PRAGMA query_only = 1;
INSERT INTO w(w) VALUES('flush');
