# The examples in the README print what it says, but for times and places.

# session: the README's lines with four spaces before them in that section.
session() {
    sed -n '/^## Looking into a store/,/^## /s/^    //p' \
        "$(dirname "$0")/../../README.md"
}
undated() { sed 's/20[0-9-]*T[0-9:]*Z/DATE/; s/[0-9]\{4,15\}/N/g'; }
mkdir "$dir/readme"
case $scope in
/*) PATH=$(dirname "$scope"):$PATH ;;
*) PATH=$PWD/$(dirname "$scope"):$PATH ;;
esac
session | undated >"$dir/wanted"
session | sed -n 's/^\$ //p' | (
    cd "$dir/readme" || exit 1
    while IFS= read -r line; do
        printf '$ %s\n' "$line"
        eval "$line" 2>&1
    done
) | undated >"$dir/out"
diff "$dir/wanted" "$dir/out"
note "the README's examples" $?
test "$(grep -c '^\$ ' "$dir/wanted")" -gt 5
note "the README has examples" $?
