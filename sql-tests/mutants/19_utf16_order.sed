# ext/plan.c: in a UTF-16 database keys are said to come in SQLite's order.
/^keeps_order(/,/^}/ s/v->utf16/false/
