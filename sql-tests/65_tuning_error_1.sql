-- Tuning options belong to the store: recorded in the catalog, and one that
-- two tables give must be the same.
CREATE VIRTUAL TABLE a USING moss(min_merge_percentage=0.5, max_dirty_ops=1000000,
  COMPACTION_LEVEL_MULTIPLIER = '5', keep_files=yes);
SELECT detail FROM _moss_catalog WHERE kind = 'store';
CREATE VIRTUAL TABLE b USING moss(keep_files=on, compaction_percentage = 0.25 );
CREATE VIRTUAL TABLE c USING moss(keep_files=off);
CREATE VIRTUAL TABLE c USING moss(compaction_percentage=.5);
CREATE VIRTUAL TABLE c USING moss(compaction_percentage=0.5);
CREATE VIRTUAL TABLE c USING moss(compaction_percentage=1.5);
CREATE VIRTUAL TABLE c USING moss(compaction_percentage=half);
CREATE VIRTUAL TABLE c USING moss(max_dirty_ops=1.5);
CREATE VIRTUAL TABLE c USING moss(max_dirty_ops=-1);
CREATE VIRTUAL TABLE c USING moss(max_dirty_ops=0);
CREATE VIRTUAL TABLE c USING moss(max_dirty_ops='1 2');
CREATE VIRTUAL TABLE c USING moss(max_dirty_ops=1, max_dirty_ops=2);
CREATE VIRTUAL TABLE c USING moss(compaction_sync=2);
CREATE VIRTUAL TABLE c USING moss(no_sync=1);
-- Another store has its own.
CREATE VIRTUAL TABLE c USING moss(durability='async', keep_files=off);
BEGIN;
CREATE VIRTUAL TABLE d USING moss(segment_keys_index_max_bytes=100000);
ROLLBACK;
CREATE VIRTUAL TABLE temp.e USING moss(merger_idle_run_timeout_ms=100, deferred_sort=1);
INSERT INTO e VALUES (2, 'two'), (1, 'one');
SELECT * FROM e;
SELECT detail FROM main._moss_catalog WHERE kind = 'store';
SELECT detail FROM temp._moss_catalog WHERE kind = 'store';
INSERT INTO a VALUES (1, 1);
