# check and salvage, over stores that are damaged on purpose.

# poke FILE OFFSET HEX: put these bytes there.
poke() {
    python3 -c 'import sys
f = open(sys.argv[1], "r+b")
f.seek(int(sys.argv[2]))
f.write(bytes.fromhex(sys.argv[3]))' "$@"
}
# flip FILE OFFSET: change the byte there.
flip() {
    python3 -c 'import sys
f = open(sys.argv[1], "r+b")
f.seek(int(sys.argv[2]))
c = f.read(1)[0]
f.seek(int(sys.argv[2]))
f.write(bytes([c ^ 0x55]))' "$@"
}
# offset COLLECTION SEGMENT FIELD: from the newest footer of $dir/damaged.
offset() {
    "$scope" history --at 0 --json "$dir/damaged" | python3 -c 'import json, sys
contents = json.load(sys.stdin)["contents"]
print([c for c in contents if c["c"] == sys.argv[1].split()][0]
      ["segments"][int(sys.argv[2])][sys.argv[3]])' "$@"
}
# damaged: a fresh copy of the store "whole"; $file is its data file.
damaged() {
    rm -rf "$dir/damaged" "$dir/new"
    cp -r "$dir/whole" "$dir/damaged"
    file=$(echo "$dir"/damaged/data-*.moss)
}

for name in basic childonly children compacted emptied history merge partial \
    twofiles; do
    run 0 check "$fixtures/$name"
    says "check of $name" ": 0 problems$"
    run 0 check --json "$fixtures/$name"
    json "check of $name"
    rm -rf "$dir/new"
    run 0 salvage "$fixtures/$name" "$dir/new"
    says "salvage of $name" " 0 entries lost$"
    "$scope" dump "$fixtures/$name" >"$dir/before"
    run 0 dump "$dir/new"
    same "salvage of $name" "$dir/before"
done
run 2 check "$dir/missing"
run 2 check "$dir/empty"
run 2 salvage "$fixtures/basic"
run 2 salvage "$dir/missing" "$dir/missing2"
test ! -e "$dir/missing2"
note "salvage of nothing makes nothing" $?
run 2 salvage "$fixtures/basic" "$dir/whole.reverted" --at many
run 2 salvage "$fixtures/children" "$dir/reverted"
complains "salvage into a store" "has a store already"

# Two commit points: 3000 entries in a child, then changes and deletions.
seq 1000 3999 | sed 's/.*/\/child\tkey-&\tvalue & of one hundred bytes or so, with some text to make it longer/' >"$dir/first"
"$scope" import --file "$dir/first" "$dir/whole" >/dev/null
printf '\ttop\tlevel\n/child\tkey-1000\tchanged\n/other\n' |
    "$scope" import --stdin "$dir/whole" >/dev/null
"$scope" dump "$dir/whole" >"$dir/intact"
run 0 check "$dir/whole"
run 0 check --no-mmap --progress "$dir/whole"
complains "--progress" "^check: "

# A byte of a value: its block is lost, and said to be.
damaged
at=$(offset child 0 buf_offset)
flip "$file" $((at + 3 * 4096 + 100))
run 1 check "$dir/damaged"
says "a flipped byte" "^problem: data-.*, offset $((at + 3 * 4096)): wrong checksum: 1 blocks"
says "a flipped byte" "entries of this segment cannot be read, in collection /child"
run 1 check --json "$dir/damaged"
json "check with problems"
run 1 dump "$dir/damaged"
run 1 stats "$dir/damaged"
run 1 salvage "$dir/damaged" "$dir/new"
says "salvage" "entries lost of collection /child, with keys behind \"key-1"
lost=$(sed -n 's/.* salvaged, \([0-9]*\) entries lost/\1/p' "$dir/out")
run 0 dump "$dir/new"
test "$lost" -gt 20 && test "$lost" -lt 100 &&
    test "$(wc -l <"$dir/intact")" = $(($(wc -l <"$dir/out") + lost)) &&
    test -z "$(comm -13 "$dir/intact" "$dir/out")"
note "salvage keeps all but what it says is lost" $?
run 0 check "$dir/new"

# A byte of the entries.
damaged
at=$(offset child 0 kvs_offset)
flip "$file" $((at + 4096 + 8))
run 1 check "$dir/damaged"
says "a flipped entry" "offset $((at + 4096)): wrong checksum: 1 blocks of 4096 bytes, entries"
run 1 salvage "$dir/damaged" "$dir/new"
says "salvage" "256 entries lost of collection /child, with keys behind \"key-1255\" and before \"key-1512\""

# The header of the checksums.
damaged
flip "$file" $((at + $(offset child 0 kvs_bytes) + 9))
run 1 check "$dir/damaged"
says "header of the checksums" "the header of a segment's checksums is damaged"
run 1 salvage "$dir/damaged" "$dir/new"
says "salvage" "taken as they are"
run 0 dump "$dir/new"
same "salvage without checksums" "$dir/intact"

