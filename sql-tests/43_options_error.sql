-- What CREATE refuses, and how it says so.
CREATE VIRTUAL TABLE t USING moss(colour=red);
CREATE VIRTUAL TABLE t USING moss(codec=json);
CREATE VIRTUAL TABLE t USING moss(codec=raw, codec=raw);
CREATE VIRTUAL TABLE t USING moss(durability='never');
CREATE VIRTUAL TABLE t USING moss(store='nosuch', codec=raw);
CREATE VIRTUAL TABLE t USING moss(store=);
CREATE VIRTUAL TABLE t USING moss(merge='nosuch', codec=raw);
CREATE VIRTUAL TABLE t USING moss(merge='add');
CREATE VIRTUAL TABLE t USING moss(key TEXT PRIMARY KEY, CHECK(key > ''));
CREATE VIRTUAL TABLE t USING moss(collection='nosuch', codec=raw);
SELECT count(*) FROM sqlite_schema WHERE name = 't';
-- None of them left anything behind that is in the way.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (1, 2);
CREATE VIRTUAL TABLE t USING moss;
SELECT * FROM t;
CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;
CREATE INDEX i ON t(value);
ALTER TABLE t ADD COLUMN c;
INSERT INTO t VALUES (1, 3) ON CONFLICT DO NOTHING;
SELECT * FROM t;
