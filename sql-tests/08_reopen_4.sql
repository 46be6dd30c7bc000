SELECT * FROM t;
SELECT * FROM new_name;
SELECT count(*) FROM gone;
PRAGMA integrity_check;
