# Takes the sessions of one section out of a document: indented lines that
# begin with the shell's prompts, and what it answers.
#
#     $ sqlite3 cars.db           a new shell on that database
#     sqlite> SELECT 1;           a statement; lines behind "   ...> " go on
#     1                           its output
#
# -v out=PREFIX: <out>.1, <out>.2 ... become the shells' input, <out>.N.db the
# database's name, and <out>.N.want what they must print.  Statements are told
# apart by a line [file:line] that the input has printed before each.
function begin(name) {
    shells++
    print name > (out "." shells ".db")
    printf "" > (out "." shells)
    printf "" > (out "." shells ".want")
}
!/^    / { inside = 0; next }
{ text = substr($0, 5) }
text ~ /^\$ sqlite3 / {
    begin(substr(text, 11))
    inside = 1
    next
}
text ~ /^\$ / { inside = 0; next }
text ~ /^sqlite> / {
    if (shells == 0)
        begin("test.db")
    place = "[" FILENAME ":" (first + FNR - 1) "]"
    print ".print " place > (out "." shells)
    print place > (out "." shells ".want")
    print substr(text, 9) > (out "." shells)
    inside = 1
    next
}
inside && text ~ /^   \.\.\.> / {
    print substr(text, 9) > (out "." shells)
    next
}
inside { print text > (out "." shells ".want") }
