# ext/read.c: a log that is another store's is believed.
# found by: 38_swapped_logs
s/if (memcmp(m->store_id, cs->row.id, STORE_ID_BYTES) == 0)/if (m != NULL)/
