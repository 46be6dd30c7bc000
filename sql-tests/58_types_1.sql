-- Every value comes back as it was, before and after it is on disk.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (1, NULL), (2, 0), (3, -1), (4, 9223372036854775807),
    (5, -9223372036854775808), (6, 127), (7, 128), (8, -129), (9, 65536),
    (10, 0.0), (11, 1.0), (12, -1.5), (13, 1e300), (14, 5e-324), (15, 9e999),
    (16, -9e999), (17, ''), (18, 'text'), (19, 'a' || char(0) || 'b'),
    (20, '😀'), (21, x''), (22, x'00'), (23, x'ff00ff'),
    (24, zeroblob(70000)), (25, replace(hex(zeroblob(50000)), '00', 'xy'));
INSERT INTO t SELECT 'type of ' || key, typeof(value) FROM t;
INSERT INTO t SELECT 'length of ' || key, length(value) FROM t WHERE key < 26;
INSERT INTO t SELECT 'value ' || key, quote(value) FROM t WHERE key < 24;
-- Keys of every type, too.
CREATE VIRTUAL TABLE k USING moss;
INSERT INTO k SELECT value, key FROM t WHERE key BETWEEN 2 AND 25;
SELECT count(*) FROM k;
SELECT value, typeof(key) FROM k WHERE typeof(key) <> (SELECT value FROM t WHERE key = 'type of ' || k.value);
