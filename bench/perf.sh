#!/bin/bash
#
# Compares ngstap's stacks of C with those of "perf record --call-graph dwarf": nginx under a load
# by TLS is profiled by the one and by the other, in turns.
#
#   make bench-perf       or:  bench/perf.sh [NGSTAP [WINDOWS [SECONDS [HZ]]]]
#
# WINDOWS (5) of SECONDS (10) each at HZ (999) for each of them. Prints the inclusive shares of the
# 20 widest functions that have a name, the largest difference with the promise beside it, and what
# each took: its own processor time, from its start to its end, and bytes of its files. Stacks
# of both are compared up to code of no file: behind compiled Lua libunwind guesses, where ngstap
# goes on. Needs root, wrk, openssl and perf (package linux-perf). Takes about 3 minutes; leaves
# nothing.

set -euo pipefail
ngstap=$(realpath -e "${1:-./ngstap}")
windows=${2:-5}
seconds=${3:-10}
hz=${4:-999}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${NGSTAP_TARGETS:=$(tests/targets/build.sh)}"
export NGSTAP_TARGETS
command -v perf >/dev/null || { echo 'no perf (package linux-perf)' >&2; exit 1; }

scratch=$(mktemp -d)
name=''
clean() {
    [[ -z $name ]] || tests/targets/target.sh stop "$name"
    rm -rf "$scratch"
}
trap clean EXIT
trap 'exit 130' INT TERM

pid=''
eval "$(tests/targets/target.sh start nginx gc64 tls 3600)"
sleep 1 # until code is compiled

# timed WHO COMMAND...: its processor time, in s, is added to $scratch/WHO.time.
timed() {
    local TIMEFORMAT='%U %S' who=$1
    shift
    { time "$@" >"$scratch/said" 2>&1 </dev/null; } 2>>"$scratch/$who.time" ||
        { cat "$scratch/said" >&2; exit 1; }
}

# Innermost first, a stack a line: its functions, then how often. Names without what tells copies
# and versions apart.
plain() { sed -E 's/@@?[A-Z0-9_.]+//g; s/(^|;)(__GI_|_)*/\1/g; s/_impl(;| )/\1/g'; }

for ((i = 0; i < windows; i++)); do
    timed perf perf record -q -e cpu-clock --call-graph dwarf -F "$hz" -p "$pid" \
        -o "$scratch/perf.$i" -- sleep "$seconds"
    timed ngstap "$ngstap" flame -x "$pid" -F "$hz" -t "$seconds" --frames c \
        -o "$scratch/ngstap.$i.folded"
done
tests/targets/target.sh stop "$name"
name=''

for ((i = 0; i < windows; i++)); do
    timed script perf script -i "$scratch/perf.$i" --no-inline -F ip,sym,dso
    awk 'NF == 0 { if (stack != "") print stack " 1"; stack = ""; next }
        { name = $NF ~ /^\((\[unknown\]|\/\/anon|\/tmp\/perf-.*)\)$/ ? "0x" : $2
            stack = stack (stack == "" ? "" : ";") name }
        END { if (stack != "") print stack " 1" }' "$scratch/said" | plain
done >"$scratch/perf.stacks"
sed '/^#/d; s/_\[k\]//g' "$scratch"/ngstap.*.folded | awk '{ count = $NF; sub(/ [0-9]+$/, "")
        n = split($0, f, ";")
        for (i = n; i > 0; i--) printf "%s%s", f[i], (i > 1 ? ";" : " " count "\n") }' |
    plain >"$scratch/ngstap.stacks"

# shares FILE: "FUNCTION PERCENT" of those that have a name; else a frame is its file.
shares() {
    awk '{ count = $NF; all += count; sub(/ [0-9]+$/, ""); split("", seen)
            n = split($0, f, ";")
            for (i = 1; i <= n && f[i] !~ /^0x/; i++)
                if (!(f[i] in seen) && f[i] !~ /^\[unknown\]$|^0x|\.so(\.|$)/) {
                    seen[f[i]]
                    sum[f[i]] += count
                }
        }
        END { for (name in sum) printf "%s %.2f\n", name, 100 * sum[name] / all
            printf "# %d\n", all }' "$1" | LC_ALL=C sort
}
shares "$scratch/perf.stacks" >"$scratch/perf.shares"
shares "$scratch/ngstap.stacks" >"$scratch/ngstap.shares"
samples() { awk '$1 == "#" { print $2 }' "$scratch/$1.shares"; }
echo "inclusive shares, %: perf's ($(samples perf) samples), ngstap's ($(samples ngstap))"
LC_ALL=C join -a 1 -a 2 -e 0 -o 0,1.2,2.2 "$scratch/perf.shares" "$scratch/ngstap.shares" |
    awk '$1 != "#" { print ($2 > $3 ? $2 : $3), $0 }' | sort -rn | head -n 20 |
    awk -v a="$(samples perf)" -v b="$(samples ngstap)" '{
            by = $4 - $3; printf "  %-40s %6.2f %6.2f %+6.2f\n", $2, $3, $4, by
            by = by < 0 ? -by : by; most = by > most ? by : most }
        END { printf "largest difference: %.2f   promise: <= 2; by chance (2 sd): up to %.2f\n",
            most, 100 * sqrt(1 / a + 1 / b) }'
took() { awk '{ t += $1 + $2 } END { printf "%.2f", t }' "$scratch/$1.time"; }
bytes() { cat "$@" | wc -c; }
echo "perf record, $windows times: $(took perf) s, $(bytes "$scratch"/perf.[0-9]*) bytes;" \
    "perf script: $(took script) s"
echo "ngstap flame, $windows times: $(took ngstap) s, $(bytes "$scratch"/ngstap.*.folded) bytes"
