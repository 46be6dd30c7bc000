# The command line, and dump.

run 2
complains "no command" "usage: mossscope COMMAND"
run 0 help
says "help" "dump "
run 0 version
says "version" "^mossscope [0-9]"
for command in dump import stats check compact history revert salvage; do
    run 0 $command --help
    says "$command --help" "usage: mossscope $command"
    run 2 $command
    complains "$command without a store" "directory"
    run 2 $command --no-such-option "$fixtures/basic"
    complains "$command with an unknown option" "no option"
done
run 2 frobnicate "$fixtures/basic"
complains "unknown command" "no command"
run 2 dump --limit many "$fixtures/basic"
complains "no number" "not a number"
run 2 dump --limit
complains "no value" "needs a value"
run 2 dump --json=yes "$fixtures/basic"
run 2 dump one two three four
run 2 dump --hex --key 6x "$fixtures/basic"
complains "no hex" "not hexadecimal"
run 2 dump --all-versions "$fixtures/basic"
run 2 dump "$dir/missing"
complains "missing directory" "no store"
test ! -e "$dir/missing"
note "dump makes no directory" $?
mkdir "$dir/empty"
run 2 dump "$dir/empty"
test -z "$(ls "$dir/empty")"
note "dump writes nothing" $?

# Every commit point of what Go moss wrote, as Go moss reads it.
for expect in "$fixtures"/*.expect; do
    name=$(basename "$expect" .expect)
    : >"$dir/all"
    n=0
    while "$scope" dump --hex --merge add --at $n "$fixtures/$name" \
        >"$dir/one" 2>/dev/null; do
        { echo "@$n"; grep "$tab" "$dir/one"; } >>"$dir/all"
        n=$((n + 1))
    done
    grep . "$expect" | cmp -s - "$dir/all"
    note "dump of $name at every commit point" $?
    run 1 dump --at $n "$fixtures/$name"
    run 0 dump --no-mmap --hex --merge add "$fixtures/$name"
    { echo "@0"; cat "$dir/out"; } >"$dir/one"
    sed -n '1,/^@1$/p' "$expect" | grep . | grep -v '^@1$' |
        cmp -s - "$dir/one"
    note "dump of $name without mmap" $?
    run 0 dump --json "$fixtures/$name"
    json "dump of $name"
done

# Parts of a store.
run 0 dump --child people --from key-000017 "$fixtures/children"
prints "--from" <<END
/people${tab}key-000017${tab}person 17
/people${tab}key-000018${tab}person 18
/people${tab}key-000019${tab}person 19
END
run 0 dump --prefix key-00001 --to key-000012 --reverse "$fixtures/children"
prints "--prefix, --to, --reverse" <<END
/people${tab}key-000011${tab}person 11
/people${tab}key-000010${tab}person 10
END
run 0 dump --limit 2 --keys-only --json "$fixtures/children"
prints "--limit, --keys-only" <<'END'
[
 {"k": "top"},
 {"c": ["gone"], "k": "back"}
]
END
run 0 dump --no-children "$fixtures/children"
prints "--no-children" <<END
${tab}top${tab}2
END
run 0 dump --children "$fixtures/children"
prints "--children" <<END
/${tab}about 2 entries, 8 bytes
/gone${tab}about 1 entries, 9 bytes
/people${tab}about 20 entries, 397 bytes
/roles${tab}about 2 entries, 11 bytes
END
run 0 dump --child /roles --key dev "$fixtures/children"
prints "--key" <<END
/roles${tab}dev${tab}10
END
run 0 dump key dev "$fixtures/children"
prints "dump key" <<END
/roles${tab}dev${tab}10
END
run 1 dump --key nothing "$fixtures/children"
run 1 dump --child nobody "$fixtures/children"
run 0 dump --key top --all-versions "$fixtures/children"
prints "--all-versions" <<END
@0..@0${tab}segment 61440${tab}${tab}top${tab}set${tab}2
@0..@2${tab}segment 28672${tab}${tab}top${tab}set${tab}1
END
run 0 dump --key key-000003 --all-versions --json "$fixtures/children"
prints "--all-versions --json" <<'END'
[
 {"c": ["people"], "k": "key-000003", "op": "delete", "segment": 40960, "newest": 0, "oldest": 1},
 {"c": ["people"], "k": "key-000003", "op": "set", "v": "person 3", "segment": 20480, "newest": 0, "oldest": 2}
]
END
run 0 dump --key key-000001 --all-versions "$fixtures/merge"
says "operands" "merge$tab"
run 0 dump --hex --limit 1 "$fixtures/merge"
prints "operands as such" <<END
${tab}6b65792d303030303030${tab}-${tab}0000000000000000${tab}0a00000000000000${tab}1400000000000000${tab}1e00000000000000
END
run 0 dump footer "$fixtures/children"
says "dump footer" "/people: 2 segments"
run 0 dump --footers --json "$fixtures/children"
json "dump --footers"
test "$(grep -c '"at"' "$dir/out")" = 3
note "--footers: all of them" $?
