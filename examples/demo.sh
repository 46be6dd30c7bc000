#!/bin/sh
# demo.sh [BUILD]: the Unicode character database in a moss table.
#
# Two sqlite3 shells: the first makes the tables, fills them in one
# transaction and asks; the second opens the same file again and asks the
# same.  Every step is timed.  The answers must be equal, or the demo fails.
set -eu
export LC_ALL=C

build=$(cd "${1:-build}" && pwd)
data=${UNICODE_DIR:-/usr/share/unicode}
for f in "$data/UnicodeData.txt" "$data/Blocks.txt" "$build/moss.so"; do
    if ! [ -r "$f" ]; then
        echo "demo.sh: there is no $f" >&2
        exit 1
    fi
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# shell NAME: run SQL from stdin and print what it prints; the answers to ask(),
# without the times, go to NAME.answers.
shell() {
    sqlite3 -batch -bail -cmd ".load $build/moss" "$dir/unicode.db" \
        >"$dir/$1.all"
    sed -n '/^-- How many/,$ { /^Run Time:/! p; }' "$dir/$1.all" \
        >"$dir/$1.answers"
    awk '!/^Run Time:/ { print; next }
         $4 < 0.001 { printf "%62s\n", "[under 1 ms]"; next }
         { printf "%62s\n", sprintf("[%d ms]", $4 * 1000) }' "$dir/$1.all"
}

# Hexadecimal text to integer; SQLite has no function for it.
hex() {
    echo "(SELECT sum((instr('0123456789ABCDEF', substr(substr('000000' ||"
    echo "   $1, -6), key + 1, 1)) - 1) * value)"
    echo " FROM json_each('[1048576, 65536, 4096, 256, 16, 1]'))"
}

load() {
    cat <<SQL
.bail on
PRAGMA journal_mode = wal;
CREATE TEMP TABLE line(text);
CREATE TEMP TABLE block_line(text);
.separator "\037" "\n"
.import "$data/UnicodeData.txt" line
.import "$data/Blocks.txt" block_line
CREATE TEMP TABLE given AS
  SELECT $(hex "substr(text, 1, instr(text, ';') - 1)") AS code,
         substr(text, instr(text, ';') + 1) AS rest
  FROM line;
CREATE TEMP TABLE given_block AS
  SELECT $(hex "substr(text, 1, instr(text, '.') - 1)") AS first,
         $(hex "substr(text, instr(text, '..') + 2,
                       instr(text, ';') - instr(text, '..') - 2)") AS last,
         substr(text, instr(text, '; ') + 2) AS name
  FROM block_line WHERE text LIKE '%..%; %' AND text NOT LIKE '#%';
SQL
    cat <<'SQL'
.print
.print "-- Two moss tables and an ordinary one"
CREATE VIRTUAL TABLE chars USING moss;
CREATE VIRTUAL TABLE names USING moss;
CREATE TABLE blocks(first PRIMARY KEY, last, name);

.print
.print "-- Filled in one transaction:"
BEGIN;
.timer on
.print "   characters by their code"
INSERT INTO chars SELECT code, rest FROM given;
.print "   codes by their characters' names"
INSERT INTO names SELECT substr(value, 1, instr(value, ';') - 1), key
  FROM chars WHERE value NOT LIKE '<%';
.print "   blocks (the ordinary table)"
INSERT INTO blocks SELECT first, last, name FROM given_block;
.print "   COMMIT"
COMMIT;
.timer off
SQL
}

ask() {
    cat <<'SQL'
.mode list
.separator "  "
.print
.print "-- How many characters there are, the first and the last"
.timer on
SELECT count(*), printf('U+%04X', min(key)), printf('U+%04X', max(key))
  FROM chars;
.timer off
.print
.print "-- A block in order: Optical Character Recognition"
.timer on
SELECT printf('U+%04X', key), char(key), substr(value, 1, instr(value, ';') - 1)
  FROM chars WHERE key BETWEEN 0x2440 AND 0x245f ORDER BY key;
.timer off
.print
.print "-- A block backwards: Ancient Symbols"
.timer on
SELECT printf('U+%04X', key), char(key), substr(value, 1, instr(value, ';') - 1)
  FROM chars WHERE key BETWEEN 0x10190 AND 0x101cf ORDER BY key DESC;
.timer off
.print
.print "-- A prefix: names that begin with GREEK SMALL LETTER OMI"
.timer on
SELECT printf('U+%04X', value), char(value), key
  FROM names WHERE key GLOB 'GREEK SMALL LETTER OMI*' ORDER BY key;
.timer off
.print
.print "-- A join: the ten blocks with most assigned characters"
.timer on
SELECT count(*) AS n, blocks.name
  FROM blocks JOIN chars ON chars.key BETWEEN blocks.first AND blocks.last
  GROUP BY blocks.first ORDER BY n DESC, blocks.name LIMIT 10;
.timer off
.print
.print "-- How SQLite runs that join"
EXPLAIN QUERY PLAN SELECT count(*) AS n, blocks.name
  FROM blocks JOIN chars ON chars.key BETWEEN blocks.first AND blocks.last
  GROUP BY blocks.first ORDER BY n DESC, blocks.name LIMIT 10;
.print
.print "-- Everything: a checksum over all rows in order"
.timer on
SELECT count(*), sum(key), sum(length(value)), sum(unicode(value) * (key % 97))
  FROM (SELECT key, value FROM chars ORDER BY key);
SELECT count(*), sum(value), sum(length(key))
  FROM (SELECT key, value FROM names ORDER BY key);
.timer off
SQL
}

echo "== First shell: load $(wc -l <"$data/UnicodeData.txt") characters, ask"
{ load; ask; } | shell first
echo
echo "== On disk"
(cd "$dir" && find unicode.db* -type f -exec wc -c {} \;) |
    awk '{ printf "%10d bytes  %s\n", $1, $2 }'
echo
echo "== Second shell: open again, ask again"
ask | shell second
echo
if ! cmp "$dir/first.answers" "$dir/second.answers"; then
    echo "demo.sh: the answers differ" >&2
    exit 1
fi
lines=$(wc -l <"$dir/first.answers")
if [ "$lines" -lt 50 ]; then
    echo "demo.sh: only $lines lines of answers" >&2
    exit 1
fi
echo "== Both shells gave the same answers ($lines lines)"
