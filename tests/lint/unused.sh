#!/bin/sh
# Looks for functions and variables that an object of src/ offers to the others (nm) and none of
# them takes: they are to be static, or deleted. What flex and bison make is left out. Those that
# may be, as a test works at that seam, are in unused.allowed beside this file, a line each: SYMBOL
# FILE, FILE being the test that uses it; a line that is of no use any more is an error, too. Prints
# TAP.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "${top_srcdir:-.}" && pwd)
command -v nm >/dev/null 2>&1 || {
    echo "1..0 # SKIP no nm(1)"
    exit 0
}
cd "${top_builddir:-.}"
set --
for o in src/*/*.o src/*/*/*.o; do # one whose source was renamed stays until "make clean"
    if [ -e "$top/${o%.o}.c" ] || [ -e "${o%.o}.c" ]; then set -- "$@" "$o"; fi
done
[ $# -gt 0 ] || {
    echo "1..0 # SKIP not built"
    exit 0
}
unused=$(nm -A -g -P "$@" | sed 's/^src\/\(.*\)\.o: /\1 /' | awk '
    $3 == "U" { taken[$2] = 1; next }
    { offers[$2] = $1 }
    END { for (s in offers) if (!(s in taken)) print s, offers[s] }' | sort |
    while read -r symbol file; do
        [ "$symbol" = main ] || [ "${symbol#__}" != "$symbol" ] || [ -e "$top/src/$file.l" ] ||
            [ -e "$top/src/$file.y" ] ||
            echo "$symbol $file"
    done)
allowed=$(grep -v '^#' "$here/unused.allowed" | grep . || :)

n=0
failed=0
result() { # STATUS NAME
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        failed=1
    fi
}
while read -r symbol file; do
    [ -n "$symbol" ] || continue
    printf '%s\n' "$unused" | grep -q "^$symbol " && grep -qw "$symbol" "$top/$file" && status=0 ||
        status=1
    result $status "$symbol is for $file alone"
done <<LIST
$allowed
LIST
left=$(printf '%s\n' "$unused" | while read -r symbol file; do
    printf '%s\n' "$allowed" | grep -q "^$symbol " || echo "# $symbol of src/$file.c"
done)
[ "$left" = '# of src/.c' ] && left=''
[ -z "$left" ] && status=0 || status=1
result $status 'all else that an object offers is taken by another'
[ -z "$left" ] || printf '%s\n' "$left"
echo "1..$n"
exit $failed
