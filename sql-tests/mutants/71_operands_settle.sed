# ext/pending.c: of several operands of a transaction the newest alone counts.
# found by: 68_merge
s/alive\[t->before\[i\]\] = true;/alive[t->before[i]] = alive[t->before[i]];/
