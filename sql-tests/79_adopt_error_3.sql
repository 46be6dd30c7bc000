-- The home goes on.
INSERT INTO top VALUES(x'03', x'cc');
DELETE FROM top WHERE key = x'01';
INSERT INTO top(top) VALUES('adopt');
