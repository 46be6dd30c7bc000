# ext/admit.c: comparisons with a descending key are not turned round.
s/if (!s->part->desc)/if (s->part != NULL)/
