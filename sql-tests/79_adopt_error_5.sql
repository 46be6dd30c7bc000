-- Now the other one is a guest, until it takes over again, with a log that
-- ends in the past.
SELECT hex(key), hex(value) FROM top;
INSERT INTO top VALUES(x'05', x'ee');
SELECT * FROM seed;
INSERT INTO top(top) VALUES('adopt');
SELECT hex(key), hex(value) FROM top;
INSERT INTO top VALUES(x'05', x'ee');
INSERT INTO seed VALUES(2, 'home again');
SELECT hex(key), hex(value) FROM top;
-- Both in one process.
.connection 1
.open guest.db
.load ./moss
SELECT hex(key) FROM top;
INSERT INTO top VALUES(x'06', x'ff');
INSERT INTO top(top) VALUES('adopt');
INSERT INTO top VALUES(x'06', x'ff');
.connection 0
SELECT hex(key) FROM top;
INSERT INTO top VALUES(x'07', x'00');
UPDATE seed SET value = 'no';
INSERT INTO top(top) VALUES('adopt');
INSERT INTO top VALUES(x'07', x'00');
.connection 1
SELECT hex(key) FROM top;
BEGIN;
INSERT INTO plain VALUES(1);
INSERT INTO top VALUES(x'08', x'00');
COMMIT;
SELECT * FROM plain;
