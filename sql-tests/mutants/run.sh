#!/bin/sh
# run.sh BUILD_DIR: does the differential test find seeded bugs?
#
# Each NN_name.sed begins with "# FILE: the bug" and is applied to that file in
# a copy of the sources below BUILD_DIR, where the differential test is then
# built and run.  The unchanged copy must pass, each mutant must not.  A script
# that changes nothing has to be brought up to date.  MUTANTS="03 07" chooses.
set -u
mkdir -p "${1:?usage: run.sh BUILD_DIR}" && build=$(cd "$1" && pwd) || exit 2
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
work=$build/mutants
src=$work/src
statements=${STATEMENTS:-40000}
seeds=${SEEDS:-1 2 3}
found=0 survived=0

if [ -z "${TMPDIR-}" ] && [ -d /dev/shm ]; then
    TMPDIR=/dev/shm
    export TMPDIR
fi

rm -rf "$src"
mkdir -p "$src"
for part in Makefile .ci moss-core ext sql-tests; do
    cp -R "$top/$part" "$src/" || exit 2
done

build_diff() {
    make -C "$src" BUILD="$work/build" "$work/build/plain/sql-tests/diff" \
        >"$work/log" 2>&1
}

# try: run the differential test; it keeps its files only when it fails.
try() {
    timeout 900 "$work/build/plain/sql-tests/diff" \
        --statements "$statements" --seed "$1" >"$work/output" 2>&1
    status=$?
    kept=$(sed -n 's/^files are in //p' "$work/output")
    test -z "$kept" || rm -rf "$kept"
    return $status
}

# A crash leaves its directory behind: "working in DIR" names it.
clean_up() {
    kept=$(sed -n 's/^working in //p' "$work/output")
    test -z "$kept" || rm -rf "$kept"
}

hunt() {
    for seed in $seeds; do
        if ! try "$seed"; then
            clean_up
            return 0
        fi
    done
    return 1
}

build_diff || { tail -n 20 "$work/log"; exit 2; }
for seed in $seeds; do
    if ! try "$seed"; then
        sed '/ statements, .* compared$/,$d' "$work/output"
        echo "the unchanged sources fail with seed $seed: no mutant was tried"
        exit 1
    fi
done
echo "the unchanged sources pass: seeds $seeds, $statements statements each"

for script in "$here"/[0-9][0-9]_*.sed; do
    name=$(basename "$script" .sed)
    case " ${MUTANTS:-${name%%_*}} " in *" ${name%%_*} "*) ;; *) continue ;; esac
    file=$(sed -n '1s/^# \([^:]*\):.*/\1/p' "$script")
    cp "$src/$file" "$work/original" || exit 2
    sed -f "$script" "$work/original" >"$src/$file"
    if cmp -s "$work/original" "$src/$file"; then
        echo "STALE     $name: changes nothing in $file"
        survived=$((survived + 1))
    elif ! build_diff; then
        tail -n 20 "$work/log"
        echo "BROKEN    $name: does not compile"
        survived=$((survived + 1))
    elif hunt; then
        echo "found     $name: seed $seed, status $status," \
            "$(grep -m 1 '^DIFFERENCE' "$work/output")"
        found=$((found + 1))
    else
        echo "SURVIVED  $name"
        survived=$((survived + 1))
    fi
    cp "$work/original" "$src/$file"
done
echo "$found found, $survived survived or could not be tried"
test $survived -eq 0 && test $found -gt 0
