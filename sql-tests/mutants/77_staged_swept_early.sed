# ext/stage.c: the sweep takes the files of commits that are in no footer.
# found by: large
s/^        found = ss->live\[i\].staged \&\& .*/        found = false;/
