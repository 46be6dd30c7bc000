# ext/write_columns.c: UPDATE stores values without their affinity.
s/rc = datum_convert(v, column->affinity, /rc = datum_convert(v, AFFINITY_BLOB, /
