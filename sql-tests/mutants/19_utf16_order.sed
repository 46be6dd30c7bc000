# ext/plan.c: in a UTF-16 database keys are said to come in SQLite's order.
# found by: 34_plans_utf16
/^keeps_order(/,/^}/ s/v->utf16/false/
