# ext/write.c: a row with an entry that another row has is written
# found by: 22_index_write
s/if (!c->entries.at\[i\].exact)/if (c->entries.at[i].exact)/
