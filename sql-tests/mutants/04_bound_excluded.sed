# ext/admit.c: "key >= ?" leaves out the key itself.
s/return ranges_admit_from(s->out, at);/return ranges_admit_from(s->out, after);/
