-- What was persisted as operands, and what was not.
SELECT page, hits FROM c;
SELECT id, v, typeof(v) FROM n;
INSERT INTO n VALUES (1, 1, 1, NULL), (2, 1, 1, 'z');
SELECT * FROM n WHERE id < 3;
CREATE VIRTUAL TABLE q USING moss(store=adds, k PRIMARY KEY, v);
SELECT * FROM p;
INSERT INTO p VALUES (1, 3);
SELECT detail FROM _moss_catalog WHERE kind = 'store' AND name = 'adds';
INSERT INTO c(c) VALUES ('compact');
SELECT page, hits FROM c;
-- Another database finds columns and operator with the rows.
.once guest.sql
SELECT format('CREATE VIRTUAL TABLE r USING moss(store=adds, collection=''%s''); SELECT * FROM r;', object)
  FROM _moss_catalog WHERE name = 'p';
.open guest.db
.load ./moss
.read guest.sql
INSERT INTO r VALUES (1, 4);
.open test.db
.load ./moss
-- What the process leaves in the log alone when it dies is replayed.
INSERT INTO p VALUES (1, 10), (2, 20), (2, 1);
REPLACE INTO p VALUES (3, 1);
INSERT INTO c(page, hits) VALUES ('home', 100);
.shell kill -9 $PPID
