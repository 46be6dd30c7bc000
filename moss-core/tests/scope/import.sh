# import, and what dump makes of it.

# roundtrip STORE [OPTION]: dump, import, dump.
roundtrip() {
    store=$1
    shift
    rm -rf "$dir/copy"
    "$scope" dump "$@" "$store" >"$dir/before"
    hex=
    test "$*" != --hex || hex=--hex
    run 0 import $hex --file "$dir/before" "$dir/copy"
    run 0 dump "$@" "$dir/copy"
    same "dump and import of $store $*" "$dir/before"
}
for name in basic childonly children compacted emptied history merge partial \
    twofiles; do
    for form in "" --json --hex; do
        roundtrip "$fixtures/$name" $form
    done
done

# Binary keys and values, odd names, empty things.
printf '%s\n' \
    '[{"kx":"00ff","vx":"fffe"},{"k":"","v":""},{"k":"tab\tnl\n\\","v":"\u0000"},' \
    ' {"k":"\ud83c\udf3f","v":"\u00e4"}, {"k":"Go","v":"ignores","other":[1,{"a":null}]},' \
    ' {"c":["a/b","\u0001 \"q\" \\"],"k":"in","v":"side"}, {"c":["a/b","none"]},' \
    ' {"c":["\u00fcber"],"k":"x","v":"y"}]' >"$dir/odd.json"
run 0 import --file "$dir/odd.json" "$dir/odd"
says "import" "^7 entries\|^8 entries"
run 0 dump "$dir/odd"
prints "odd bytes as text" <<END
${tab}${tab}
${tab}\\x00\\xff${tab}\\xff\\xfe
${tab}Go${tab}ignores
${tab}tab\\tnl\\n\\\\${tab}\\x00
${tab}$(printf '\360\237\214\277')${tab}$(printf '\303\244')
/a\\x2fb
/a\\x2fb/\\x01 "q" \\\\${tab}in${tab}side
/a\\x2fb/none
/$(printf '\303\274')ber${tab}x${tab}y
END
run 0 dump --json "$dir/odd"
json "odd bytes"
run 0 dump --child '/a\x2fb/\x01 "q" \\' --key in "$dir/odd"
for form in "" --json --hex; do
    roundtrip "$dir/odd" $form
done

# Several batches; keys that are there are overwritten.
seq 1 5000 | sed 's/.*/\tkey-&\tvalue &/' >"$dir/many"
run 0 import --stdin --batchsize 7 "$dir/many.store" <"$dir/many"
says "import in batches" "^5000 entries imported"
run 0 import --json '{"k":"key-7","v":"new"} {"k":"key-5001","v":"more"}' \
    "$dir/many.store"
run 0 dump "$dir/many.store"
{ sed 's/^\tkey-7\t.*/\tkey-7\tnew/' "$dir/many"
  printf '\tkey-5001\tmore\n'; } | sort >"$dir/wanted"
same "import over import" "$dir/wanted"

# Operands, with their operator and without.
printf '\tn\t\\-\t1\t2\n\tn\tset\t3\n\tm\t\\-\tx\n\tm\tnew\n\tm\t\\-\ty\n' \
    >"$dir/operands"
run 0 import --stdin "$dir/raw" <"$dir/operands"
run 0 dump "$dir/raw"
prints "operands without operator" <<END
${tab}m${tab}new${tab}y
${tab}n${tab}set${tab}3
END
run 0 import --stdin --merge append "$dir/appended" <"$dir/operands"
run 0 dump --merge append "$dir/appended"
prints "operands with operator" <<END
${tab}m${tab}newy
${tab}n${tab}set3
END
run 2 dump --merge add "$dir/appended"
run 2 dump --merge nonsense "$dir/appended"

# A huge value.
{ printf '\thuge\t'; head -c 20000000 /dev/zero | tr '\0' v; echo; } >"$dir/huge"
run 0 import --file "$dir/huge" "$dir/huge.store"
run 0 dump "$dir/huge.store"
same "a huge value" "$dir/huge"
rm -rf "$dir/huge" "$dir/huge.store" "$dir/copy"

# What is wrong is refused, with its line.
for text in '[{"k":"a","v":"b"}' '[{"k":"a"}]' '[{"k":"a","v":"b"},]' \
    '{"k":"a","v":"\ud800"}' '{"kx":"0","v":""}' '[]]' '{"v":"x"}' '{}' \
    '{"k":"a","v":"b"' '{"k":"a","v":"b","z":tru e}' '{"c":"a","k":"","v":""}' \
    '{"c":[".hidden"],"k":"a","v":"b"}'; do
    rm -rf "$dir/wrong"
    run 2 import --json "$text" "$dir/wrong"
done
printf '\ta\tb\n\tc\n' >"$dir/bad"
run 2 import --file "$dir/bad" "$dir/wrong"
complains "a key alone" "line 2"
printf '\ta\tb\n\tc\td' >"$dir/bad"
run 2 import --file "$dir/bad" "$dir/wrong"
complains "cut off" "does not end"
run 2 import "$dir/wrong"
run 2 import --stdin --file x "$dir/wrong"
run 2 import --file "$dir/no such file" "$dir/wrong2"
test ! -e "$dir/wrong2"
note "no store is made for a file that is missing" $?
