-- database: guest.db
-- The guest takes over what there is now, not what it once saw.
INSERT INTO top(top) VALUES('adopt');
INSERT INTO top VALUES(x'04', x'dd');
SELECT hex(key), hex(value) FROM top;
