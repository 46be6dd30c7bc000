# moss-core/src/store/lockfile.c: the lock file is opened, not locked.
# store_open second_writer_is_busy_until_store_and_lower_are_closed
/^lockfile_take(/,/^}/ s/os->ops->lock(os, lock->path, &lock->f)/os->ops->open(os, lock->path,\
                       MOSS_OPEN_WRITE | MOSS_OPEN_CREATE, \&lock->f)/