# The index, which lies between the entries and the bytes: reading does
# without it, but check tells.
damaged
at=$(($(offset child 0 kvs_offset) + $(offset child 0 kvs_bytes) + 4096))
flip "$file" $((at - at % 4096 + 16))
run 1 check "$dir/damaged"
says "index" "wrong checksum: 1 blocks of 4096 bytes of the index"
run 0 salvage "$dir/damaged" "$dir/new"
run 0 dump "$dir/new"
same "salvage without index" "$dir/intact"

# The first page: the identity and with it the key to all footers.
damaged
poke "$file" 0 "$(printf '%08192d' 0)"
run 2 dump "$dir/damaged"
run 1 check "$dir/damaged"
says "no header" "no good data file: header"
run 1 salvage "$dir/damaged" "$dir/new"
run 0 dump "$dir/new"
same "salvage without header" "$dir/intact"
rm -rf "$dir/new"
run 1 salvage "$file" "$dir/new"
run 0 dump "$dir/new"
same "salvage of a file by itself" "$dir/intact"

# The newest footer: the older one holds, and what came with the newest one
# can be found.
damaged
footer=$("$scope" history --json --at 0 "$dir/damaged" | sed -n 's/^ "offset": \(.*\),/\1/p')
flip "$file" $((footer + 30))
run 0 dump "$dir/damaged"
same "the older footer" "$dir/first"
run 1 check "$dir/damaged"
says "a lost footer" "behind the newest commit point"
says "a lost footer" "but there was one at $footer in file 1"
run 1 salvage "$dir/damaged" "$dir/new"
says "salvage" "not salvaged; --segments"
run 0 dump "$dir/new"
same "salvage of the older commit point" "$dir/first"
rm -rf "$dir/new"
run 0 salvage --segments "$dir/damaged" "$dir/new"
run 0 dump --child salvaged "$dir/new"
says "a segment behind the footer" "${tab}top${tab}level"
run 0 salvage --at 1 --json "$dir/whole" "$dir/new.at"
json "salvage"
run 0 dump "$dir/new.at"
same "salvage --at" "$dir/first"

# No footer at all, in a store of ours and in one of Go moss.
damaged
sed -i 's/0m1o2s0m1o2s/0m1o2s0m1o2t/g' "$file"
run 2 dump "$dir/damaged"
run 1 check "$dir/damaged"
says "no footer" "salvage may help"
run 1 salvage "$dir/damaged" "$dir/new"
run 0 dump --hex "$dir/new"
cut -s -f 2- "$dir/out" | sort -u >"$dir/got"
"$scope" dump --hex "$dir/whole" | cut -s -f 2- | sort >"$dir/wanted"
test -z "$(comm -13 "$dir/got" "$dir/wanted")"
note "salvage without footers finds every entry" $?
rm -rf "$dir/damaged" "$dir/new"
cp -r "$fixtures/history" "$dir/damaged"
sed -i 's/0m1o2s0m1o2s/0m1o2s0m1o2t/g' "$dir"/damaged/data-*
run 1 salvage "$dir/damaged" "$dir/new"
run 0 dump --hex "$dir/new"
cut -s -f 2- "$dir/out" | sort -u >"$dir/got"
"$scope" dump --hex "$fixtures/history" | cut -s -f 2- | sort >"$dir/wanted"
test -z "$(comm -13 "$dir/got" "$dir/wanted")"
note "salvage of Go's segments without footers" $?

# Wrong order and wrong totals, where no checksum tells.
rm -rf "$dir/damaged"
cp -r "$fixtures/basic" "$dir/damaged"
file=$(echo "$dir"/damaged/data-*.moss)
at=$(offset '' 0 buf_offset)
poke "$file" $((at + 16)) 7a
run 1 check "$dir/damaged"
says "order" "does not sort behind the one before it"
at=$(offset '' 0 kvs_offset)
poke "$file" $((at + 7)) 02
run 1 check "$dir/damaged"
says "totals" "the footer counts"
poke "$file" $((at + 7)) 07
run 1 check "$dir/damaged"
says "operation" "is neither set, delete nor merge"
poke "$file" $((at + 24)) ffffff
run 1 check "$dir/damaged"
says "bounds" "points outside the segment"

# A file cut off, a newer file that is none, a file that was never finished.
damaged
size=$(wc -c <"$file")
truncate -s $((size / 2)) "$file"
run 1 check "$dir/damaged"
run 1 salvage "$dir/damaged" "$dir/new"
damaged
echo nonsense >"$dir/damaged/data-00000000000000ff.moss"
echo nonsense >"$dir/damaged/moss-temporary-00000000000000fe"
run 0 dump "$dir/damaged"
same "a newer file that is none" "$dir/intact"
run 1 check "$dir/damaged"
says "a newer file" "^problem: data-00000000000000ff.moss, offset 0: shorter"
says "an unfinished file" "^note: moss-temporary-.*not finished"

