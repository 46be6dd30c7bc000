-- Stores that Go moss wrote, read with SQL.  codec=raw gives each entry's very
-- bytes as BLOBs; CAST shows them as text.  Paths are relative to the
-- database file's directory.

.print "-- A child collection and the top level of one store"
CREATE VIRTUAL TABLE people USING moss(store='children', codec=raw, collection='people');
CREATE VIRTUAL TABLE top USING moss(store='children', codec=raw);
SELECT CAST(key AS TEXT), CAST(value AS TEXT) FROM top;
SELECT CAST(key AS TEXT), CAST(value AS TEXT) FROM people
  WHERE key >= CAST('key-000003' AS BLOB) AND key < CAST('key-000008' AS BLOB);

.print "-- The same range backwards, and how SQLite reads it"
SELECT CAST(key AS TEXT), CAST(value AS TEXT) FROM people
  WHERE key >= CAST('key-000003' AS BLOB) AND key < CAST('key-000008' AS BLOB)
  ORDER BY key DESC;
EXPLAIN QUERY PLAN SELECT * FROM people
  WHERE key >= x'6b6579' AND key < x'6b657a' ORDER BY key DESC;

.print "-- A store that Go moss compacted and then appended to"
CREATE VIRTUAL TABLE compacted USING moss(store='compacted', codec=raw);
SELECT count(*), CAST(min(key) AS TEXT), CAST(max(key) AS TEXT),
       sum(length(value)) FROM compacted;

.print "-- A store of merge operands: 8-byte integers that add up"
CREATE VIRTUAL TABLE counters USING moss(store='merge', codec=raw, merge='add');
SELECT CAST(key AS TEXT), hex(value) FROM counters LIMIT 3;

.print "-- Joined with an ordinary table"
CREATE TEMP TABLE wanted(key BLOB PRIMARY KEY, note TEXT);
INSERT INTO wanted VALUES (x'6b65792d303030303034', 'renamed?'),
                          (x'6b65792d303030303033', 'deleted');
SELECT note, CAST(value AS TEXT) FROM wanted LEFT JOIN people USING (key);
