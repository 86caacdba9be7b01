#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# Shares of functions in "ngstap flame" are those in "perf record --call-graph dwarf" of the same
# time: both profile one nginx, which answers by TLS, at once. Of the 20 widest functions none
# differs by more than 2 points, and what chance adds where two draw from the same time: three
# standard deviations of a difference of shares by so many samples (with 5,000 each 0.6 points for
# 1 %, 3 for 50 %). Needs root, eBPF, perf (package linux-perf), wrk, openssl and NGSTAP_TARGETS
# (tests/targets/build.sh prints it). About 60 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=perf/stacks.sh
. tests/perf/stacks.sh

[[ $UID = 0 ]] || skip_all 'needs root'
[[ $(uname -m) = x86_64 ]] || skip_all 'stacks are walked on x86_64 alone'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'
for program in perf wrk openssl; do
    command -v $program >/dev/null || skip_all "no $program"
done
perf record -q -e cpu-clock --call-graph dwarf -o "$scratch/trial" -- true >"$scratch/said" 2>&1 ||
    skip_all "perf records no stacks here: $(tail -n 1 "$scratch/said")"

seconds=15
hz=1499
same_shares() {
    local name='' pid=''
    start_target nginx gc64 tls 120
    sleep 1 # until code is compiled
    timeout 100 "$ngstap" flame -x "$pid" -F "$hz" -t "$seconds" --frames c \
        -o "$scratch/ngstap.folded" >"$scratch/out" 2>"$scratch/err" </dev/null &
    pids+=("$!")
    sleep 0.5 # it is armed
    perf record -q -e cpu-clock --call-graph dwarf,24576 -F "$hz" -p "$pid" \
        -o "$scratch/perf.data" -- sleep "$seconds" >"$scratch/said" 2>&1 || cat "$scratch/said"
    wait "${pids[-1]}"
    tests/targets/target.sh stop "$name"
    perf script -i "$scratch/perf.data" --no-inline -F ip,sym,dso 2>/dev/null |
        perf_stacks >"$scratch/perf.stacks"
    folded_stacks "$scratch/ngstap.folded" >"$scratch/ngstap.stacks"
    shares "$scratch/perf.stacks" >"$scratch/perf.shares"
    shares "$scratch/ngstap.stacks" >"$scratch/ngstap.shares"
    echo "# samples: perf's $(samples "$scratch/perf.shares")," \
        "ngstap's $(samples "$scratch/ngstap.shares"); shares, difference, by chance:"
    compare_shares "$scratch/perf.shares" "$scratch/ngstap.shares" >"$scratch/compared"
    sed 's/^/# /' "$scratch/compared"
    (($(samples "$scratch/perf.shares") > 1000 && $(samples "$scratch/ngstap.shares") > 1000)) &&
        awk '{ by = $4 < 0 ? -$4 : $4; if (by > 2 + $5) { bad++; print "# too far: " $1 } }
            END { exit NR != 20 || bad }' "$scratch/compared"
}
check 'nginx by TLS: the 20 widest functions' same_shares
finish
