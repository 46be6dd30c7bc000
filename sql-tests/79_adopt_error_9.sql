-- database: late.db
-- It knows the store of before that, and must not bring it back.
.shell rm -f guest.db guest.db-wal guest.db-shm
SELECT hex(key) FROM top;
INSERT INTO top VALUES(x'0a', x'');
SELECT hex(key) FROM top;
INSERT INTO top(top) VALUES('check');
