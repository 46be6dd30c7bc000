# ext/stage.c: the sweep takes the files of commits that are in no footer.
# found by: large combinations sequences_files
s/^        found = ss->live\[i\].staged \&\& .*/        found = false;/
