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
# are compared as in tests/perf-shares.sh, where both run at once. Needs root, wrk, openssl and perf
# (package linux-perf). Takes about 3 minutes; leaves nothing.

set -euo pipefail
ngstap=$(realpath -e "${1:-./ngstap}")
windows=${2:-5}
seconds=${3:-10}
hz=${4:-999}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${NGSTAP_TARGETS:=$(tests/targets/build.sh)}"
export NGSTAP_TARGETS
# shellcheck source-path=SCRIPTDIR source=../tests/perf/stacks.sh
. tests/perf/stacks.sh
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
    perf_stacks <"$scratch/said"
done >"$scratch/perf.stacks"
folded_stacks "$scratch"/ngstap.*.folded >"$scratch/ngstap.stacks"
shares "$scratch/perf.stacks" >"$scratch/perf.shares"
shares "$scratch/ngstap.stacks" >"$scratch/ngstap.shares"
echo "inclusive shares, %: perf's ($(samples "$scratch/perf.shares") samples), ngstap's" \
    "($(samples "$scratch/ngstap.shares")), the difference; 3 standard deviations of it by chance"
compare_shares "$scratch/perf.shares" "$scratch/ngstap.shares" |
    awk '{ print "  " $0; by = $4 < 0 ? -$4 : $4; most = by > most ? by : most }
        END { printf "largest difference: %.2f   promise: <= 2\n", most }'
took() { awk '{ t += $1 + $2 } END { printf "%.2f", t }' "$scratch/$1.time"; }
bytes() { cat "$@" | wc -c; }
echo "perf record, $windows times: $(took perf) s, $(bytes "$scratch"/perf.[0-9]*) bytes;" \
    "perf script: $(took script) s"
echo "ngstap flame, $windows times: $(took ngstap) s, $(bytes "$scratch"/ngstap.*.folded) bytes"
