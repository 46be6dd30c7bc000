-- Keys keep their type, and order and equality are those of SQLite.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (1, 'integer'), (2.0, 'real'), (-0.0, 'negative zero'),
    (9007199254740993, '2^53 + 1'), (9007199254740992.0, '2^53'),
    (9223372036854775807, '2^63 - 1'), (9223372036854775808.0, '2^63'),
    (-9223372036854775808, '-2^63'), (9e999, 'infinite'), (-9e999, 'least'),
    (1e300, 'large'), (5e-324, 'small'), ('', 'no text'), ('a', 'text'),
    ('a' || char(0) || 'b', 'with NUL'), ('ab', 'longer'), (x'', 'no blob'),
    (x'00', 'blob'), (zeroblob(3), 'zeroblob'), ('é', 'accent');
SELECT quote(key), typeof(key), value FROM t ORDER BY key;
SELECT count(*) FROM (SELECT key, lag(key) OVER (ORDER BY key) AS before FROM t)
    WHERE key <= before;
-- 1 and 1.0 are one key; the row keeps what was stored last.
INSERT OR IGNORE INTO t VALUES (1.0, 'ignored');
SELECT quote(key), value FROM t WHERE key = 1.0;
REPLACE INTO t VALUES (1.0, 'replaced');
SELECT quote(key), value FROM t WHERE key = 1;
UPDATE t SET key = 1 WHERE key = 1;
SELECT quote(key), value FROM t WHERE key = 1;
UPDATE t SET value = 'new' WHERE key = 2;
SELECT quote(key), value FROM t WHERE key = 2;
UPDATE t SET key = 0 WHERE key = 0;
SELECT typeof(key), value FROM t WHERE key = 0;
-- Values keep theirs, too.
DELETE FROM t;
INSERT INTO t VALUES (1, NULL), (2, 0), (3, -1), (4, 128), (5, -129),
    (6, 9223372036854775807), (7, -9223372036854775808), (8, 1.0), (9, 9e999),
    (10, ''), (11, x''), (12, zeroblob(2)), (13, 'é' || char(0)), (14, 65536);
SELECT key, quote(value), typeof(value), length(CAST(value AS BLOB)) FROM t;
