# ext/anew.c: a statement is stopped while another one stands half-way.
# found by: plain
/^only_statement(/,/^}/ s/return NULL;/break;/
