# ext/write.c: a key 1.0 comes back as 1.
s/(uint8_t)key_note(part_datum(c, i))/(uint8_t)KEY_NOTE_NONE/
