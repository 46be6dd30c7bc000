# ext/pending.c: reads see the changes up to the first read, and no later ones.
s/if (t->overlaid < count) {/if (t->overlaid < count \&\& t->overlay == NULL) {/
