-- They are still there, whichever table is used first.
INSERT INTO b SELECT * FROM a;
CREATE VIRTUAL TABLE f USING moss(compaction_level_multiplier=6);
SELECT * FROM b;
UPDATE _moss_catalog SET detail = detail || ',nonsense=1' WHERE kind = 'store';
.open test.db
.load ./moss
SELECT * FROM b;
