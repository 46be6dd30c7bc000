# ext/index.c: a covering read gives 1 for 1.0.
# found by: 20_index
s/^        any = any || notes\[i\] != KEY_NOTE_NONE;/        notes[i] = KEY_NOTE_NONE;/
