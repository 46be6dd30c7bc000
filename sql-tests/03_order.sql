-- Keys come in SQLite's order: numbers by value, then texts, then blobs.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t(key) VALUES (x'61'), ('a'), (10), (9), (-1), (2.5), (-2.5),
    ('B'), ('b'), (''), (x''), (1e19), (-1e19), (0), (9223372036854775807),
    (9223372036854775806), (9.2e18), (1e-300), (-1e-300),
    ('10'), ('9'), ('a '), ('a' || char(0) || 'b'), ('é'), ('z'), ('日本'),
    (1234567.5), (9007199254740993), (9007199254740992), (255),
    (256), (-255), (-256), (-257), (65536), (x'00'), (x'0000'), (x'ff');
SELECT quote(key) FROM t ORDER BY key;
SELECT '--';
SELECT group_concat(quote(key), ' ') FROM (SELECT key FROM t ORDER BY key DESC);
-- The same as an ordinary table says.
CREATE TABLE o AS SELECT key FROM t ORDER BY random();
SELECT 'differences', count(*) FROM
    (SELECT key, row_number() OVER (ORDER BY key) AS n FROM t) AS a JOIN
    (SELECT key, row_number() OVER (ORDER BY key) AS n FROM o) AS b USING (n)
    WHERE a.key IS NOT b.key OR typeof(a.key) <> typeof(b.key);
SELECT 'pairs', count(*) FROM t AS a JOIN t AS b WHERE a.key < b.key;
SELECT 'smallest', min(key), 'largest', quote(max(key)) FROM t;
-- 1 and 1.0 are one key; the type of the newest row stays.
INSERT INTO t VALUES (1, 'integer');
INSERT OR IGNORE INTO t VALUES (1.0, 'real');
SELECT key, typeof(key), value FROM t WHERE key = 1;
REPLACE INTO t VALUES (1.0, 'real');
SELECT key, typeof(key), value FROM t WHERE key = 1;
SELECT key, typeof(key) FROM t WHERE key IN (1, 2, 3);
SELECT key FROM t ORDER BY key COLLATE NOCASE DESC, key LIMIT 5 OFFSET 8;
SELECT DISTINCT typeof(key) FROM t ORDER BY key;
SELECT typeof(key), count(*) FROM t GROUP BY typeof(key) ORDER BY 2, 1;
