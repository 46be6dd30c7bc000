# ext/stage.c: a staged file is not synced before its marker is written.
# found by: powercut --scenario staged
s/options.no_sync = !synchronous;/options.no_sync = synchronous || true;/
