# ext/anew.c: what an application prepares is taken for the statement stopped.
# found by: plain
/^is_proven(/,/^}/ s/return false;/return true;/
