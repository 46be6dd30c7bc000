#!/bin/sh
# test.sh BUILD: run the examples and compare what they print.
set -u
export LC_ALL=C

build=$(cd "$1" && pwd) || exit 1
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# expect NAME COMMAND...: its output must be that on stdin, its status 0.
expect() {
    name=$1
    shift
    cat >"$dir/wanted"
    mkdir "$dir/$name"
    "$@" >"$dir/got" 2>&1
    status=$?
    if [ "$status" = 0 ] && diff "$dir/wanted" "$dir/got"; then
        passed=$((passed + 1))
    else
        echo "example $name: FAILED with status $status"
        cat "$dir/got"
        failed=$((failed + 1))
    fi
}

expect collection "$build/examples/collection" "$dir/collection" <<'END'
rose is red
moss is green
rose is red
moss is green
fern is green
END

expect embed "$build/examples/embed" "$dir/embed" <<'END'
plant=rose colour=red n=7
plant=moss colour=green n=5
END

# Twice: what the first run left is there for the second.
visits() {
    "$build/examples/lower" "$1" "$2" && "$build/examples/lower" "$1" "$2"
}
for kind in sqlite leveldb; do
    # The thread sanitizer does not see what keeps LevelDB's threads apart.
    test $kind = sqlite || { test -e /usr/include/leveldb/c.h &&
        test "${VARIANT:-plain}" != tsan; } || continue
    expect $kind visits $kind "$dir/$kind/db" <<'END'
guests: visitor 1
today: *
guests: visitor 1, visitor 2
today: *, *
END
done

# The skeleton in the guide: it compiles, opens and closes.
skeleton() {
    root=$here/..
    sed -n '/^```c$/,/^```$/{/^```/!p;}' "$root/moss-core/LOWER.md" \
        >"$dir/skeleton/my.c"
    cat >>"$dir/skeleton/my.c" <<'MAIN'

int
main(void)
{
    struct moss_collection *c;
    struct moss_lower *lower = my_open(NULL);
    enum moss_status st =
        lower == NULL ? MOSS_NOMEM : moss_collection_open(NULL, lower, &c);

    return st == MOSS_OK ? moss_collection_close(c, MOSS_FOREVER, NULL) : 1;
}
MAIN
    sanitize=
    case ${VARIANT:-plain} in
    asan) sanitize=-fsanitize=address,undefined ;;
    tsan) sanitize=-fsanitize=thread ;;
    cov) sanitize=--coverage ;;
    esac
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c11 -Wall -Wextra -Wshadow -Wconversion \
        -Wstrict-prototypes -Wmissing-prototypes -Werror $sanitize \
        -I"$root/moss-core/include" -o "$dir/skeleton/my" \
        "$dir/skeleton/my.c" "$build/libmoss.a" -lpthread -lm &&
        "$dir/skeleton/my"
}
expect skeleton skeleton </dev/null

# A plain sqlite3 cannot load an extension built with a sanitizer.
if [ "${VARIANT:-plain}" = plain ]; then
    expect go_store "$here/go_store.sh" "$build" <"$here/go_store.expected"
fi

echo "$passed passed, $failed failed"
test "$failed" -eq 0
