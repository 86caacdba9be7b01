#!/bin/bash
# shellcheck disable=SC2016 # scripts have dollars of their own
#
# The stap back end on Debian's 6.1 and on 5.10, whose eBPF does not suffice: modules are made here, by stap and with
# the headers of those kernels, and run there, by ngstap and by staprun (in-stap.sh).
#
# Needs stap, gcc, qemu and kernels (run.sh, kernel.sh); NGSTAP_TARGETS (tests/targets/build.sh prints it) for the
# Lua stacks. About 4 minutes. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR/.. source=../shares.sh
. tests/shares.sh

command -v stap >/dev/null || skip_all 'no stap: apt-get install systemtap'

top=$PWD
cat >"$scratch/ticks.stp" <<'END'
probe begin { printf("hello %d\n", target()) }
probe timer.ms(200) { printf("tick\n") }
probe end { printf("bye\n") }
END

# make_module NAME ARGUMENT...: NAME.ko in the shared folder.
make_module() {
    local name=$1
    shift
    status=0
    (cd "$share" && timeout 600 "$ngstap" -v --backend=stap -p4 -m "$name" -r "$headers" -I "$top/tapset" "$@") \
        >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    [[ $status = 0 && -s $share/$name.ko ]]
}

on_kernel() { # SUITE auto|asked
    headers=$(tests/vm/kernel.sh headers "$1" 2>"$scratch/err") || {
        skip "$1: modules" "$(tail -n 1 "$scratch/err")"
        return
    }
    share=$scratch/$1
    mkdir -p "$share/cache"
    cp "$scratch/ticks.stp" "$share"
    export XDG_CACHE_HOME=$share/cache
    for name in vm_script vm_ticks_module vm_t; do
        check "$1: $name is made" make_module $name "$share/ticks.stp"
    done
    check "$1: vm_error is made" make_module vm_error -e 'probe begin { error("as it must") }'
    if [[ -n ${NGSTAP_TARGETS:-} ]]; then
        start_profiled luajit gc64 interp
        check "$1: lj-lua-stacks is made" make_module vm_stacks "$top/samples/lj-lua-stacks.sxx" -x "$pid" --arg time=3
        stop_target
    fi
    vm_options=(-s "$share")
    in_vm "$1" 600 tests/vm/in-stap.sh "$headers" "$2"
    vm_options=()
}

on_kernel bookworm asked
on_kernel bullseye auto
finish
