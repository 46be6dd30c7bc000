-- Two databases and a store: who writes to it, and how that changes.
PRAGMA journal_mode = wal;
CREATE VIRTUAL TABLE seed USING moss(store='shared');
INSERT INTO seed VALUES(1, 'home');
CREATE VIRTUAL TABLE top USING moss(store='shared', codec=raw);
INSERT INTO top VALUES(x'01', x'aa');
