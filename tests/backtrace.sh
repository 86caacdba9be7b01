#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# The kernel's stack: what a task waits in is what /proc/PID/stack says, from a tracepoint with each
# way of looping; a tick in the kernel lies in a system call's functions; in a program's own code
# there is none. Needs root and eBPF. About 10 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'

# A program that waits, and prints its stack in the kernel when somebody has seen it wait.
cat >"$scratch/wait.sh" <<'END'
sleep 2 &
sleep 1
cat /proc/$!/stack >"$1"
wait
END

# Of the functions that the kernel says the task waits in, innermost first, none is missing behind
# those of the scheduler.
waits() { # OPTION...
    trace "$@" -c "bash $scratch/wait.sh $scratch/stack" -e '
        probe kernel.trace("sched_switch") {
            if (execname() == "sleep" && $prev->__state) last = sprint_backtrace()
            if (last != "") all[tid()] = last
        }
        global all
        probe end { foreach (t in all) print(all[t]) }'
    sed -E 's/^\[<[0-9a-f]+>\] //; s/\+.*//' "$scratch/stack" >"$scratch/want"
    sed -E 's/\+.*//' "$scratch/out" >"$scratch/got"
    [[ -s $scratch/want ]] &&
        diff "$scratch/want" <(tail -n "$(wc -l <"$scratch/want")" "$scratch/got")
}
check 'what a task waits in' waits
check '... with loops by bpf_loop' waits --no-feature=may_goto
check '... by bpf_for_each_map_elem' waits --no-feature=may_goto --no-feature=bpf_loop

# The text of all frames, of the first ones, and one alone say the same.
parts() {
    last_line_is 'same' -c /bin/true -e '
        probe kernel.trace("sched_process_exit") {
            two = sprintf("0x%x 0x%x", stack(0), stack(1))
            same = callers(2) == two && isinstr(backtrace(), two . " ") == 1 &&
                caller_addr() == stack(1) && stack(1000) == 0 && stack(-1) == 0 &&
                callers(0) == "" && caller() == sprintf("%s 0x%x", symname(stack(1)), stack(1))
            exit()
        }
        global same
        probe end { println(same ? "same" : "not") }'
}
check 'all frames, the first ones, one' parts

in_kernel() {
    trace -c 'dd if=/dev/zero of=/dev/null bs=1 count=600000 status=none' -e '
        global wrong, all
        probe timer.profile {
            if (user_mode()) wrong += backtrace() != ""
            else all[sprint_backtrace()]++
        }
        probe end { foreach (stack in all) printf("%s%d ticks\n", stack, all[stack])
            println(wrong, " wrong") }'
    printed '^0 wrong$' && awk '/^do_syscall_64\+/ { call = 1 }
        / ticks$/ { all += $1; if (call) in_call += $1; call = 0 }
        END { print "# " in_call " of " all; exit !(all > 5 && in_call > all / 2) }' "$scratch/out"
}
check 'ticks' in_kernel
last_line_is '0 ""' -e 'probe begin { printf("%d \"%s\"\n", stack(0), backtrace()); exit() }' &&
    nothing=yes || nothing=no
check 'in user space there is none' test "$nothing" = yes
finish
