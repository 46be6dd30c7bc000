# ext/admit.c: "key >= ?" leaves out the key itself.
s/return open ? ranges_admit_from(s->out, at)/return open ? ranges_admit_from(s->out, after)/
