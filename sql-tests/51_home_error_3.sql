SELECT t.value, hex(top.value) FROM t, top;
-- DROP of a table over existing data leaves the data.
DROP TABLE top;
CREATE VIRTUAL TABLE again USING moss(store='shared', codec=raw);
SELECT hex(key), hex(value) FROM again;
INSERT INTO again VALUES (x'63', x'03');
DELETE FROM again WHERE key = x'61';
SELECT hex(key), hex(value) FROM again;
