-- Reading a store that only Go moss has written leaves no trace in it, also
-- from a database file; the first write makes it the database's own, for the
-- connections that have it open, too.
.shell cp -R .fixtures/twofiles store
CREATE VIRTUAL TABLE g USING moss(store='store', codec=raw);
SELECT count(*), min(key), max(key) FROM g;
SELECT name FROM fsdir('store') ORDER BY name;
.connection 1
.open test.db
.load ./moss
SELECT count(*) FROM g;
.connection 0
INSERT INTO g VALUES (x'00', x'01');
SELECT count(*) FROM g;
SELECT name FROM fsdir('store') ORDER BY name;
.connection 1
SELECT count(*), hex(min(key)) FROM g;
INSERT INTO g VALUES (x'01', x'02');
.connection 0
SELECT count(*) FROM g;
