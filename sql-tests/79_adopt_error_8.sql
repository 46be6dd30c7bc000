-- database: guest.db
DELETE FROM top WHERE key < x'07';
