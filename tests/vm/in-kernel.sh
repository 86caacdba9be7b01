#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# Run in a VM by kernels.sh: the eBPF object on the kernel that has been booted.
#
#   tests/vm/in-kernel.sh may_goto|bpf_loop few|code
#       how loops are to be made there: by itself, that is; which profiles: two, or those whose eBPF
#       differs, too
#   tests/vm/in-kernel.sh none
#       eBPF cannot loop there, and ngstap must say so
#
# Profiles are judged by shares.sh. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
# shellcheck source-path=SCRIPTDIR source=../shares.sh
. tests/shares.sh

# Time goes by while the VM computes slowly: what must not take for ever may take this long.
trace_seconds=120

cat >"$scratch/loop.stp" <<'END_OF_SCRIPT'
global turns
probe timer.profile { for (i = 0; i < 100; i++) turns++ }
probe timer.s(1) { exit() }
probe end { printf("%s\n", turns && turns % 100 == 0 ? "whole" : sprintf("%d", turns)) }
END_OF_SCRIPT

made_with() { # ENCODING: which of the two the instructions have
    grep -oE 'may_goto|call bpf_loop|call bpf_for_each_map_elem' "$scratch/out" |
        sort -u >"$scratch/found"
    [[ $(sed 's/^call //' "$scratch/found") == "$1" ]]
}

loops() { # OPTION...
    trace "$@" "$scratch/loop.stp"
    check "a loop ${*:+with $*}: runs" test "$status" = 0
    check "a loop ${*:+with $*}: to its end" printed '^whole$'
}

can_loop() { # ENCODING HOW-MANY
    trace --dump-bpf "$scratch/loop.stp"
    check "loops are made by $1" made_with "$1"
    loops
    loops --no-feature may_goto
    loops --no-feature may_goto --no-feature bpf_loop

    judge_shares luajit gc64 interp
    judge_shares nginx gc64 coroutine
    [[ $2 != few ]] || return 0
    judge_shares nginx gc32 jit
    # The oldest way to loop, on the widest script there is.
    judge_shares luajit gc64 interp --no-feature may_goto --no-feature bpf_loop
    judge_depth

    start_profiled nginx gc64 app
    for sample in lj-vm-states lj-gc lj-lua-bt; do
        options=()
        [[ $sample != lj-vm-states ]] || options=(--arg time=2)
        trace "samples/$sample.sxx" -x "$pid" "${options[@]}"
        check "$sample: ends well" test "$status" = 0
        check "$sample: prints" test -s "$scratch/out"
    done
    stop_target
}

cannot_loop() {
    start_profiled luajit gc64 jit
    trace --backend=bpf samples/lj-lua-stacks.sxx -x "$pid" --arg time=1
    stop_target
    check 'lj-lua-stacks is refused' test "$status" = 1
    check '... at its place, saying what the kernel lacks' said \
        '^samples/lj-lua-stacks\.sxx:[0-9]+:[0-9]+: error: .* \[kernel\]$'
    check '... and what to do' said '^hint: .*--backend=stap'
    check '... and nothing runs' test ! -s "$scratch/out"
}

case ${1:-} in
may_goto | bpf_loop) can_loop "$1" "$2" ;;
none) cannot_loop ;;
*) exit 2 ;;
esac
finish
