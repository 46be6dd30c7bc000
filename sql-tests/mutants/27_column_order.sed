# ext/plan.c: a key in a collation of its own is said to sort as its column.
/^keeps_order(/,/^}/ s/               p->collation;/               p->collation || true;/
