# Makefile: the extension is unloaded under its threads.
# found by: products
s/-Wl,-z,nodelete //
