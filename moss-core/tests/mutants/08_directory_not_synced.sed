# moss-core/src/store/newfile.c: a new file's name is not made durable.
# store_open new_store_survives_a_power_cut
/^put_in_place(/,/^}/ s/st = s->os->ops->sync_dir(s->os, s->dir);/st = MOSS_OK;/
