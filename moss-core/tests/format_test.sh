#!/bin/sh
# format_test.sh BUILD: the stores that Go moss wrote, and stores that this
# library writes, through the checker that knows only Go moss's format.
set -u
build=$1
tests=moss-core/tests
check="python3 -B $tests/check_format.py"
mutations=${MUTATIONS:-100}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

try() {
    "$@" || { failed=$((failed + 1)); echo "failed: $*"; }
}

for store in "$tests"/fixtures/*/; do
    name=$(basename "$store")
    merge=
    test "$name" = merge && merge="--merge add"
    try $check "$store" --expect "$tests/fixtures/$name.expect" $merge \
        --mutate "$mutations" --seed 1
done

try "$build/${VARIANT:-plain}/tests/format_writer" "$dir"
for expect in "$dir"/*.expect; do
    store=${expect%.expect}
    n=$mutations
    # Large files are slow to check again and again.
    test "$(basename "$store")" = large && n=5
    try $check "$store" --expect "$expect" --merge add --ours \
        --mutate "$n" --seed 2
done

# The checker itself must not accept everything.
name=$(basename "$dir"/loads/data-*.moss)
mkdir "$dir/broken"
for edit in 's/"Version":4/"Version":5/' 's/0m1o2s/0m1o2t/' \
    's/"KvsBytes":/"KvsByte5":/' 's/value 37 /velue 37 /'; do
    sed "$edit" "$dir/loads/$name" >"$dir/broken/$name"
    if $check "$dir/broken" --expect "$dir/loads.expect" 2>/dev/null; then
        failed=$((failed + 1))
        echo "accepted: $edit"
    fi
done

echo "file format: $failed failed"
test "$failed" -eq 0
