# ext/backup.c: what is made before a failure stays.
# found by: backup
s/^    if (b->temporary != NULL \&\& b->suffix != NULL)$/    if (false)/
