# ext/cursor.c: where several keys equal the value, their rows come key by key.
# found by: 36_one_value
s/c->is_sorted = ranges->mixed;/c->is_sorted = false;/
