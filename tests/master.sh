#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# --master: the workers that are there and those that are started later are looked at, others are
# not; the session goes on while workers come and go, and ends with the master.
#
# Needs root, eBPF, a kernel with BTF, a C compiler. About 4 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -r /sys/kernel/btf/vmlinux ]] || skip_all 'this kernel has no BTF'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

# One worker at a time, each for half a second; five of them, then the end.
cat >"$scratch/target.c" <<'END'
#include <sys/wait.h>
#include <unistd.h>
long seen = 7;
__attribute__((noinline)) long work(long generation)
{
    __asm__ volatile("" ::: "memory");
    return generation + seen;
}
int main(int argc, char **argv)
{
    for (long generation = 10 * argc - 9; generation <= 10 * argc - 5; generation++) {
        if (!fork())
            for (int i = 0;; i++) {
                if (i == 250)
                    _exit(0);
                work(generation);
                usleep(2000);
            }
        wait(NULL);
    }
    return 0;
}
END
${CC:-cc} -g -O1 -fPIE -pie -o "$scratch/target" "$scratch/target.c"
cat >"$scratch/script.sxx" <<'END'
global of, wrong
probe process("$^exec_path").function("work") {
    if ($^pid_ok) {
        of[$generation]++
        if (@var("seen") != 7) wrong++
    }
}
probe end { printf("generations"); foreach (g+ in of) printf(" %d", g);
printf(", wrong %d\n", wrong) }
END
"$scratch/target" other & # not ours to look at: generations 11 to 15
pids+=("$!")
sleep 0.7
"$scratch/target" &
master=$!
pids+=("$master")
until [[ -n $(<"/proc/$master/task/$master/children") ]]; do sleep 0.01; done
trace "$scratch/script.sxx" --master "$master"
check 'workers that were there and those to come' printed '^generations 1 2 3 4 5, wrong 0$'
check 'the session ends with the master' said 'all target processes exited'

"$scratch/target" &
master=$!
pids+=("$master")
until [[ -n $(<"/proc/$master/task/$master/children") ]]; do sleep 0.01; done
trace --dump-src "$scratch/script.sxx" --master "$master"
check 'what stap++ would make of it, in a dump' printed 'if [(][(]pid[(][)] == [0-9]+[)][)] [{]'
finish
