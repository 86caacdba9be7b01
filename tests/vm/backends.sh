#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# Each back end is the other's judge: the same script as eBPF and as a SystemTap module, made here
# by stap, in one VM (in-backends.sh). What uprobes see must be what the target says, in both.
# Profiles of the same load must agree within sampling noise, at a level of 0.01 for all of them
# together, or within 3 points (../homogeneous.awk); and each of them with the target's own account.
# On 6.1; on 5.10, where eBPF does not suffice, modules alone.
#
# Needs stap, gcc, qemu and kernels (run.sh, kernel.sh), NGSTAP_TARGETS (tests/targets/build.sh
# prints it). About 6 minutes. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../shares.sh
. tests/shares.sh

# --- the test itself: known quantiles of chi-square, profiles that agree and that do not
# ------------------

tail_is() { # CHI-SQUARE FREEDOM P
    awk -v quantile="$1 $2" -f tests/homogeneous.awk |
        awk -v p="$3" '{ exit !($1 - p < 1e-4 && p - $1 < 1e-4) }'
}
for known in '3.841459 1 0.05' '10.827566 1 0.001' '18.307038 10 0.05' '124.342113 100 0.05' \
    '29.588298 10 0.001'; do
    # shellcheck disable=SC2086 # three words
    check "chi-square $known" tail_is $known
done
two_stacks() { printf '@a\n@b\n\t%d\n@c\n@b\n\t%d\n@d\n\t3\n' "$1" "$2"; }
verdict() { # A-HOT A-COLD B-HOT B-COLD
    two_stacks "$1" "$2" >"$scratch/a"
    two_stacks "$3" "$4" >"$scratch/b"
    awk -v alpha=0.001 -f tests/homogeneous.awk "$scratch/a" "$scratch/b" >"$scratch/out"
}
differs() { ! verdict "$@" && printed '^differ'; }
check 'profiles that are the same agree' verdict 2000 2000 2000 2000
check 'noise agrees' verdict 2000 2000 2060 1940
check '2 points more than noise agree' verdict 8000 8000 7680 8320
check '5 points in 4,000 samples differ' differs 2000 2000 2200 1800
check 'other stacks differ' differs 4000 0 0 4000
check 'few samples are no agreement' test "$(verdict 100 100 100 100 || echo $?)" = 2

command -v stap >/dev/null || { skip 'modules' 'no stap: apt-get install systemtap'; finish; }
[[ -n ${NGSTAP_TARGETS:-} ]] || { skip 'modules' 'NGSTAP_TARGETS is not set'; finish; }

# --- modules, each for any process with the same builds
# ----------------------------------------------------

seconds=6
top=$PWD

# make_module NAME ARGUMENT...: NAME.ko in the shared folder.
make_module() {
    status=0
    (cd "$share" && timeout 900 "$ngstap" --backend=stap -p4 -m "$1" -r "$headers" -I \
        "$top/tapset" -x "$pid" "${@:2}") \
        >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    [[ $status == 0 && -s $share/$1.ko ]]
}

on_kernel() { # SUITE both|stap
    local kind
    headers=$(tests/vm/kernel.sh headers "$1" 2>"$scratch/err") || {
        skip "$1: modules" "$(tail -n 1 "$scratch/err")"
        return
    }
    # A fifo that it has open for writing, too, never ends.
    "$share/calls" 0<>"$scratch/never" >"$scratch/calls.out" &
    pid=$!
    pids+=("$pid")
    until [[ /proc/$pid/exe -ef $share/calls ]]; do sleep 0.01; done
    check "$1: calls.stp becomes a module" make_module calls "$top/tests/calls/calls.stp"
    kill "$pid"
    # shellcheck disable=SC2034 # start_profiled reads it
    target_seconds=900
    for kind in luajit nginx; do
        start_profiled "$kind" gc64 interp
        check "$1: lj-lua-stacks becomes a module, for $kind" make_module "stacks_$kind" \
            "$top/samples/lj-lua-stacks.sxx" --arg min=0 --arg limit=100000 --arg time="$seconds"
        stop_target
    done
    vm_options=(-i -s "$share")
    in_vm "$1" 900 tests/vm/in-backends.sh "$2" "$seconds"
}

share=$scratch/share
mkdir "$share"
mkfifo "$scratch/never"
${CC:-cc} -g -O1 -o "$share/calls" tests/calls/target.c
${CC:-cc} -O1 -o "$share/jitter" tests/vm/jitter.c
on_kernel bookworm both
on_kernel bullseye stap
finish
