.shell cp test.db old.db
.shell cp -r test.db-moss old.db-moss
INSERT INTO t VALUES (2, 'after the copy');
