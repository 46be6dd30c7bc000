SELECT count(*), sum(key) FROM t;
