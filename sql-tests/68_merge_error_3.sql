SELECT * FROM q;
SELECT * FROM p;
SELECT page, hits FROM c;
