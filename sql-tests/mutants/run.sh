#!/bin/sh
# run.sh BUILD_DIR: do the tests find seeded bugs?
#
# Each NN_name.sed begins with "# FILE: the bug" and is applied to that file in
# a copy of the sources below BUILD_DIR.  Then the test that its second line
# names, "# found by: TEST", must fail: "diff" with options, which is the
# differential test and the default; "products", which is .ci/check-symbols; a
# program with options; or beginnings of the names of SQL scripts and programs
# (see sql-tests/run.sh).
# The unchanged copy must pass all these tests.  A script that changes nothing
# has to be brought up to date.
# MUTANTS="03 07" chooses.
set -u
mkdir -p "${1:?usage: run.sh BUILD_DIR}" && build=$(cd "$1" && pwd) || exit 2
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
work=$build/mutants
src=$work/src
statements=${STATEMENTS:-12000}
seeds=${SEEDS:-1 2 3 4 5}
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

# targets_of TEST...: what of the sources it runs.
targets_of() {
    for word in "$@"; do
        case $word in
        --*) return ;;
        diff)
            echo plain/sql-tests/diff
            return
            ;;
        products)
            echo all
            return
            ;;
        [0-9]* | SQL.md) echo moss.so ;;
        *)
            for program in "$src/sql-tests/$word"*.c; do
                echo "plain/sql-tests/$(basename "$program" .c)"
            done
            ;;
        esac
    done
}

# build TEST...: without optimization, as it is the compiler that takes the
# time, and no more than the test runs.
build() {
    goals=
    for target in $(targets_of "$@"); do
        test "$target" = all || target=$work/build/$target
        goals="$goals $target"
    done
    # shellcheck disable=SC2086 -- a list
    make -C "$src" BUILD="$work/build" OPT='-O1' $goals >"$work/log" 2>&1
}

# test_of NAME: what is to find it.
test_of() {
    t=$(sed -n '2s/^# found by: //p' "$here/$1.sed")
    echo "${t:-diff}"
}

# diff_passes OPTION...: it keeps its files only when it fails.
diff_passes() {
    for seed in $seeds; do
        timeout 900 "$work/build/plain/sql-tests/diff" --whole \
            --statements "$statements" --seed "$seed" "$@" \
            >"$work/output" 2>&1
        status=$?
        kept=$(sed -n 's/^files are in //p; s/^working in //p' "$work/output")
        for dir in $kept; do rm -rf "$dir"; done
        test $status -eq 0 || return 1
    done
}

# program_passes PROGRAM OPTION...
program_passes() {
    program=$1
    shift
    timeout 900 "$work/build/plain/sql-tests/$program" "$@" \
        >"$work/output" 2>&1
}

# passes TEST...
passes() {
    case "$*" in
    diff*) shift && diff_passes "$@" ;;
    *\ --*) program_passes "$@" ;;
    products) (cd "$src" && .ci/check-symbols "$work/build") \
        >"$work/output" 2>&1 ;;
    *) ONLY="$*" timeout 900 sh "$src/sql-tests/run.sh" "$work/build" \
        >"$work/output" 2>&1 ;;
    esac
}

wanted() {
    case " ${MUTANTS:-${1%%_*}} " in *" ${1%%_*} "*) ;; *) return 1 ;; esac
}

tests=$(for script in "$here"/[0-9]*_*.sed; do
    name=$(basename "$script" .sed)
    if wanted "$name"; then test_of "$name"; fi
done | sort -u)
start=$(date +%s)
while read -r test; do
    # shellcheck disable=SC2086 -- a test and its options
    build $test || { tail -n 20 "$work/log"; exit 2; }
    # shellcheck disable=SC2086
    if ! passes $test; then
        sed '/ statements, .* compared$/,$d' "$work/output" | tail -n 40
        echo "the unchanged sources fail $test: no mutant was tried"
        exit 1
    fi
done <<END
$tests
END
echo "the unchanged sources pass: $(($(date +%s) - start)) s"

for script in "$here"/[0-9]*_*.sed; do
    name=$(basename "$script" .sed)
    wanted "$name" || continue
    file=$(sed -n '1s/^# \([^:]*\):.*/\1/p' "$script")
    test=$(test_of "$name")
    start=$(date +%s)
    cp "$src/$file" "$work/original" || exit 2
    sed -f "$script" "$work/original" >"$src/$file"
    if cmp -s "$work/original" "$src/$file"; then
        echo "STALE     $name: changes nothing in $file"
        survived=$((survived + 1))
    elif ! build $test; then
        tail -n 20 "$work/log"
        echo "BROKEN    $name: does not compile"
        survived=$((survived + 1))
    elif passes $test; then
        echo "SURVIVED  $name: $test passes"
        survived=$((survived + 1))
    else
        echo "found     $name: $test," \
            "$(grep -m 1 -E '^(DIFFERENCE|FAILED)' "$work/output")," \
            "$(($(date +%s) - start)) s"
        found=$((found + 1))
    fi
    cp "$work/original" "$src/$file"
done
echo "$found found, $survived survived or could not be tried"
test $survived -eq 0 && test $found -gt 0
