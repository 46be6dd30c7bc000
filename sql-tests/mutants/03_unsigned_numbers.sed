# ext/key.c: numbers are ordered as unsigned, negative ones behind the others.
s/return bits >= SIGN ? SIGN - (bits - SIGN) : SIGN + bits;/return bits;/
s/uint64_t bits = v < SIGN ? SIGN - v : v - SIGN;/uint64_t bits = v \& ~SIGN;/
s/if (v < SIGN)/if (v >= SIGN)/
