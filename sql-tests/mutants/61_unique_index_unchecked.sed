# ext/write.c: a row with an entry that another row has is written
s/if (!c->entries.at\[i\].exact)/if (c->entries.at[i].exact)/
