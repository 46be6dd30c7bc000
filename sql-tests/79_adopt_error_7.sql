-- database: late.db
PRAGMA journal_mode = wal;
CREATE VIRTUAL TABLE top USING moss(store='shared', codec=raw);
SELECT hex(key) FROM top;
