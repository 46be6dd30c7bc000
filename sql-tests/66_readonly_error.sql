-- readonly=true: the table takes no change, its store is only read.
.shell mkdir store && cp -r .fixtures/basic go
CREATE VIRTUAL TABLE made USING moss(store='store');
CREATE VIRTUAL TABLE w USING moss(store='store', codec=raw);
INSERT INTO w VALUES (x'01', x'02');
CREATE VIRTUAL TABLE t USING moss(readonly=1);
CREATE VIRTUAL TABLE t USING moss(store='store', readonly=maybe, codec=raw);
CREATE VIRTUAL TABLE t USING moss(store='none', readonly=1, codec=raw);
CREATE VIRTUAL TABLE r USING moss(store='store', readonly=true, codec=raw);
SELECT hex(key), hex(value) FROM r;
INSERT INTO r VALUES (x'02', x'03');
UPDATE r SET value = x'04';
DELETE FROM r;
DELETE FROM r WHERE key = x'99';
BEGIN;
INSERT INTO w VALUES (x'02', x'03');
INSERT INTO r VALUES (x'03', x'03');
SELECT count(*) FROM r;
COMMIT;
SELECT count(*) FROM r;
ALTER TABLE r RENAME TO s;
SELECT count(*) FROM s;
DROP TABLE s;
SELECT count(*) FROM w;
