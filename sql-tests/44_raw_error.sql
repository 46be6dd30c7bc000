-- What a raw table does not take.
CREATE VIRTUAL TABLE r USING moss(codec=raw);
INSERT INTO r VALUES ('text', x'01');
INSERT INTO r VALUES (1, x'01');
INSERT INTO r VALUES (x'01', 'text');
INSERT INTO r VALUES (x'01', 1.5);
INSERT INTO r VALUES (NULL, x'01');
INSERT INTO r VALUES (x'01', NULL);
INSERT INTO r(key) VALUES (x'01');
INSERT INTO r VALUES (x'01', x'02');
INSERT INTO r VALUES (x'02', x'02'), (x'01', x'03');
UPDATE r SET value = 'text';
UPDATE r SET key = 7;
INSERT OR IGNORE INTO r VALUES (NULL, x'05'), (x'06', x'06');
SELECT hex(key), hex(value) FROM r;
