-- A table declared over existing data in the open transaction: SQLite would
-- not tell it of a rollback to a savepoint before its CREATE.
CREATE VIRTUAL TABLE m USING moss(codec=raw);
INSERT INTO m VALUES (x'01', x'01');
CREATE TABLE n(c);
INSERT INTO n SELECT object FROM _moss_catalog WHERE kind = 'table';
.once attach.sql
SELECT 'CREATE VIRTUAL TABLE m2 USING moss(codec=raw, collection=''' || c || ''');' FROM n;
BEGIN;
SAVEPOINT s;
.read attach.sql
INSERT INTO m2 VALUES (x'02', x'02');
ROLLBACK TO s;
COMMIT;
SELECT hex(key) FROM m;
.read attach.sql
-- What was changed in a collection that stays is not lost by DROP.
BEGIN;
INSERT INTO m2 VALUES (x'03', x'03');
DROP TABLE m2;
COMMIT;
SELECT hex(key) FROM m;
DROP TABLE m2;
SELECT hex(key) FROM m;
-- A COMMIT that grows the ring leaves changes() alone.
INSERT INTO m VALUES (x'04', zeroblob(200000));
INSERT INTO m VALUES (x'05', zeroblob(100000));
BEGIN;
INSERT INTO m VALUES (x'06', x'06');
COMMIT;
SELECT changes();
