/*
 * The scripts of sequences.c, which says how they are written.
 */
#ifndef SQL_TESTS_SEQUENCES_SCRIPTS_H
#define SQL_TESTS_SEQUENCES_SCRIPTS_H

enum where {
    FILES = 1, /* wal and delete */
    WAL = 2,
    DELETE_MODE = 4,
    SHARED = 8,  /* vfs=memdb, which several connections can share */
    PRIVATE = 16 /* :memory: */
};
#define ALL (FILES | SHARED | PRIVATE)
#define MANY (FILES | SHARED) /* several connections */

static const struct script {
    const char *name;
    unsigned where;
    const char *text;
} scripts[] = {
    { "two_objects_of_one_table", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'before')\n"
      "1 SAVEPOINT s\n"
      "1 $D\n"
      "1 ROLLBACK TO s\n"
      "1 INSERT INTO t VALUES(11, 'after')\n"
      "1 SELECT * FROM t\n"
      "1 $E\n"
      "1 SELECT * FROM t\n" },
    { "two_objects_then_rollback_to_again", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'a')\n"
      "1 SAVEPOINT s\n"
      "1 INSERT INTO t VALUES(11, 'b')\n"
      "1 $D\n"
      "1 INSERT INTO o VALUES(10, 'x')\n"
      "1 ROLLBACK TO s\n"
      "1 INSERT INTO t VALUES(12, 'c')\n"
      "1 SAVEPOINT r\n"
      "1 INSERT INTO u VALUES(13, 'd')\n"
      "1 DELETE FROM t WHERE key < 3\n"
      "1 ROLLBACK TO r\n"
      "1 RELEASE s\n"
      "1 $E\n"
      "1 SELECT * FROM t\n" },
    { "ddl_kept_between_writes", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'a')\n"
      "1 $D\n"
      "1 INSERT INTO u VALUES(10, 'b')\n"
      "1 SAVEPOINT s\n"
      "1 INSERT INTO u VALUES(11, 'c')\n"
      "1 ROLLBACK TO s\n"
      "1 $E\n" },
    { "drop_written_table", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 DROP TABLE t\n"
      "1 $E\n"
      "1 SELECT count(*) FROM t\n"
      "1 INSERT INTO u VALUES(77, 'later')\n" },
    { "drop_all_written_tables", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 INSERT INTO u VALUES(10, 'x')\n"
      "1 DROP TABLE t\n"
      "1 DROP TABLE u\n"
      "1 INSERT INTO o VALUES(10, 'x')\n"
      "1 $E\n"
      "1 SELECT count(*) FROM o\n" },
    { "drop_written_table_in_savepoint", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 SAVEPOINT s\n"
      "1~LOCKED DROP TABLE t\n"
      "1 ROLLBACK TO s\n"
      "1 SELECT * FROM t\n"
      "1 $E\n"
      "1 SELECT * FROM t\n" },
    { "drop_in_savepoint_then_write_other", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 INSERT INTO u VALUES(10, 'y')\n"
      "1 SAVEPOINT s\n"
      "1 DELETE FROM t\n"
      "1 DROP TABLE t\n"
      "1 INSERT INTO u VALUES(11, 'z')\n"
      "1 ROLLBACK TO s\n"
      "1 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(12, 'x')\n"
      "1 $E\n" },
    { "drop_unwritten_table_in_savepoint", ALL,
      "1 SAVEPOINT s\n"
      "1 DROP TABLE t\n"
      "1 ROLLBACK TO s\n"
      "1 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 RELEASE s\n" },
    { "create_undone_by_savepoint", ALL,
      "1 BEGIN\n"
      "1 SAVEPOINT s\n"
      "1 make v\n"
      "1 INSERT INTO v VALUES(1, 2)\n"
      "1 ROLLBACK TO s\n"
      "1 $E\n"
      "1 SELECT * FROM v\n"
      "1 make v\n"
      "1 SELECT * FROM v\n" },
    { "create_undone_then_written", ALL,
      "1 BEGIN\n"
      "1 SAVEPOINT s\n"
      "1 make v\n"
      "1 INSERT INTO v VALUES(1, 2)\n"
      "1 ROLLBACK TO s\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 make v\n"
      "1 SELECT * FROM v\n"
      "1 INSERT INTO v VALUES(3, 4)\n"
      "1 $E\n" },
    { "create_rolled_back", ALL,
      "1 BEGIN\n"
      "1 make v\n"
      "1 INSERT INTO v VALUES(1, 2),(3, 4)\n"
      "1 SELECT * FROM v ORDER BY key DESC\n"
      "1 ROLLBACK\n"
      "1 SELECT * FROM v\n"
      "1 make v\n"
      "1 INSERT INTO v VALUES(5, 6)\n"
      "1 SELECT * FROM v\n" },
    { "create_write_rename_in_one", ALL,
      "1 BEGIN\n"
      "1 make v\n"
      "1 INSERT INTO v VALUES(1, 2)\n"
      "1 ALTER TABLE v RENAME TO w\n"
      "1 INSERT INTO w VALUES(3, 4)\n"
      "1 SELECT * FROM w\n"
      "1 $E\n"
      "1 SELECT * FROM w\n"
      "1 SELECT * FROM v\n" },
    { "drop_and_create_in_one", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 DROP TABLE t\n"
      "1 make t\n"
      "1 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(11, 'new')\n"
      "1 $E\n"
      "1 SELECT * FROM t\n" },
    { "rename_swaps_two_tables", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'of t')\n"
      "1 ALTER TABLE t RENAME TO x\n"
      "1 ALTER TABLE u RENAME TO t\n"
      "1 ALTER TABLE x RENAME TO u\n"
      "1 INSERT INTO t VALUES(11, 'of old u')\n"
      "1 SELECT * FROM u\n"
      "1 $E\n"
      "1 SELECT * FROM t\n" },
    { "rename_rolled_back", ALL,
      "1 BEGIN\n"
      "1 SAVEPOINT s\n"
      "1 ALTER TABLE t RENAME TO x\n"
      "1 INSERT INTO x VALUES(10, 'y')\n"
      "1 ROLLBACK TO s\n"
      "1 INSERT INTO t VALUES(11, 'z')\n"
      "1 $E\n"
      "1 SELECT * FROM t\n" },
    { "savepoints_nested", ALL,
      "1 SAVEPOINT a\n"
      "1 INSERT INTO t VALUES(10, 'a')\n"
      "1 SAVEPOINT b\n"
      "1 INSERT INTO t VALUES(11, 'b')\n"
      "1 SAVEPOINT c\n"
      "1 INSERT INTO t VALUES(12, 'c')\n"
      "1 ROLLBACK TO b\n"
      "1 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(13, 'd')\n"
      "1 ROLLBACK TO b\n"
      "1 SAVEPOINT c\n"
      "1 UPDATE t SET value = 'e' WHERE key = 10\n"
      "1 RELEASE c\n"
      "1 RELEASE b\n"
      "1 SELECT * FROM t\n"
      "1 RELEASE a\n"
      "1 SELECT * FROM t\n" },
    { "savepoints_before_the_first_write", ALL,
      "1 SAVEPOINT a\n"
      "1 SAVEPOINT b\n"
      "1 INSERT INTO t VALUES(10, 'a')\n"
      "1 ROLLBACK TO b\n"
      "1 SELECT * FROM t\n"
      "1 INSERT INTO u VALUES(11, 'b')\n"
      "1 ROLLBACK TO a\n"
      "1 INSERT INTO t VALUES(12, 'c')\n"
      "1 RELEASE a\n" },
    { "savepoint_of_a_table_that_joins_late", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO o VALUES(10, 'x')\n"
      "1 SAVEPOINT a\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 SAVEPOINT b\n"
      "1 INSERT INTO u VALUES(10, 'x')\n"
      "1 SAVEPOINT c\n"
      "1 DELETE FROM t WHERE key = 10\n"
      "1 ROLLBACK TO c\n"
      "1 RELEASE b\n"
      "1 SELECT * FROM t UNION ALL SELECT * FROM u\n"
      "1 ROLLBACK TO a\n"
      "1 $E\n" },
    { "savepoint_released_as_transaction", ALL,
      "1 SAVEPOINT a\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 RELEASE a\n"
      "1 SAVEPOINT a\n"
      "1 INSERT INTO t VALUES(11, 'x')\n"
      "1 ROLLBACK\n"
      "1 SELECT * FROM t\n" },
    { "savepoints_of_the_same_name", ALL,
      "1 BEGIN\n"
      "1 SAVEPOINT s\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 SAVEPOINT s\n"
      "1 INSERT INTO t VALUES(11, 'x')\n"
      "1 ROLLBACK TO s\n"
      "1 RELEASE s\n"
      "1 INSERT INTO t VALUES(12, 'x')\n"
      "1 ROLLBACK TO s\n"
      "1 COMMIT\n" },
    { "failed_statements_are_undone", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x'),(11, 'x'),(1, 'taken'),(12, 'x')\n"
      "1 SELECT * FROM t\n"
      "1 INSERT OR FAIL INTO t VALUES(10, 'y'),(1, 'taken'),(12, 'y')\n"
      "1 SELECT * FROM t\n"
      "1 UPDATE t SET key = key + 1\n"
      "1 UPDATE t SET key = CASE key WHEN 3 THEN 2 ELSE key + 100 END\n"
      "1 SELECT * FROM t\n"
      "1 $E\n" },
    { "or_rollback_ends_the_transaction", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 INSERT OR ROLLBACK INTO t VALUES(11, 'x'),(1, 'taken')\n"
      "1 SELECT * FROM t\n"
      "1 COMMIT\n"
      "1 INSERT INTO t VALUES(12, 'x')\n" },
    { "empty_transactions", ALL,
      "1 BEGIN IMMEDIATE\n"
      "1 COMMIT\n"
      "1 BEGIN\n"
      "1 SELECT count(*) FROM t\n"
      "1 COMMIT\n"
      "1 BEGIN\n"
      "1 DELETE FROM t WHERE key = 'nobody'\n"
      "1 UPDATE t SET value = 1 WHERE key = 'nobody'\n"
      "1 $E\n"
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 DELETE FROM t WHERE key = 10\n"
      "1 $E\n" },
    { "everything_deleted_and_back", ALL,
      "1 BEGIN\n"
      "1 DELETE FROM t\n"
      "1 SELECT * FROM t\n"
      "1 SAVEPOINT s\n"
      "1 INSERT INTO t SELECT key, value || '!' FROM u\n"
      "1 DELETE FROM u\n"
      "1 ROLLBACK TO s\n"
      "1 INSERT INTO t VALUES(1, 'again')\n"
      "1 $E\n"
      "1 SELECT * FROM t\n" },
    { "close_within_a_transaction", ALL & ~PRIVATE,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 SAVEPOINT s\n"
      "1 INSERT INTO u VALUES(10, 'x')\n"
      "2 SELECT 1\n"
      "1 close\n"
      "1 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(11, 'x')\n" },
    { "close_within_a_create", FILES,
      "1 BEGIN\n"
      "1 make v\n"
      "1 INSERT INTO v VALUES(10, 'x')\n"
      "1 close\n"
      "1 make v\n"
      "1 SELECT * FROM v\n" },
    { "commit_busy_then_rollback", MANY,
      "2 BEGIN\n"
      "2 SELECT * FROM t\n"
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 INSERT INTO o VALUES(10, 'x')\n"
      "1 COMMIT\n"
      "1 ROLLBACK\n"
      "2 SELECT * FROM t\n"
      "2 COMMIT\n"
      "1 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(11, 'x')\n" },
    { "commit_busy_then_commit", MANY,
      "2 BEGIN\n"
      "2 SELECT * FROM t\n"
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 COMMIT\n"
      "2 SELECT * FROM t\n"
      "2 COMMIT\n"
      "1 COMMIT\n"
      "2 SELECT * FROM t\n" },
    { "commit_busy_then_more_writes", MANY,
      "2 BEGIN\n"
      "2 SELECT * FROM t\n"
      "1 BEGIN\n"
      "1 SAVEPOINT s\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 COMMIT\n"
      "1 INSERT INTO t VALUES(11, 'more')\n"
      "1 INSERT INTO u VALUES(11, 'more')\n"
      "1 COMMIT\n"
      "1 ROLLBACK TO s\n"
      "1 INSERT INTO t VALUES(12, 'instead')\n"
      "1 COMMIT\n"
      "1 SELECT * FROM t\n"
      "2 COMMIT\n"
      "1 COMMIT\n"
      "2 SELECT * FROM t\n" },
    { "commit_busy_then_all_undone", MANY,
      "2 BEGIN\n"
      "2 SELECT * FROM t\n"
      "1 BEGIN\n"
      "1 SAVEPOINT s\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 COMMIT\n"
      "1 ROLLBACK TO s\n"
      "2 COMMIT\n"
      "1 COMMIT\n"
      "2 SELECT * FROM t\n"
      "2 INSERT INTO t VALUES(11, 'y')\n"
      "1 SELECT * FROM t\n" },
    { "commit_busy_then_create_undone", MANY,
      "2 BEGIN\n"
      "2 SELECT * FROM t\n"
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 SAVEPOINT s\n"
      "1 make v\n"
      "1 INSERT INTO v VALUES(11, 'y')\n"
      "1 COMMIT\n"
      "1 ROLLBACK TO s\n"
      "2 COMMIT\n"
      "1 COMMIT\n"
      "2 SELECT * FROM t\n"
      "2 INSERT INTO t VALUES(12, 'z')\n"
      "1 SELECT * FROM t\n" },
    { "commit_busy_then_select_then_rollback", MANY,
      "2 BEGIN\n"
      "2 SELECT * FROM t\n"
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 COMMIT\n"
      "1 SELECT * FROM t\n"
      "1 ROLLBACK\n"
      "2 COMMIT\n"
      "2 INSERT INTO t VALUES(11, 'y')\n"
      "1 SELECT * FROM t\n" },
    { "autocommit_busy_is_rolled_back", MANY,
      "2 BEGIN\n"
      "2 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 SELECT * FROM t\n"
      "2 COMMIT\n"
      "1 SELECT * FROM t\n"
      "2 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(10, 'x')\n" },
    { "snapshot_is_stable", MANY,
      "2 BEGIN\n"
      "2 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 DELETE FROM u\n"
      "2 SELECT * FROM t\n"
      "2 SELECT * FROM u\n"
      "2 COMMIT\n"
      "2 SELECT * FROM t\n"
      "2 SELECT * FROM u\n" },
    { "snapshot_first_read_late", WAL,
      "2 BEGIN\n"
      "2 SELECT * FROM o\n"
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 INSERT INTO o VALUES(10, 'x')\n"
      "1 COMMIT\n"
      "1 INSERT INTO u VALUES(11, 'x')\n"
      "2 SELECT * FROM t\n"
      "2 SELECT * FROM u\n"
      "2 SELECT * FROM o\n"
      "2 COMMIT\n"
      "2 SELECT * FROM t\n" },
    { "snapshot_of_a_table_dropped_since", WAL,
      "2 BEGIN\n"
      "2 SELECT * FROM o\n"
      "1 DROP TABLE t\n"
      "1 make t\n"
      "1 INSERT INTO t VALUES(10, 'new')\n"
      "2 SELECT * FROM t\n"
      "2 COMMIT\n"
      "2 SELECT * FROM t\n" },
    { "snapshot_of_a_table_renamed_since", WAL,
      "2 BEGIN\n"
      "2 SELECT * FROM t\n"
      "1 ALTER TABLE t RENAME TO v\n"
      "1 INSERT INTO v VALUES(10, 'new')\n"
      "2 SELECT * FROM t\n"
      "2 COMMIT\n"
      "2 SELECT * FROM v\n" },
    { "stale_reader_writes", MANY,
      "2 BEGIN\n"
      "2 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "2 INSERT INTO t VALUES(11, 'y')\n"
      "2 SELECT * FROM t\n"
      "2 ROLLBACK\n"
      "2 INSERT INTO t VALUES(11, 'y')\n"
      "1 SELECT * FROM t\n" },
    { "two_writers_in_turn", MANY,
      "1 BEGIN IMMEDIATE\n"
      "2 INSERT INTO t VALUES(20, 'second')\n"
      "1 INSERT INTO t VALUES(10, 'first')\n"
      "1 COMMIT\n"
      "2 INSERT INTO t VALUES(20, 'second')\n"
      "3 SELECT * FROM t\n"
      "1 DELETE FROM t WHERE key = 20\n"
      "2 SELECT * FROM t\n"
      "2 UPDATE t SET value = 'third' WHERE key = 10\n"
      "1 SELECT * FROM t\n"
      "3 BEGIN\n"
      "3 SELECT * FROM t\n"
      "3 DELETE FROM t\n"
      "3 ROLLBACK\n"
      "2 SELECT * FROM t\n" },
    { "uncommitted_rows_are_not_seen", MANY,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "2 SELECT * FROM t\n"
      "1 ROLLBACK\n"
      "2 SELECT * FROM t\n"
      "1 BEGIN\n"
      "1 DELETE FROM t\n"
      "2 SELECT * FROM t\n"
      "1 COMMIT\n"
      "2 SELECT * FROM t\n" },
    { "ddl_of_another_connection", MANY,
      "2 SELECT * FROM t\n"
      "1 make v\n"
      "1 INSERT INTO v VALUES(1, 'x')\n"
      "2 SELECT * FROM v\n"
      "2 INSERT INTO v VALUES(2, 'y')\n"
      "2 DROP TABLE t\n"
      "1 SELECT * FROM v\n"
      "1 SELECT * FROM t\n"
      "2 ALTER TABLE v RENAME TO t\n"
      "1 SELECT * FROM t\n"
      "1 SELECT * FROM v\n"
      "3 INSERT INTO t VALUES(3, 'z')\n"
      "1 SELECT * FROM t\n" },
    { "create_seen_after_commit_only", MANY,
      "1 BEGIN\n"
      "1 make v\n"
      "1 INSERT INTO v VALUES(1, 'x')\n"
      "2 SELECT * FROM v\n"
      "1 COMMIT\n"
      "2 SELECT * FROM v\n"
      "2 BEGIN\n"
      "2 DROP TABLE v\n"
      "1 SELECT * FROM v\n"
      "2 ROLLBACK\n"
      "1 SELECT * FROM v\n" },
    { "vacuum_keeps_everything", ALL,
      "1 INSERT INTO o SELECT key + 100, hex(zeroblob(2000)) FROM o\n"
      "1 INSERT INTO t SELECT key + 100, hex(zeroblob(2000)) FROM o\n"
      "1 DELETE FROM o WHERE key > 50\n"
      "1 VACUUM\n"
      "1 SELECT key FROM t\n"
      "1 INSERT INTO t VALUES(10, 'after')\n"
      "1 VACUUM\n"
      "1 INSERT INTO u VALUES(10, 'after')\n"
      "1 SELECT * FROM u\n" },
    { "vacuum_within_a_transaction", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 VACUUM\n"
      "1 COMMIT\n"
      "1 SELECT * FROM t\n" },
    { "auto_vacuum_and_page_size", FILES,
      "1 PRAGMA journal_mode = delete\n"
      "1 PRAGMA page_size = 1024\n"
      "1 PRAGMA auto_vacuum = full\n"
      "1 VACUUM\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 DROP TABLE u\n"
      "1 INSERT INTO t VALUES(11, 'x')\n"
      "1 PRAGMA page_size = 8192\n"
      "1 VACUUM\n"
      "1 INSERT INTO t VALUES(12, 'x')\n"
      "1 SELECT * FROM t\n" },
    { "journal_mode_switches", FILES,
      "1 PRAGMA journal_mode = wal\n"
      "1 INSERT INTO t VALUES(10, 'wal')\n"
      "1 PRAGMA journal_mode = delete\n"
      "1 INSERT INTO t VALUES(11, 'delete')\n"
      "1 PRAGMA journal_mode = truncate\n"
      "1 INSERT INTO t VALUES(12, 'truncate')\n"
      "1 PRAGMA journal_mode = persist\n"
      "1 INSERT INTO t VALUES(13, 'persist')\n"
      "1 PRAGMA journal_mode = memory\n"
      "1 INSERT INTO t VALUES(14, 'memory')\n"
      "1 PRAGMA journal_mode = wal\n"
      "1 INSERT INTO t VALUES(15, 'wal')\n"
      "1 PRAGMA wal_checkpoint(TRUNCATE)\n"
      "1 SELECT * FROM t\n"
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(16, 'undone')\n"
      "1 INSERT INTO o VALUES(16, 'undone')\n"
      "1 PRAGMA journal_mode = delete\n"
      "1 ROLLBACK\n"
      "1 SELECT * FROM t\n" },
    { "journal_mode_of_another_connection", FILES,
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "2 SELECT * FROM t\n"
      "2 PRAGMA journal_mode = delete\n"
      "1 INSERT INTO t VALUES(11, 'x')\n"
      "2 SELECT * FROM t\n"
      "1 close\n"
      "2 PRAGMA journal_mode = wal\n"
      "1 INSERT INTO t VALUES(12, 'x')\n"
      "2 SELECT * FROM t\n" },
    { "exclusive_locking", FILES,
      "1 PRAGMA locking_mode = exclusive\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "2 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(11, 'x')\n"
      "1 PRAGMA locking_mode = normal\n"
      "1 SELECT * FROM t\n"
      "2 SELECT * FROM t\n" },
    { "checkpoints", WAL,
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "2 BEGIN\n"
      "2 SELECT * FROM t\n"
      "1? PRAGMA wal_checkpoint\n"
      "1 INSERT INTO t VALUES(11, 'x')\n"
      "1? PRAGMA wal_checkpoint(FULL)\n"
      "2 SELECT * FROM t\n"
      "2 COMMIT\n"
      "1? PRAGMA wal_checkpoint(RESTART)\n"
      "1 INSERT INTO t VALUES(12, 'x')\n"
      "2 SELECT * FROM t\n" },
    { "attached_database", FILES,
      "1 ATTACH '$F.second' AS other\n"
      "1 make other.v\n"
      "1 BEGIN\n"
      "1 INSERT INTO other.v SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 SELECT t.key, v.value FROM t LEFT JOIN v USING(key)\n"
      "1 $E\n"
      "1 SELECT * FROM v\n"
      "1 SELECT * FROM t\n"
      "1 BEGIN\n"
      "1 INSERT INTO v VALUES(20, 'x')\n"
      "1 DETACH other\n"
      "1 ROLLBACK\n"
      "1 SELECT * FROM other.v\n"
      "1 DETACH other\n"
      "1 SELECT * FROM v\n"
      "2 ATTACH '$F.second' AS second\n"
      "2 SELECT * FROM v\n"
      "2 INSERT INTO v VALUES(30, 'x')\n"
      "1 ATTACH '$F.second' AS third\n"
      "1 SELECT * FROM v\n" },
    { "attached_same_names", FILES,
      "1 ATTACH '$F.second' AS other\n"
      "1 make other.t\n"
      "1 INSERT INTO other.t VALUES(1, 'other one')\n"
      "1 UPDATE t SET value = (SELECT value FROM other.t) WHERE key = 1\n"
      "1 SELECT * FROM main.t\n"
      "1 DROP TABLE main.t\n"
      "1 SELECT * FROM t\n" },
    { "temp_tables", ALL,
      "1 make temp.v\n"
      "1 INSERT INTO v VALUES(1, 'x')\n"
      "1 BEGIN\n"
      "1 INSERT INTO v SELECT key + 10, value FROM t\n"
      "1 INSERT INTO t SELECT key + 10, value FROM v WHERE key = 1\n"
      "1 SAVEPOINT s\n"
      "1 DELETE FROM v\n"
      "1 ROLLBACK TO s\n"
      "1 $E\n"
      "1 SELECT * FROM v\n"
      "2 SELECT * FROM t\n"
      "1 DROP TABLE v\n"
      "1 SELECT * FROM v\n" },
    { "temp_table_hides_main", ALL,
      "1 make temp.t\n"
      "1 INSERT INTO t VALUES(1, 'temp')\n"
      "1 SELECT * FROM t\n"
      "1 SELECT * FROM main.t\n"
      "1 DROP TABLE t\n"
      "1 INSERT INTO t VALUES(10, 'main')\n"
      "1 SELECT * FROM t\n" },
    { "query_only", ALL,
      "1 PRAGMA query_only = 1\n"
      "1 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 PRAGMA query_only = 0\n"
      "1 INSERT INTO t VALUES(11, 'x')\n" },
    { "compiling_locks_nothing", MANY,
      "2 BEGIN\n"
      "2 INSERT INTO t(none) VALUES(1)\n"
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 $E\n"
      "2 SELECT * FROM t\n"
      "2 COMMIT\n" },
    { "statement_reads_what_it_writes", ALL,
      "1 INSERT INTO t SELECT key + 10, value FROM t\n"
      "1 SELECT * FROM t\n"
      "1 BEGIN\n"
      "1 INSERT INTO t SELECT key + 100, value FROM t\n"
      "1 UPDATE t SET key = key + 1000 WHERE key > 100\n"
      "1 DELETE FROM t WHERE key IN (SELECT key + 10 FROM t)\n"
      "1 SELECT * FROM t\n"
      "1 $E\n" },
    { "reopen_between_steps", FILES,
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 close\n"
      "1 SELECT * FROM t\n"
      "1 DELETE FROM t WHERE key = 1\n"
      "1 close\n"
      "1 make v\n"
      "1 close\n"
      "1 SELECT * FROM v\n"
      "1 DROP TABLE t\n"
      "1 close\n"
      "1 make t\n"
      "1 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(1, 'new')\n"
      "1 close\n"
      "1 SELECT * FROM t\n" },
    { "last_table_dropped", ALL,
      "1 DROP TABLE t\n"
      "1 DROP TABLE u\n"
      "1 SELECT * FROM o\n"
      "1 make t\n"
      "1 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(1, 'new')\n" },
    { "commit_fails_on_a_constraint", ALL,
      "1 CREATE TABLE p(id INTEGER PRIMARY KEY)\n"
      "1 CREATE TABLE c(id REFERENCES p DEFERRABLE INITIALLY DEFERRED)\n"
      "1 PRAGMA foreign_keys = 1\n"
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES(10, 'x')\n"
      "1 INSERT INTO c VALUES(1)\n"
      "1 COMMIT\n"
      "1 INSERT INTO t VALUES(11, 'x')\n"
      "1 COMMIT\n"
      "1 INSERT INTO p VALUES(1)\n"
      "1 $E\n"
      "1 SELECT * FROM t\n" },
    { "large_values", ALL,
      "1 BEGIN\n"
      "1 INSERT INTO t VALUES('big', zeroblob(1000000)),(x'', '')\n"
      "1 SAVEPOINT s\n"
      "1 INSERT INTO u SELECT value || key, key FROM t WHERE key = 'big'\n"
      "1 ROLLBACK TO s\n"
      "1 $E\n"
      "1 SELECT length(value) FROM t\n" },
};

#endif
