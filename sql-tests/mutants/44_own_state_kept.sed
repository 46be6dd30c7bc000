# ext/read.c: a marker that changed leaves the old state in use.
# found by: sequences
s/if (!moss_tag_equal(m.tag, cs->seen.tag))/if (false)/
