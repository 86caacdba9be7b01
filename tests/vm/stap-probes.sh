#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# Function probes of the stap back end, in a file that is stripped, at entries and at returns, with
# values that are kept from the one to the other: modules are made here, for kernels of which only
# the headers are there, no System.map; they run in VMs (in-stap-probes.sh), on 6.1 and 5.10. And on
# 6.1 a profile of an nginx in a container.
#
# Needs root, stap, gcc, objcopy, qemu and kernels (run.sh, kernel.sh); NGSTAP_TARGETS for the
# container. About 3 minutes. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

# shellcheck source-path=SCRIPTDIR source=../targets/common.sh
. tests/targets/common.sh

[[ $UID = 0 ]] || skip_all 'needs root'
command -v stap >/dev/null || skip_all 'no stap: apt-get install systemtap'
command -v objcopy >/dev/null || skip_all 'no objcopy: apt-get install binutils'

top=$PWD share=$scratch/share
mkdir -p "$share/.debug" "$scratch/tmp-cache"
${CC:-cc} -g -O2 -pthread -o "$share/target" tests/returns/target.c
objcopy --only-keep-debug "$share/target" "$share/.debug/target.debug"
strip "$share/target"
objcopy --add-gnu-debuglink="$share/.debug/target.debug" "$share/target"
check 'the target has no symbols' test -z "$(nm "$share/target" 2>/dev/null)"

# make_module NAME ARGUMENT...: NAME.ko in the shared folder. A handler waits a second for the
# script's variables, as the VM's other processor may stand still while it holds them.
make_module() {
    status=0
    (cd "$share" && XDG_CACHE_HOME=$scratch/tmp-cache timeout 600 "$ngstap" -v --backend=stap -p4 \
        -m "$1" -r "$headers" -D MAXTRYLOCK=100000 \
        -I "$top/tapset" "${@:2}") >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    [[ $status = 0 && -s $share/$1.ko ]]
}

# The container's image lies in the cache then, where the VM can only read.
profile_container() { # SUITE
    local all
    [[ -n ${NGSTAP_TARGETS:-} ]] || {
        skip "$1: a profile of a container" 'NGSTAP_TARGETS is not set'
        return
    }
    all=$(tests/targets/container.sh start namespaces gc64 interp 120 2>"$scratch/err") || {
        skip "$1: a profile of a container" "$(tail -n 1 "$scratch/err")"
        return
    }
    eval "$all"
    # shellcheck disable=SC2154 # container.sh says them
    check "$1: lj-lua-stacks for a container becomes a module" make_module container --sysroot \
        "$merged" \
        "$top/samples/lj-lua-stacks.sxx" -x "$pid" --arg time=5 --arg min=0
    tests/targets/target.sh stop "$name" 2>/dev/null
}

on_kernel() { # SUITE
    headers=$(tests/vm/kernel.sh headers "$1" 2>"$scratch/err") || {
        skip "$1: modules" "$(tail -n 1 "$scratch/err")"
        return
    }
    rm -f "$share"/*.ko
    "$share/target" &
    pid=$!
    pids+=("$pid")
    until [[ /proc/$pid/exe -ef $share/target ]]; do sleep 0.01; done
    check "$1: a return probe in a stripped file becomes a module" make_module returns \
        "$top/tests/returns/returns.stp" -x "$pid"
    check "$1: ... with a System.map of our own" said 'a build directory with a System.map'
    kill "$pid"
    [[ $1 != bookworm ]] || profile_container "$1"
    vm_options=(-s "$share")
    NGSTAP_CACHE=$NGSTAP_CACHE in_vm "$1" 300 tests/vm/in-stap-probes.sh
    vm_options=()
}

on_kernel bookworm
on_kernel bullseye
finish
