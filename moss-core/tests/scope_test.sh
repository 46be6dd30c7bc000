#!/bin/sh
# scope_test.sh BUILD: the commands of mossscope, over the stores that Go moss
# wrote and over stores made here.  The last line is "N passed, N failed".
set -u
export LC_ALL=C
scope=$1/mossscope
fixtures=$(dirname "$0")/fixtures
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
tab=$(printf '\t')
passed=0 failed=0

# note NAME STATUS: a check more, passed with status 0.
note() {
    if [ "$2" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "mossscope: FAILED: $1"
    fi
}
# run STATUS ARGUMENTS...: mossscope ends with that status; what it prints is
# in $dir/out and $dir/err.
run() {
    wanted=$1
    shift
    "$scope" "$@" >"$dir/out" 2>"$dir/err"
    status=$?
    [ "$status" = "$wanted" ]
    note "status $status, not $wanted: $*" $?
}
# same NAME FILE: what was printed last is what FILE holds.
same() {
    cmp -s "$2" "$dir/out"
    note "$1: not the output that was expected" $?
}
# prints NAME: the same with stdin as what is expected.
prints() {
    cat >"$dir/wanted"
    diff "$dir/wanted" "$dir/out"
    note "$1: other output" $?
}
# says NAME PATTERN, complains NAME PATTERN: it is in the output, in stderr.
says() { grep -q -- "$2" "$dir/out"; note "$1: \"$2\" is not printed" $?; }
complains() { grep -q -- "$2" "$dir/err"; note "$1: \"$2\" is not said" $?; }
# json NAME: what was printed last is valid JSON in UTF-8.
json() {
    python3 -c 'import json, sys; json.loads(sys.stdin.buffer.read().decode())' \
        <"$dir/out"
    note "$1: not valid JSON" $?
}

. "$(dirname "$0")/scope/dump.sh"
. "$(dirname "$0")/scope/import.sh"
. "$(dirname "$0")/scope/history.sh"
. "$(dirname "$0")/scope/check.sh"
. "$(dirname "$0")/scope/readme.sh"

echo "$passed passed, $failed failed"
test "$failed" -eq 0
