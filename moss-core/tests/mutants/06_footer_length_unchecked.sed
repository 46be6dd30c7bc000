# moss-core/src/store/footer.c: the length at a footer's end is not compared.
# footer every_changed_byte_of_a_footer_is_noticed
/^read_frame(/,/^}/ s/ || load_le32(tail + 8) != \*length//
/^check_sum(/,/^}/ s/load_le64(sum) != checksum64(bytes, (size_t)f->length, \*nonce)/bytes == NULL/
