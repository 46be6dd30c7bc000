-- A store belongs to one database; another one can read it, not write.
CREATE VIRTUAL TABLE t USING moss(store='shared');
INSERT INTO t VALUES (1, 'one');
CREATE VIRTUAL TABLE top USING moss(store='shared', codec=raw);
INSERT INTO top VALUES (x'61', x'01');
BEGIN;
UPDATE t SET value = 'both';
UPDATE top SET value = x'02';
ROLLBACK;
SELECT t.value, hex(top.value) FROM t, top;