# While somebody writes, all that reads works, and what writes does not.
damaged
for command in dump history stats check; do
    flock "$dir/damaged/moss-store-lock" "$scope" $command "$dir/damaged" \
        >"$dir/out" 2>"$dir/err"
    note "$command of a locked store" $?
done
for command in "import --json {\"k\":\"a\",\"v\":\"b\"}" "compact" \
    "revert --yes --at 1"; do
    flock "$dir/damaged/moss-store-lock" "$scope" $command "$dir/damaged" \
        >"$dir/out" 2>"$dir/err"
    test $? = 2
    note "$command of a locked store" $?
    complains "$command" "in use by another writer"
done

# A writer goes on with small batches and compactions while others read.
damaged
(
    i=0
    while [ $i -lt 10 ]; do
        seq 1 300 | sed "s/.*/\tkey-&\tround $i/" |
            "$scope" import --stdin --batchsize 10 "$dir/damaged" &&
            "$scope" compact "$dir/damaged" || exit 1
        i=$((i + 1))
    done
) >/dev/null 2>"$dir/writer.err" &
writer=$!
rounds=0 bad=0
while kill -0 $writer 2>/dev/null || [ $rounds = 0 ]; do
    for command in dump check history; do
        "$scope" $command "$dir/damaged" >"$dir/out" 2>"$dir/err" || {
            bad=$((bad + 1))
            cat "$dir/out" "$dir/err" | grep -v "^$tab" | tail -n 3
        }
    done
    rounds=$((rounds + 1))
done
wait $writer
note "the writer beside readers" $?
test $bad = 0
note "$rounds rounds of reading beside a writer" $?
run 0 check "$dir/damaged"

# stats.
run 0 stats diag "$fixtures/children"
says "stats" "^/people: 19 keys, 2 segments with 21 sets, 1 deletes, 0 merges"
says "stats" "keys   190 bytes, from 10 to 10, 10.0 on average"
run 0 stats fragmentation "$fixtures/children"
says "fragmentation" "segment at 20480: 18 of 20 entries visible"
run 0 stats hist "$fixtures/children"
says "histogram" " 8 - 15 .* 19  82.61% ####"
run 0 stats footer --all "$fixtures/children"
test "$(wc -l <"$dir/out")" = 3
note "stats footer --all" $?
for part in "" diag footer frag hist; do
    run 0 stats $part --json "$dir/whole"
    json "stats $part"
done
run 0 stats --child people --json "$fixtures/children"
test "$(grep -c roles "$dir/out")" = 0
note "stats --child" $?
run 0 stats --at 2 "$fixtures/children"
run 2 stats nonsense "$fixtures/children"

# Mutated stores of all kinds.
python3 -B "$(dirname "$0")/scope/fuzz.py" "$scope" "${SCOPE_RUNS:-12}" \
    "${SEED:-1}" "$fixtures"/*/ "$dir/whole"
note "mutated stores" $?

# Files that compactions have kept.
rm -rf "$dir/kept2"
for i in 1 2 3; do
    printf '\t%s\tvalue\n' "$i" | "$scope" import --keep-files --stdin "$dir/kept2" >/dev/null
    "$scope" compact --keep-files "$dir/kept2" >/dev/null
done
run 0 check "$dir/kept2"
says "older files" "data-0000000000000003.moss, offset 0: an older data file, not checked"
run 0 check --keep-files "$dir/kept2"
says "kept files" "^7 commit points"
file="$dir/kept2/data-0000000000000003.moss"
footer=$("$scope" history --json --keep-files "$dir/kept2" | python3 -c 'import json, sys
print(json.load(sys.stdin)[1]["offset"])')
flip "$file" $((footer + 30))
run 0 check "$dir/kept2"
run 1 check --keep-files "$dir/kept2"
says "kept files" "problem: data-0000000000000003.moss, offset $footer: the newer file goes on from"
rm "$file"
run 0 check --keep-files "$dir/kept2"
says "kept files" "data-0000000000000003.moss, offset 0: not kept"

# A segment kind of somebody's own.
rm -rf "$dir/damaged"
cp -r "$fixtures/basic" "$dir/damaged"
sed -i 's/"Kind":"a"/"Kind":"z"/g' "$dir"/damaged/data-*
for command in dump stats check history; do
    run 2 $command "$dir/damaged"
    complains "$command of a kind not known" 'only the program that wrote it knows how its segments are stored (kind "z" in '
done
