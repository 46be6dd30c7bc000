SELECT count(*), sum(key) FROM t;
SELECT * FROM t WHERE key > 498;
VACUUM;
INSERT INTO t VALUES (1006, 'second shell');
