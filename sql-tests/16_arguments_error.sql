-- The arguments of USING moss, and what is said of those that are wrong.
CREATE VIRTUAL TABLE a USING moss();
INSERT INTO a VALUES (1, 2);
CREATE VIRTUAL TABLE b USING moss( CODEC = "raw" , durability	=	'Async');
INSERT INTO b VALUES (x'01', x'');
SELECT quote(key), quote(value) FROM b;
CREATE VIRTUAL TABLE c USING moss(speed=fast);
CREATE VIRTUAL TABLE c USING moss(a, b REFERENCES a);
CREATE VIRTUAL TABLE c USING moss(codec=raw, codec='typed');
CREATE VIRTUAL TABLE c USING moss(codec=typed, merge='add');
CREATE VIRTUAL TABLE c USING moss(codec=raw, merge='no''such');
CREATE VIRTUAL TABLE c USING moss(store='');
CREATE VIRTUAL TABLE c USING moss(codec='raw'x);
CREATE VIRTUAL TABLE c USING moss(codec=raw typed);
CREATE VIRTUAL TABLE c USING moss(key INTEGER PRIMARY KEY, value CHECK(value=1));
CREATE VIRTUAL TABLE c USING moss(durability='full');
SELECT name FROM pragma_table_list WHERE type = 'virtual' ORDER BY name;
SELECT name, type, "notnull", pk FROM pragma_table_xinfo('a');
SELECT name, type, "notnull", pk FROM pragma_table_xinfo('b');
