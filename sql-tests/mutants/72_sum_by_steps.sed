# ext/merge.c: reals are added up in whatever steps operands are merged.
# found by: unit_merge
s/m->partial ? !add_value(&s, &p->d) : !add_piece(&s, p)/!add_piece(\&s, p)/
s/^    return st == MOSS_OK \&\& m->partial ? put_reals(m) : st;/    return st == MOSS_OK \&\& m->partial ? put(m, moss_slice("", 1)) : st;/
