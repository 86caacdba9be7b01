#!/bin/sh
# Looks for circles among the files of src/: a file uses another when its object has an undefined
# symbol that the other's object defines (nm), and files that use each other, directly or by way of
# others, are one circle. The circles that may be are in circles.allowed beside this file, a line
# each; a line that is no circle any more is an error, too. Prints TAP.
set -eu
here=$(dirname "$0")
build=${top_builddir:-.}
command -v nm >/dev/null 2>&1 || {
    echo "1..0 # SKIP no nm(1)"
    exit 0
}
top=$(cd "${top_srcdir:-.}" && pwd)
here=$(cd "$here" && pwd)
cd "$build"
set --
for o in src/*/*.o src/*/*/*.o; do # one whose source was renamed stays until "make clean"
    if [ -e "$top/${o%.o}.c" ] || [ -e "${o%.o}.c" ]; then set -- "$@" "$o"; fi
done
[ $# -gt 0 ] || {
    echo "1..0 # SKIP not built"
    exit 0
}
nm -A -g -P "$@" | sed 's/^src\/\(.*\)\.o: /\1 /' | awk -v allowed="$here/circles.allowed" '
# Tarjan: lowest[f] is the earliest file on the stack that F leads to.
function visit(f,    n, names, i, to, circle, members) {
    seen[f] = lowest[f] = ++time
    stack[++depth] = f
    on[f] = 1
    n = split(uses[f], names, " ")
    for (i = 1; i <= n; i++) {
        to = names[i]
        if (!(to in seen)) {
            visit(to)
            if (lowest[to] < lowest[f]) lowest[f] = lowest[to]
        } else if (on[to] && seen[to] < lowest[f]) lowest[f] = seen[to]
    }
    if (lowest[f] < seen[f]) return
    members = 0
    do {
        to = stack[depth--]
        on[to] = 0
        circle[++members] = to
    } while (to != f)
    if (members > 1) found[sorted(circle, members)] = 1
}
function sorted(names, n,    i, j, t, line) {
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && names[j] < names[j - 1]; j--) {
            t = names[j]; names[j] = names[j - 1]; names[j - 1] = t
        }
    line = names[1]
    for (i = 2; i <= n; i++) line = line " " names[i]
    return line
}
{ files[$1] = 1 }
$3 == "U" { wants[$1] = wants[$1] " " $2; next }
{ home[$2] = $1 }
END {
    for (f in files) {
        n = split(wants[f], symbols, " ")
        for (i = 1; i <= n; i++) {
            to = home[symbols[i]]
            if (to != "" && to != f && !((f, to) in edge)) {
                edge[f, to] = symbols[i]
                uses[f] = uses[f] " " to
            }
        }
    }
    for (f in files) if (!(f in seen)) visit(f)
    while ((getline line < allowed) > 0) {
        if (line == "" || line ~ /^#/) continue
        n = split(line, names, " ")
        may[sorted(names, n)] = 1
    }
    t = 0
    failed = 0
    for (c in may) {
        t++
        if (c in found) { print "ok " t " - a circle that may be: " c; continue }
        print "not ok " t " - no circle any more, take it out of circles.allowed: " c
        failed = 1
    }
    for (c in found) {
        if (c in may) continue
        print "not ok " ++t " - a circle: " c
        failed = 1
        n = split(c, names, " ")
        for (i = 1; i <= n; i++) for (j = 1; j <= n; j++)
            if ((names[i], names[j]) in edge)
                print "# " names[i] " uses " edge[names[i], names[j]] " of " names[j]
    }
    print "ok " ++t " - all other files of src/ use what is below them only"
    print "1.." t
    exit failed
}'
