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
