# ext/plan.c: a comparison with another collation narrows as BINARY would.
s/term->wide = !is_binary(info, i) || /term->wide = /
