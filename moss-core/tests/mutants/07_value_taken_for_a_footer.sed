# moss-core/src/store/footer.c: a footer's checksum is not compared.
# footer value_that_looks_like_a_footer_is_none
/^check_sum(/,/^}/ s/load_le64(sum) != checksum64(bytes, (size_t)f->length, \*nonce)/bytes == NULL/
