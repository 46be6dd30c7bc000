-- The home appends a column while another database has the table in use: when
-- that one becomes the home, it must not write rows without the column.
CREATE VIRTUAL TABLE t USING moss(k INTEGER PRIMARY KEY, v INT, store='shared');
INSERT INTO t VALUES (1, 10), (2, 20);
.once declare.sql
SELECT format('CREATE VIRTUAL TABLE t USING moss(k INTEGER PRIMARY KEY, v INT, store=''shared'', collection=''%s'');', object)
  FROM _moss_catalog WHERE kind = 'table';
.connection 1
.open guest.db
.load ./moss
.read declare.sql
SELECT * FROM t;
.connection 0
INSERT INTO t(t, arg) VALUES ('columns', 'k INTEGER PRIMARY KEY, v INT, w INT DEFAULT 7');
UPDATE t SET w = 100 + k;
.connection 1
INSERT INTO t(t) VALUES ('adopt');
UPDATE t SET v = v + 1;
INSERT INTO t(t, arg) VALUES ('columns', 'k INTEGER PRIMARY KEY, v INT, w INT DEFAULT 7');
UPDATE t SET v = v + 1;
SELECT * FROM t;
.connection 0
SELECT * FROM t;
