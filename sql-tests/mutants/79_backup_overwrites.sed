# ext/backup.c: a copy takes the place of what has its name.
# found by: backup
s/^    return is_there(b, path)$/    return false \&\& is_there(b, path)/
