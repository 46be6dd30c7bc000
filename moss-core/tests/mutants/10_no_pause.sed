# moss-core/src/collection/trouble.c: a failing lower level is asked again at once.
# trouble pauses_double_up_to_five_seconds
s/^#define FIRST_PAUSE_MS 10/#define FIRST_PAUSE_MS 0/
