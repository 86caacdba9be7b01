#!/bin/bash
# shellcheck disable=SC2016 # scripts have dollars of their own
#
# The stap back end on Debian's 6.1 and on 5.10, whose eBPF does not suffice: modules are made here,
# by stap and with the headers of those kernels, and run there, by ngstap and by staprun
# (in-stap.sh).
#
# Needs stap, gcc, qemu and kernels (run.sh, kernel.sh); NGSTAP_TARGETS (tests/targets/build.sh
# prints it) for the Lua stacks. About 4 minutes. Prints TAP.

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

# Whose hits a module counts: in each of two families four workers take the processor's time and,
# when they are told, call work() 100 times.
cat >"$scratch/scope.stp" <<'END'
global n, mine, calls, of, called, ticks
probe timer.profile { n++; of[pid()]++; if (pid() == target()) mine++ }
probe process(@1).function("work") { calls++; called[pid()]++ }
probe timer.ms(200) { if (!ticks++) println("tick") }
probe end {
    printf("n=%d mine=%d calls=%d\n", n, mine, calls)
    foreach (p in of) printf("of %d %d\n", p, of[p])
    foreach (p in called) printf("called %d %d\n", p, called[p])
}
END
cat >"$scratch/family.c" <<'END'
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((noinline)) long work(long n)
{
    __asm__ volatile("" ::: "memory");
    return n + 7;
}
static void told(int sig)
{
    for (int i = 0; i < 100; i++)
        work(i + sig);
}
int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 4;
    signal(SIGUSR1, told);
    alarm(900);
    for (int i = 0; i < n; i++)
        if (!fork()) {
            alarm(900);
            for (;;)
                ;
        }
    for (;;)
        pause();
}
END
${CC:-cc} -g -O1 -o "$scratch/family" "$scratch/family.c"

# make_module NAME ARGUMENT...: NAME.ko in the shared folder.
make_module() {
    local name=$1
    shift
    status=0
    (cd "$share" && XDG_CACHE_HOME=$share/cache timeout 600 "$ngstap" -v --backend=stap -p4 -m \
        "$name" -r "$headers" -I "$top/tapset" "$@") \
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
    for name in vm_script vm_ticks_module vm_t; do
        check "$1: $name is made" make_module $name "$share/ticks.stp"
    done
    cp "$scratch/scope.stp" "$scratch/family" "$share"
    "$share/family" 1 </dev/null >/dev/null 2>&1 &
    family=$!
    pids+=("$family")
    sleep 0.2
    read -r worker <"/proc/$family/task/$family/children" || [[ $worker ]]
    pids+=("$worker")
    kill -STOP "$worker"
    check "$1: vm_scope is made" make_module vm_scope "$share/scope.stp" "$share/family" -x \
        "$worker"
    check "$1: vm_master is made" make_module vm_master "$share/scope.stp" "$share/family" \
        --master "$family"
    kill -KILL "$family" "$worker"
    check "$1: vm_error is made" make_module vm_error -e 'probe begin { error("as it must") }'
    if [[ -n ${NGSTAP_TARGETS:-} ]]; then
        start_profiled luajit gc64 interp
        check "$1: lj-lua-stacks is made" make_module vm_stacks "$top/samples/lj-lua-stacks.sxx" \
            -x "$pid" --arg time=3
        stop_target
    fi
    vm_options=(-s "$share")
    in_vm "$1" 600 tests/vm/in-stap.sh "$headers" "$2"
    vm_options=()
}

on_kernel bookworm asked
on_kernel bullseye auto
finish
