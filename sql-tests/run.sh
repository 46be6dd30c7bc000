#!/bin/sh
# run.sh BUILD_DIR: all SQL tests of a build; VARIANT=plain, asan, tsan or cov.
#
# NN_topic.sql runs in the sqlite3 shell on test.db in a fresh directory, with
# the extension loaded (it is ./moss there), and its output must be
# NN_topic.expected.  NN_topic_error.sql goes on after errors, which are part
# of the output.  NN_topic_1.sql, NN_topic_2.sql, ... run one after the other
# in one directory, each in a new shell.  A first line "-- database: NAME"
# names another database.  Then the stores that Go moss wrote are read with
# SQL, the sessions in ext/SQL.md are compared with what the shell prints, and
# each C program runs once, as short as it is without arguments.
#
# ONLY="12 unit_oom" leaves out the scripts, stores, documents and programs
# whose names begin otherwise.  The last line is "N passed, N failed".
set -u
build=$(cd "${1:?usage: run.sh BUILD_DIR}" && pwd) || exit 2
variant=${VARIANT:-plain}
here=$(cd "$(dirname "$0")" && pwd)
fixtures=$here/../moss-core/tests/fixtures
out=$build
test "$variant" = plain || out=$build/$variant
passed=0 failed=0
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C

# chosen NAME
chosen() {
    test -n "${ONLY-}" || return 0
    for beginning in $ONLY; do
        case $1 in "$beginning"*) return 0 ;; esac
    done
    return 1
}
pass() {
    passed=$((passed + 1))
    echo "ok      $1"
}
flunk() {
    failed=$((failed + 1))
    echo "FAILED  $1"
}

# The shell is not built with a sanitizer: it needs the runtime that moss.so
# was linked with.  Clang's cannot be loaded like that, and a shell that the
# thread sanitizer does not know would be reported itself.
preload=
use_shell=yes
case $variant in
plain | cov) ;;
asan)
    preload=$(ldd "$out/moss.so" | awk '/libasan/ { print $3 }')
    test -n "$preload" || use_shell=no
    ;;
*) use_shell=no ;;
esac

# moss_shell ARGUMENTS...: the shell with the extension in it.
moss_shell() {
    if [ -n "$preload" ]; then
        # Without leak detection: the shell itself leaks.
        ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS-}" LD_PRELOAD=$preload \
            sqlite3 -batch -cmd '.load ./moss' "$@"
    else
        sqlite3 -batch -cmd '.load ./moss' "$@"
    fi
}

# new_dir: a directory with the extension and the fixtures in it.
new_dir() {
    rm -rf "$tmp/run"
    mkdir "$tmp/run" && ln -s "$out/moss.so" "$tmp/run/moss.so" &&
        ln -s "$fixtures" "$tmp/run/.fixtures"
}

# sql_test FILE: in the directory that is there.
sql_test() {
    name=$(basename "$1" .sql)
    database=$(sed -n '1s/^-- database: //p' "$1")
    case $name in
    *_error | *_error_[0-9]) bail= ;;
    *) bail=-bail ;;
    esac
    (cd "$tmp/run" && moss_shell $bail "${database:-test.db}") \
        <"$1" >"$tmp/raw" 2>&1
    status=$?
    # Messages have absolute paths, and names that are made once.
    sed -e "s|$tmp/run|DIR|g" -e 's|~[0-9a-f]\{16\}|~ID|g' "$tmp/raw" \
        >"$tmp/output"
    test $status -le 1 || echo "the shell's status is $status" >>"$tmp/output"
    if diff -u "${1%.sql}.expected" "$tmp/output" >"$tmp/diff"; then
        pass "$name"
    else
        cat "$tmp/diff"
        flunk "$name"
    fi
}

sql_tests() {
    last=
    for file in "$here"/[0-9][0-9]_*.sql; do
        base=$(basename "$file" .sql)
        chosen "$base" || continue
        case $base in
        *_[2-9]) test "${base%_*}" = "$last" || new_dir ;;
        *) new_dir ;;
        esac
        last=${base%_[0-9]}
        sql_test "$file"
    done
}

