# ext/plan.c: a key that is compared with "=" is said to be one row.
# found by: 36_one_value
/^plan_is_single(/,/^}/ s/(affinity_is_numeric(/(true || affinity_is_numeric(/
