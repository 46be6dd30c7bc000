# history and revert.

run 0 history "$fixtures/history"
test "$(wc -l <"$dir/out")" = 6
note "history: all commit points" $?
says "history" "^@5 .*by Go moss"
run 0 history --json "$fixtures/history"
json "history"
run 0 history --at 1 "$fixtures/children"
says "history --at" "/people: 2 segments"
run 1 history --at 9 "$fixtures/children"
run 0 history --diff 0 "$fixtures/children"
prints "history --diff" <<END
- ${tab}top${tab}1
+ ${tab}top${tab}2
+ /gone
+ /gone${tab}back${tab}again
END
run 0 history --diff 2 --json "$fixtures/children"
json "history --diff from nothing"
run 0 history --diff 0 --against 0 "$fixtures/children"
test ! -s "$dir/out"
note "nothing differs from itself" $?
run 2 history --against 1 "$fixtures/children"

cp -r "$fixtures/history" "$dir/reverted"
run 2 revert --at 3 "$dir/reverted"
complains "revert asks" "--yes"
run 2 revert --yes "$dir/reverted"
run 1 revert --at 99 --yes "$dir/reverted"
run 0 history "$dir/reverted"
test "$(wc -l <"$dir/out")" = 6
note "nothing was reverted yet" $?
"$scope" dump --at 3 "$dir/reverted" >"$dir/before"
run 0 revert --at 3 --yes "$dir/reverted"
run 0 dump "$dir/reverted"
same "after revert" "$dir/before"
run 0 history "$dir/reverted"
test "$(wc -l <"$dir/out")" = 7
note "what came between is still history" $?

# compact: in full, leveled, interrupted.
i=0
while [ $i -lt 5 ]; do
    seq $i 2000 | sed "s/.*/\tkey-&\tround $i/" |
        "$scope" import --stdin "$dir/worn" >/dev/null
    i=$((i + 1))
done
"$scope" dump "$dir/worn" >"$dir/before"
size() { cat "$1"/data-*.moss | wc -c; }
old=$(size "$dir/worn")
# The signal waits for the program, which therefore meets it at once.
python3 -c 'import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
os.kill(os.getpid(), signal.SIGINT)
os.execv(sys.argv[1], sys.argv[1:])' "$scope" compact "$dir/worn" \
    >"$dir/out" 2>"$dir/err"
test $? = 2
note "an interrupted compaction ends with status 2" $?
complains "interrupted" "as it was"
run 0 dump "$dir/worn"
same "after an interrupted compaction" "$dir/before"
test "$(size "$dir/worn")" = "$old"
note "an interrupted compaction leaves nothing" $?
run 0 compact --leveled --progress "$dir/worn"
says "leveled compaction" "segments before"
run 0 dump "$dir/worn"
same "after a leveled compaction" "$dir/before"
run 0 compact --json "$dir/worn"
json "compaction"
run 0 dump "$dir/worn"
same "after a full compaction" "$dir/before"
test "$(size "$dir/worn")" -lt "$old"
note "a full compaction gives space back" $?
run 0 history "$dir/worn"
test "$(wc -l <"$dir/out")" = 1
note "a full compaction ends the history" $?
run 2 compact "$dir/missing"
test ! -e "$dir/missing"
note "compact makes no store" $?
cp -r "$fixtures/merge" "$dir/operands.store"
run 0 compact "$dir/operands.store"
run 0 dump --merge add "$dir/operands.store"
"$scope" dump --merge add "$fixtures/merge" >"$dir/before"
same "operands after a compaction" "$dir/before"

# Data files that compactions keep.
seq 1 100 | sed 's/.*/\tkey-&\told/' | "$scope" import --stdin "$dir/kept" >/dev/null
"$scope" dump "$dir/kept" >"$dir/before"
run 0 compact --keep-files "$dir/kept"
run 0 import --keep-files --json '{"k":"key-1","v":"new"}' "$dir/kept"
run 1 dump --at 2 "$dir/kept"
run 0 dump --at 2 --keep-files "$dir/kept"
same "history in an older file" "$dir/before"
run 0 history --keep-files "$dir/kept"
test "$(grep -c '^data-' "$dir/out")" = 2
note "history tells the files apart" $?
run 0 check "$dir/kept"
run 0 revert --keep-files --at 2 --yes "$dir/kept"
run 0 dump "$dir/kept"
same "revert to an older file" "$dir/before"
