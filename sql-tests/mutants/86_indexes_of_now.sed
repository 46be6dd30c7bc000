# ext/cursor.c: an index of the present leads to rows of the past.
# found by: 25_index_past
s/^    for (int i = 0; st == MOSS_OK \&\& i < s->n_indexes; i++) {$/    for (int i = 0; false \&\& i < s->n_indexes; i++) {/
