#!/bin/bash
# shellcheck disable=SC2154,SC2317 # variables of start_target; check
#
# A start on a target without debug information, whose types are known by layouts, is no slower than
# one on the same target with it: armed after 1.25 times as long at most, with empty caches and with
# filled ones. Starts go by turns, and the shortest of each counts: a machine with other work makes
# any start longer, none shorter.
#
# Needs root, eBPF and NGSTAP_TARGETS. About 30 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 && -n ${NGSTAP_TARGETS:-} ]] || skip_all 'needs root and NGSTAP_TARGETS'
export DEBUGINFOD_URLS=''

# armed PID CACHE: how many ms after its start.
armed() {
    XDG_CACHE_HOME=$2 "$ngstap" flame -v -x "$1" -t 0.1 -o "$scratch/x.svg" >"$scratch/out" \
        2>"$scratch/err" || : # it may not have run in that time: there is nothing to draw then
    sed -nE 's/^armed ([0-9]*)\.([0-9]{3}) s .*/\1\2/p' "$scratch/err"
}
# turns FILLED|EMPTY: appends to $scratch/with and $scratch/without.
turns() {
    local cache=$scratch/cache one
    for _ in {1..9}; do
        for one in with without; do
            [[ $1 = FILLED ]] || cache=$(mktemp -d "$scratch/XXXXXX")
            armed "${pid_of[$one]}" "$cache" >>"$scratch/$one" || return
        done
    done
}
least() { echo "$((10#$(sort -n "$1" | head -n 1)))"; }
as_fast() { # FILLED|EMPTY
    local with without
    rm -f "$scratch/with" "$scratch/without"
    for _ in 1 2 3; do
        turns "$1" || return
        with=$(least "$scratch/with") without=$(least "$scratch/without")
        echo "# armed after $without ms by layouts, $with ms with debug information"
        ((4 * without > 5 * with)) || return 0
    done
    return 1
}

declare -A pid_of
compare() { # PROGRAM VARIANT
    start_target "$1" gc64 interp 120
    pid_of[with]=$pid
    start_target "$1" "$2" interp 120
    pid_of[without]=$pid
    sleep 2.2 # what changed a moment ago is not kept
    armed "${pid_of[with]}" "$scratch/cache" >/dev/null
    armed "${pid_of[without]}" "$scratch/cache" >/dev/null
    check "$1, $2: by layouts" said 'layouts of .* fit its memory'
    armed "${pid_of[without]}" "$scratch/cache" >/dev/null
    check '... out of the cache' said 'took the object from the cache'
    check '... with filled caches: as soon as with debug information' as_fast FILLED
    check '... with empty ones, too' as_fast EMPTY
    tests/targets/target.sh stop "${names[0]}"
    tests/targets/target.sh stop "${names[1]}"
    names=()
}
compare nginx stripped
compare luajit headless
finish
