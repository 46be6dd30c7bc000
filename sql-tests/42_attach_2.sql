-- database: other.db
SELECT * FROM t;
SELECT * FROM u;
ATTACH 'test.db' AS first;
SELECT * FROM first.t;
