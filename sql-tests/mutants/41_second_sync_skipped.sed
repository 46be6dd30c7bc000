# ext/txn.c: what was written after a COMMIT that was BUSY is lost.
# found by: sequences
s/if (cs->synced \&\& cs->synced_version == /if (cs->synced || cs->synced_version == /
