SELECT key, quote(value) FROM t WHERE key < 24;
SELECT key, value FROM t WHERE typeof(key) = 'text' AND typeof(value) = 'integer';
SELECT count(*) FROM t AS a JOIN t AS b ON b.key = 'type of ' || a.key WHERE a.key < 26 AND typeof(a.value) = b.value;
SELECT count(*) FROM t AS a JOIN t AS b ON b.key = 'length of ' || a.key WHERE length(a.value) IS b.value;
SELECT count(*) FROM t AS a JOIN t AS b ON b.key = 'value ' || a.key WHERE quote(a.value) = b.value;
SELECT value = zeroblob(70000) FROM t WHERE key = 24;
SELECT value = replace(hex(zeroblob(50000)), '00', 'xy') FROM t WHERE key = 25;
SELECT value, typeof(key) FROM k;
SELECT count(*) FROM t JOIN k ON k.key = t.value AND k.value = t.key;
