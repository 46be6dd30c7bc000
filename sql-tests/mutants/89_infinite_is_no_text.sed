# ext/sorted.c: a text 'Inf' is passed over where a key equals a number.
# found by: 36_one_value
s/^    if (isinf(number))$/    if (false)/
