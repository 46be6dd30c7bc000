INSERT INTO t(t) VALUES('truncate');
INSERT INTO t VALUES(5, 'five');
