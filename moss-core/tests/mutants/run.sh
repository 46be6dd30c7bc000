#!/bin/sh
# run.sh BUILD_DIR: does each defect that Go moss had make a test fail here?
#
# Each NN_name.sed begins with "# FILE: the bug" and "# SUITE TEST", and is
# applied to that file in a copy of the sources below BUILD_DIR; then the test
# must fail, which passes without it.  NN is the defect's number in
# DEFECTS.md.  A script that changes nothing has to be brought up to date.
# DEFECTS="03 07" chooses.
set -u
mkdir -p "${1:?usage: run.sh BUILD_DIR}" && build=$(cd "$1" && pwd) || exit 2
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../../..
work=$build/defects
src=$work/src
found=0 survived=0

rm -rf "$src"
mkdir -p "$src"
for part in Makefile .ci moss-core; do
    cp -R "$top/$part" "$src/" || exit 2
done

scripts=$(ls "$here"/[0-9][0-9]_*.sed)
# suite SCRIPT, test SCRIPT, file SCRIPT: what its first lines say.
suite() { sed -n '2s/^# \([^ ]*\) .*/\1/p' "$1"; }
test_of() { sed -n '2s/^# [^ ]* \([^ ]*\).*/\1/p' "$1"; }
file() { sed -n '1s/^# \([^:]*\):.*/\1/p' "$1"; }
# shellcheck disable=SC2086
suites=$(for s in $scripts; do suite "$s"; done | sort -u | tr '\n' ' ')

build_unit() {
    make -C "$src" BUILD="$work/build" TESTS="$suites" \
        "$work/build/plain/unit" >"$work/log" 2>&1
}
# run SUITE: its results, a line for each test, to $work/output.
run() {
    (cd "$src" && CK_VERBOSITY=verbose timeout 300 \
        "$work/build/plain/unit" "$1" >"$work/output" 2>&1)
}
# came RESULT TEST: has the test that result, P, or one of F and E?
came() { grep -q ":[$1]:[^:]*:$2:" "$work/output"; }

build_unit || { tail -n 20 "$work/log"; exit 2; }
for suite in $suites; do
    if ! run "$suite"; then
        grep ':[FE]:' "$work/output"
        echo "the unchanged sources fail in $suite: nothing was tried"
        exit 1
    fi
    for script in $scripts; do
        test "$(suite "$script")" != "$suite" ||
            came P "$(test_of "$script")" || {
            echo "$suite has no test $(test_of "$script")"
            exit 1
        }
    done
done
echo "the unchanged sources pass: $suites"

for script in $scripts; do
    name=$(basename "$script" .sed)
    case " ${DEFECTS:-${name%%_*}} " in *" ${name%%_*} "*) ;; *) continue ;; esac
    file=$(file "$script")
    cp "$src/$file" "$work/original" || exit 2
    sed -f "$script" "$work/original" >"$src/$file"
    if cmp -s "$work/original" "$src/$file"; then
        echo "STALE     $name: changes nothing in $file"
        survived=$((survived + 1))
    elif ! build_unit; then
        tail -n 20 "$work/log"
        echo "BROKEN    $name: does not compile"
        survived=$((survived + 1))
    elif ! run "$(suite "$script")" && came FE "$(test_of "$script")"; then
        echo "found     $name: $(suite "$script"), $(test_of "$script")"
        found=$((found + 1))
    else
        grep ':[FE]:' "$work/output" | cut -c1-150 | head -n 5
        echo "SURVIVED  $name: $(suite "$script"), $(test_of "$script")"
        survived=$((survived + 1))
    fi
    cp "$work/original" "$src/$file"
done
echo "$found found, $survived survived or could not be tried"
test $survived -eq 0 && test $found -gt 0
