.shell LC_ALL=C sed -i 's/to be damaged/to be DAMAGED/' test.db-moss/data-*.moss
SELECT count(*) FROM t;
INSERT INTO t(t) VALUES('check');
INSERT INTO d(d) VALUES('check');
SELECT * FROM d;
