# ext/registry.c: closing does not wait until everything is on disk.
s/define CLOSE_TIMEOUT_MS 60000/define CLOSE_TIMEOUT_MS 0/
