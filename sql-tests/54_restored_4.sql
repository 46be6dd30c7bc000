SELECT * FROM t;
.shell mkdir moved
.shell cp old.db moved/test.db
.shell cp -r old.db-moss moved/test.db-moss
