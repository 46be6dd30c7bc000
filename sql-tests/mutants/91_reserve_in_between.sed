# ext/write.c: the log may grow, and that fail, between two changes of a row.
# found by: denied
s/^    if (n == 1)$/    if (n > 0)/
