#!/bin/sh
# bench_test.sh OUT: run all phases of the benchmark on few entries, and see
# that all that it should measure is measured, and that it fails when a store
# holds something else than what it expects.
set -eu
bench=$1/bench
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
small="--count=2000 --gets=1000 --seconds=0.05 --dir=$dir"

fail() {
    echo "bench_test: $*" >&2
    test ! -f "$dir/out" || cat "$dir/out" >&2
    exit 1
}

# shellcheck disable=SC2086
for keys in decimal binary varying; do
    "$bench" $small --engines=moss,sqlite --keys=$keys --compact \
        --csv="$dir/csv" --json="$dir/json" >"$dir/out" 2>&1 ||
        fail "$keys keys"
    python3 -m json.tool "$dir/json" >/dev/null || fail "broken JSON"
    # 29 measures, two engines, two orders, and the head.
    lines=$(wc -l <"$dir/csv")
    test "$lines" -eq $((29 * 2 * 2 + 1)) || fail "$lines lines of CSV"
done
"$bench" --count=1000,2000 --gets=100 --seconds=0.05 --order=random \
    --engines=moss --dir="$dir" >"$dir/out" 2>&1 || fail "growth"
grep -q '^Growth of moss, random' "$dir/out" || fail "no table of growth"

# Stores loaded from one seed, read with the expectations of another.
mkdir "$dir/keep"
for engine in moss sqlite; do
    stored="$small --order=seq --keep=$dir/keep --engines=$engine"
    # shellcheck disable=SC2086
    "$bench" $stored --phases=load >"$dir/out" 2>&1 || fail "load"
    # shellcheck disable=SC2086
    "$bench" $stored --phases=iter,open >"$dir/out" 2>&1 || fail "kept store"
    for phase in iter open mixed compact; do
        # shellcheck disable=SC2086
        if "$bench" $stored --phases=$phase --seed=2 >"$dir/out" 2>&1; then
            fail "$engine: $phase takes wrong values"
        fi
        grep -q 'wrong content' "$dir/out" || fail "$engine: $phase"
    done
done
if ls -d "$dir"/moss-bench-* >/dev/null 2>&1; then
    fail "directories are left"
fi
