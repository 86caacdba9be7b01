#!/bin/bash
# shellcheck disable=SC2016,SC2317 # check calls functions, and evaluates
#
# Others read our pprof files: npm's pprof-format, and "go tool pprof -raw" where there is a go.
# Stacks, counts and the totals must be those of the folded form, of saved stacks and of a live
# profile, whose CPU time must be its samples'.
#
# Needs npm and node, and once the registry (the package is kept in the user's cache), or go; a live
# profile needs root and the targets of targets/build.sh. About 8 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

# ---- the readers: each prints a line "STACK COUNT CODE" a sample, then "total TYPE UNIT SUM",
# "period" ----

version=2.3.2
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/ngstap-tests/pprof-format-$version
why_no_node=''
if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    why_no_node='no npm'
elif [[ ! -f $cache/package/package.json ]]; then
    mkdir -p "$cache"
    (cd "$cache" && timeout 60 npm pack "pprof-format@$version" &&
        tar xzf "pprof-format-$version.tgz") \
        >"$scratch/npm" 2>&1 || why_no_node='pprof-format cannot be fetched by npm'
fi
by_node() { node tests/pprof.js "$cache/package" "$1"; }

go=$(command -v go || :)
why_no_go=''
"${go:-false}" tool -n pprof >/dev/null 2>&1 || why_no_go='no go'
by_go() {
    "$go" tool pprof -raw -symbolize=demangle=none "$1" 2>"$scratch/err" | awk '
        /^Period: / { period = $2 }
        /^[A-Za-z]+:?$/ { part = $1; next }
        part == "Samples:" && $1 ~ "^[a-z]+/[a-z]+$" {
            for (types = 1; types <= NF; types++) type[types] = $types; next }
        part == "Samples:" && /^ +[0-9]/ {
            split($0, sides, ":")
            split(sides[1], values, " "); count[++n] = values[1]
            for (i = 1; i < types; i++) total[i] += values[i]
            stack[n] = sides[2]
        }
        part == "Samples:" && match($0, /code:\[.*\]/) {
            code[n] = substr($0, RSTART + 6, RLENGTH - 7) }
        # "ID: ADDRESS M=N @FILE:LINE FILE:LINE s=LINE", or "... NAME :0 s=0".
        part == "Locations" && /^ +[0-9]+: / {
            id = $1 + 0; line = $0
            sub(/^ +[0-9]+: 0x[0-9a-f]+ M=[0-9]+ /, "", line)
            sub(/ s=[0-9]+(\(.*\))?$/, "", line)
            if (!sub(/ :0$/, "", line)) line = substr(line, 1, length(line) / 2)
            gsub(/;/, ":", line)
            name[id] = line
        }
        END {
            for (k = 1; k <= n; k++) {
                m = split(stack[k], ids, " "); line = ""
                for (i = m; i; i--) line = line (line == "" ? "" : ";") name[ids[i]]
                print line, count[k], code[k]
            }
            for (i = 1; i < types; i++) { split(type[i], t, "/");
            printf "total %s %s %d\n", t[1], t[2], total[i] }
            printf "period %d\n", period
        }'
}

readers=()
if [[ $why_no_node ]]; then skip "npm's pprof-format" "$why_no_node"; else readers+=(by_node); fi
if [[ $why_no_go && ${#readers[@]} = 0 ]]; then skip 'go tool pprof' "$why_no_go"; fi
if [[ $why_no_go ]]; then echo "# $why_no_go: not read by go tool pprof"; else readers+=(by_go); fi

# ---- saved stacks ----

# The folded form of $1.txt as a reader prints it: what is compiled is told by the label of the
# innermost frame.
expected() { # FOLDED
    awk '{ count = $NF; total += count; sub(/ [0-9]+$/, "")
        leaf = $0; sub(/.*;/, "", leaf)
        if (leaf ~ /^T:/) code = "Lua, compiled"
        else if (leaf ~ /^builtin#/) code = "built-in function"
        else if (leaf ~ /_\[k\]$/) code = "kernel"
        else code = leaf ~ /^([@=]|\[string )/ ? "Lua, interpreted" : "C"
        gsub(/(^|;)T:/, ";"); sub(/^;/, ""); gsub(/_\[k\](;|$)/, ";"); sub(/;$/, "")
        print $0, count, code }
        END { printf "total samples count %d\n", total }' "$1"
}
same() { # READER NAME
    "$1" "$scratch/$2.pb.gz" >"$scratch/read" 2>"$scratch/err" &&
        expected "$scratch/$2.folded" | diff - <(sed '/^period 0$/d; /^seconds/d' "$scratch/read") \
            >"$scratch/out"
}
# As many different stacks as a busy server has, and recursion.
awk 'BEGIN { srand(3); for (i = 0; i < 3000; i++) {
    for (d = 0; d < 12; d++) printf "%s@/srv/m%d.lua:%d\n",
    rand() < .3 ? "T:" : "", rand() * 30, rand() * 40; printf "\t%d\n", 1 + rand() * 1e6 } }' \
        >"$scratch/many.txt"
for name in lua c folded hostile many; do
    input=tests/out/$name.txt
    [[ $name != many ]] || input=$scratch/many.txt
    "$ngstap" convert "$input" -o "$scratch/$name.pb.gz"
    "$ngstap" convert "$input" -o "$scratch/$name.folded"
    for reader in "${readers[@]}"; do
        check "$reader: $name has the stacks and the total of the folded form" same "$reader" \
            "$name"
    done
done

# ---- a live profile ----

if ((!${#readers[@]})); then
    finish
elif [[ $UID != 0 || -z ${NGSTAP_TARGETS:-} ]]; then
    skip 'a live profile' 'needs root and NGSTAP_TARGETS'
    finish
fi
name='' pid=''
start_target luajit gc64 jit 30
status=0
timeout 60 "$ngstap" flame -I tapset -x "$pid" -t 2 -F 199 -o "$scratch/live.pb.gz" \
    2>"$scratch/err" </dev/null || status=$?
check 'a live profile' test "$status" = 0
# 5,025,125 ns are the 199th part of a second.
sums() {
    "$1" "$scratch/live.pb.gz" >"$scratch/out" 2>"$scratch/err" && awk '
        /^(total|period|seconds) / { v[$1 " " $2] = $NF; next }
        { match($0, / [0-9]+ [A-Za-z]/); split(substr($0, RSTART), f, " "); samples += f[1] }
        END { exit !(samples > 100 && v["total samples"] == samples &&
            v["period " v["period 5025125"]] == 5025125 &&
            v["total cpu"] == samples * 5025125) }' "$scratch/out"
}
for reader in "${readers[@]}"; do
    check "$reader: the CPU time is that of the samples" sums "$reader"
done
[[ $why_no_node ]] || check '... and the duration is there' eval \
    'by_node "$scratch/live.pb.gz" | grep -qxE "seconds [2-4]"'
finish
