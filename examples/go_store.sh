#!/bin/sh
# go_store.sh [BUILD]: read stores that Go moss wrote, with SQL.  Works on
# copies of the test fixtures.
set -eu
export LC_ALL=C

build=$(cd "${1:-build}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cp -R "$here/../moss-core/tests/fixtures/." "$dir"
sqlite3 -batch -bail -cmd ".load $build/moss" "$dir/go.db" \
    <"$here/go_store.sql"
