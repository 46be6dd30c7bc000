-- database: guest.db
CREATE VIRTUAL TABLE top USING moss(store='shared', codec=raw);
SELECT hex(key), hex(value) FROM top;
INSERT INTO top VALUES (x'62', x'02');
DELETE FROM top;
SELECT count(*) FROM top;
DROP TABLE top;
CREATE VIRTUAL TABLE top USING moss(store='shared', codec=raw);
SELECT count(*) FROM top;
