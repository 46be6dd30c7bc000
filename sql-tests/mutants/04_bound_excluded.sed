# ext/admit.c: "key >= ?" leaves out the key itself.
s/return ranges_admit_from(out, at);/return ranges_admit_from(out, after);/
