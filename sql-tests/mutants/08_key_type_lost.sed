# ext/write.c: a key 1.0 comes back as 1.
s/row_encode(&c->value, key_note(&c->key_datum), d, 1)/row_encode(\&c->value, KEY_NOTE_NONE, d, 1)/
