-- codec=raw: keys and values are their very bytes, in the order of bytes.
CREATE VIRTUAL TABLE r USING moss(codec=raw);
INSERT INTO r VALUES (x'61', x'01'), (x'', x''), (x'6161', x'ff00'), (x'ff', x'02');
SELECT quote(key), quote(value) FROM r;
SELECT hex(key) FROM r WHERE key > x'61';
SELECT hex(key) FROM r WHERE key BETWEEN x'' AND x'6161' ORDER BY key DESC;
SELECT quote(value) FROM r WHERE key = x'';
SELECT count(*) FROM r WHERE key = 'a';
SELECT count(*) FROM r WHERE key > 5;
SELECT count(*) FROM r WHERE key < 'zzz';
SELECT hex(key) FROM r WHERE key IN (x'61', 'a', NULL, x'ff');
REPLACE INTO r VALUES (x'61', x'03');
UPDATE r SET key = x'62' WHERE key = x'61';
INSERT OR IGNORE INTO r VALUES (x'62', x'04'), (x'63', x'05');
DELETE FROM r WHERE key >= x'ff';
SELECT hex(key), hex(value) FROM r;
SELECT min(key) IS x'', hex(max(key)) FROM r;
