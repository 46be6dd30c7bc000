SELECT k FROM u WHERE b > 'a' ORDER BY b;
SELECT k FROM empty WHERE a = 1;
INSERT OR IGNORE INTO u VALUES ('four', 2, 'x'), ('five', 3, 'x');
SELECT k, a FROM u WHERE b >= 'x' ORDER BY b DESC, k;
