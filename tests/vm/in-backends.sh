#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# Run in a VM by backends.sh: the same scripts by both back ends, on the same targets. The modules
# calls.ko, stacks_luajit.ko and stacks_nginx.ko, calls' target, and jitter lie in $VM_SHARE.
#
#   tests/vm/in-backends.sh both|stap SECONDS    SECONDS being how long the modules profile
#
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
# shellcheck source-path=SCRIPTDIR source=../shares.sh
. tests/shares.sh

# shellcheck disable=SC2034 # shares.sh and tap.sh read them
trace_seconds=120 target_seconds=120
which=$1 seconds=$2
# One chance of a hundred that any of the comparisons fails by chance alone.
alpha=$(awk 'BEGIN { print 0.01 / 6 }')

# --- uprobes: one run of the target, which says what was to be seen ---------------------------

# count_by NAME ARGUMENT...: ngstap in the background.
count_by() {
    local name=$1
    shift
    "$ngstap" -I tapset -T 100 -x "$pid" "$@" >"$scratch/$name.out" 2>"$scratch/$name.err" \
        </dev/null &
    tracers+=($!)
    pids+=($!)
}

bpf_armed() { readlink "/proc/${tracers[0]}/fd/"* | grep -q 'perf_event\|bpf_link'; }
stap_armed() { lsmod | grep -q '^calls '; }
wait_for() {
    for _ in {1..300}; do
        ! "$@" || return 0
        sleep 0.1
    done
}

says() { # NAME: what the target says
    cp "$scratch/$1.out" "$scratch/out"
    cp "$scratch/$1.err" "$scratch/err"
    diff "$scratch/truth" "$scratch/out" >"$scratch/diff" || {
        sed 's/^/# /' "$scratch/diff"
        return 1
    }
}

count_calls() {
    local tracer
    tracers=()
    mkfifo "$scratch/gate"
    "$VM_SHARE/calls" <"$scratch/gate" >"$scratch/truth" &
    pid=$!
    pids+=("$pid")
    exec 4>"$scratch/gate"
    until [[ /proc/$pid/exe -ef $VM_SHARE/calls ]]; do sleep 0.01; done
    if [[ $which == both ]]; then
        count_by bpf tests/calls/calls.stp
        wait_for bpf_armed
    fi
    count_by stap "$VM_SHARE/calls.ko"
    wait_for stap_armed
    sleep 3
    echo >&4
    exec 4>&-
    wait "$pid" || :
    sleep 1
    for tracer in "${tracers[@]}"; do
        kill -INT "$tracer" 2>/dev/null || :
    done
    for tracer in "${tracers[@]}"; do
        wait "$tracer" || :
    done
    check 'the target makes its calls' grep -q '^calls 40$' "$scratch/truth"
    [[ $which != both ]] || check 'uprobes: eBPF sees what the target says' says bpf
    check 'uprobes: the module sees what the target says' says stap
}

# --- profiles -----------------------------------------------------------------------------------

# How a C function is named differs: a module knows no symbols (docs/differences.md).
without_names() { sed 's/^C:.*/C:/' "$1" >"$2"; }

# compare WHAT: the profiles in bpf and module.
compare() {
    local said
    without_names "$scratch/bpf" "$scratch/a"
    without_names "$scratch/module" "$scratch/b"
    said=$(awk -v alpha="$alpha" -f tests/homogeneous.awk "$scratch/a" "$scratch/b" 2>&1) || :
    check "$1: both back ends $(head -n 1 <<<"$said")" grep -q '^agree:' <<<"$said"
    tail -n +2 <<<"$said" | cut -c 1-300 | sed 's/^/# /'
}

judge_both() { # KIND MODE
    local what="$1 gc64, $2" script=("${profiler[@]}")
    start_profiled "$1" gc64 "$2"
    if [[ $which == both ]]; then
        take_profile --arg time="$seconds"
        check_shares "$what, eBPF" "$2"
        cp "$scratch/out" "$scratch/bpf"
    fi
    profiler=("$VM_SHARE/stacks_$1.ko")
    take_profile
    check_shares "$what, module" "$2"
    cp "$scratch/out" "$scratch/module"
    profiler=("${script[@]}")
    stop_target
    [[ $which != both ]] || compare "$what"
}

count_calls
# Else ticks resonate with the loops that they sample.
"$VM_SHARE/jitter" &
pids+=($!)
if [[ $which == both ]]; then
    for mode in interp jit gsub coroutine; do
        judge_both luajit "$mode"
    done
    judge_both nginx coroutine
    judge_both nginx interp
else
    judge_both luajit interp
    judge_both nginx jit
fi
finish