# fixture_sql NAME: statements that print the newest content of ./store as
# the .expect file does (its entries are in $tmp/want), then backwards.
fixture_sql() {
    merge=
    test "$1" != merge || merge=", merge='add'"
    n=0
    { echo; cut -f1 "$tmp/want"; } | sort -u | while IFS= read -r path; do
        n=$((n + 1))
        child=
        test -z "$path" || child=", collection='${path#/}'"
        echo "CREATE VIRTUAL TABLE t$n USING moss(store='store'," \
            "codec=raw$child$merge);"
        for order in ASC DESC; do
            echo ".output $order.$n"
            echo "SELECT '$path' || char(9) || lower(hex(key)) || char(9) ||" \
                "lower(hex(value)) FROM t$n ORDER BY key $order;"
        done
    done
}

# A database in memory can only read a store, and reading leaves no trace.
fixture_state() {
    (cd "$tmp/run/store" && cksum ./*)
}

fixture_test() {
    name=$(basename "$1" .expect)
    new_dir
    cp -r "${1%.expect}" "$tmp/run/store"
    fixture_state >"$tmp/before"
    awk '/^@/ { n++ } n == 1 && !/^@/' "$1" >"$tmp/want"
    fixture_sql "$name" >"$tmp/sql"
    (cd "$tmp/run" && moss_shell -bail :memory:) <"$tmp/sql" >"$tmp/log" 2>&1
    status=$?
    cat "$tmp"/run/ASC.* | sort >"$tmp/got"
    for file in "$tmp"/run/ASC.*; do
        tac "$file" | cmp - "$tmp/run/DESC.${file##*.}" >>"$tmp/log" 2>&1
        sort -c -t "$(printf '\t')" -k 2 "$file" >>"$tmp/log" 2>&1
    done
    fixture_state | cmp "$tmp/before" - >>"$tmp/log" 2>&1
    if [ $status -eq 0 ] && [ ! -s "$tmp/log" ] &&
        sort "$tmp/want" | diff - "$tmp/got" >"$tmp/diff"; then
        pass "fixture $name: $(grep -c . "$tmp/want") entries"
    else
        cat "$tmp/log"
        head -n 20 "$tmp/diff"
        flunk "fixture $name"
    fi
}

fixture_tests() {
    if ls "$fixtures"/*.expect >/dev/null; then
        for expect in "$fixtures"/*.expect; do
            chosen "fixture_$(basename "$expect")" || continue
            fixture_test "$expect"
        done
    else
        flunk "fixtures: there are none"
    fi
}

# section_test DOCUMENT SECTION LINE: the sessions in $tmp/section, which
# begins at that line, in one directory.
section_test() {
    new_dir
    rm -f "$tmp"/session.*
    awk -v out="$tmp/session" -v first="$3" -v FILENAME="$1" \
        -f "$here/support/transcript.awk" "$tmp/section"
    n=0 wrong=0
    while test -e "$tmp/session.$((n + 1))"; do
        n=$((n + 1))
        (cd "$tmp/run" && moss_shell "$(cat "$tmp/session.$n.db")") \
            <"$tmp/session.$n" >"$tmp/raw" 2>&1
        sed "s|$tmp/run|DIR|g; s/^\([A-Z][a-z]* error\) near line [0-9]*/\1/" \
            "$tmp/raw" >"$tmp/output"
        diff -u "$tmp/session.$n.want" "$tmp/output" || wrong=1
    done
    test $n -gt 0 || return 0
    if [ $wrong = 0 ]; then
        pass "$1: $2"
    else
        flunk "$1: $2"
    fi
}

# The examples of the SQL reference: each section has its own directory.
document_tests() {
    document=$here/../ext/SQL.md
    chosen "$(basename "$document")" || return 0
    grep -n '^## ' "$document" >"$tmp/sections"
    while IFS=: read -r line title; do
        awk -v line="$line" 'NR == line { on = 1; print; next }
            on && /^## / { exit } on' "$document" >"$tmp/section"
        section_test SQL.md "${title#\## }" "$line"
    done <"$tmp/sections"
}

program_tests() {
    for program in "$build/$variant"/sql-tests/*; do
        test -x "$program" && test -f "$program" || continue
        chosen "$(basename "$program")" || continue
        if timeout 2400 "$program" >"$tmp/log" 2>&1; then
            pass "$(basename "$program"): $(tail -n 1 "$tmp/log")"
        else
            echo "$program ended with status $?:"
            tail -n 60 "$tmp/log"
            flunk "$(basename "$program")"
        fi
    done
}

if [ $use_shell = yes ]; then
    sql_tests
    fixture_tests
    document_tests
else
    echo "the scripts run in the variants plain and asan (gcc) only"
fi
program_tests
echo "$passed passed, $failed failed"
test $failed -eq 0 && test $passed -gt 0
