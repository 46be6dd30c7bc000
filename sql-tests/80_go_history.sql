-- database: :memory:
-- The commit points of a store that Go moss wrote: it tells neither times nor
-- transactions.
CREATE VIRTUAL TABLE top USING moss(store='.fixtures/history', codec=raw);
SELECT id, time, transactions, entries, bytes, offset = (id - 10000000000) * 4096 FROM moss_commits('top');
SELECT c.id, count(t.key), max(t.key) FROM moss_commits('top') c, top(c.id) t GROUP BY 1 ORDER BY 1 DESC;
SELECT count(*) FROM top;
CREATE VIRTUAL TABLE sums USING moss(store='.fixtures/merge', codec=raw, merge='add');
SELECT c.id, count(t.key), max(hex(t.value)) FROM moss_commits('sums') c, sums(c.id) t GROUP BY 1 ORDER BY 1 DESC;
