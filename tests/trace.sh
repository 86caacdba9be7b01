#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Tracepoints of the kernel: how often a program forks and calls the kernel is what it says itself,
# what the tracepoint hands over is what it did, and another process that does the same is not
# counted. Needs root, eBPF, the kernel's BTF and a C compiler. About 10 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -r /sys/kernel/btf/vmlinux ]] || skip_all 'this kernel has no BTF'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

cat >"$scratch/target.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
/* Forks argv[1] times, then asks argv[2] times for its session; prints the sum of the arguments. */
int main(int argc, char **argv)
{
    long sum = 0;
    for (int i = 0; i < atoi(argv[1]); i++) {
        pid_t child = fork();
        if (!child)
            _exit(0);
        sum += child;
        waitpid(child, NULL, 0);
    }
    for (long i = 0; i < atol(argv[2]); i++)
        syscall(SYS_getsid, 0, i);
    printf("%ld\n", sum);
    return 0;
}
END
${CC:-cc} -O1 -o "$scratch/target" "$scratch/target.c"
getsid=$(printf '#include <sys/syscall.h>\nSYS_getsid\n' | ${CC:-cc} -E -P - | tail -1)

forks() { # ARGUMENT...
    run_once "$@" -c "$scratch/target 200 0" -e '
        global n, sum, mine
        probe kernel.trace("sched:sched_process_fork") { n++; sum += $child->pid; mine += $parent->tgid == pid() }
        probe end { printf("%d %d %d\n", n, mine, sum) }' &&
        [[ $(tail -1 "$scratch/out") = "200 200 $(head -1 "$scratch/out")" ]]
}
check 'each fork of a program, and its child' forks
check '... with loops by bpf_loop' forks --no-feature=may_goto

calls() {
    last_line_is '3000 4498500 1 1' -c "$scratch/target 0 3000" -e '
        global n, sum, names, same = 1
        probe kernel.trace("sys_enter") {
            if ($id != '"$getsid"') next
            n++; sum += $regs->si; names[execname(), pp(), user_mode()]++
            same = same && u_register("rip") == $regs->ip && uaddr() == $regs->ip && ulong_arg(2) == $regs->si
        }
        probe end {
            foreach ([name, point, mode] in names) k++
            printf("%d %d %d %d\n", n, sum, same,
                names["target", "kernel.trace(\"sys_enter\")", 0] == n && k == 1)
        }'
}
check "each system call, its arguments, and the program's registers" calls
no_registers() {
    fails_with 'cannot access CPU registers in this context' --no-feature=task_pt_regs -c "$scratch/target 0 10" \
        -e 'probe kernel.trace("sys_enter") { println(u_register("rip")) }'
}
check "... without the task's registers these are an error" no_registers

# Another process calls as often meanwhile.
others() {
    local mine other traced
    mkfifo "$scratch/go"
    sh -c 'read -r _ <"$1"; exec "$2" 0 2000' sh "$scratch/go" "$scratch/target" >/dev/null &
    mine=$!
    pids+=("$mine")
    (while :; do "$scratch/target" 0 2000; done) >/dev/null &
    other=$!
    pids+=("$other")
    timeout 60 "$ngstap" -v -x "$mine" -e '
        global n, others
        probe kernel.trace("sys_enter") { if ($id == '"$getsid"') { n++; others += pid() != target() } }
        probe kernel.trace("sched_process_exit") { if (pid() == target()) exit() }
        probe timer.ms(100) { println("armed") }
        probe end { printf("%d %d\n", n, others) }' >"$scratch/out" 2>"$scratch/err" &
    traced=$!
    pids+=("$traced")
    for _ in {1..400}; do
        ! grep -q armed "$scratch/out" || break
        sleep 0.05
    done
    echo go >"$scratch/go"
    wait "$traced" || return 1
    kill "$other"
    [[ $(tail -1 "$scratch/out") = '2000 0' ]]
}
check 'what other processes do is not counted' others

cat >"$scratch/both" <<END2
#!/bin/sh
$scratch/target 20 0
exit 0
END2
chmod +x "$scratch/both"
check 'a wildcard: a handler for each, and their names' last_line_is '21 1 22' -c "$scratch/both" -e '
    global n
    probe kernel.trace("sched_process_[ef]*") { n[probefunc()]++ }
    probe end { printf("%d %d %d\n", n["sched_process_fork"], n["sched_process_exec"],
        n["sched_process_exit"]) }'
check '$$name is the tracepoint' last_line_is '21 22' -c "$scratch/both" -e '
    global n
    probe kernel.trace("sched_process_[ef]*") { n[$$name]++ }
    probe end { println(n["sched_process_fork"], " ", n["sched_process_exit"]) }'
counted() {
    run_once -t -c "$scratch/both" -e 'probe kernel.trace("sched_process_fork") { }' &&
        grep -q '^hits: 21, ' "$scratch/err"
}
check '-t counts hits' counted
check '... that matches too many' fails_with "tracepoints; at most 100 can be probed" -e 'probe kernel.trace("*") {}'

# A handler that takes long is interrupted, and what interrupts it frees memory, too. What the
# kernel has counted (recursion_misses) by the end handler it tells in /proc.
left_out() {
    local told
    timeout 60 "$ngstap" --suppress-time-limits -g -T 20 -c 'timeout 3 sh -c "while :; do /bin/true; done"' -e '
        global n, spent
        probe kernel.trace("kfree") {
            for (i = 0; i < 3000; i++) spent = i
            n++
        }
        probe end {
            println(n > 100)
            system(sprintf("sed -n s/^recursion_misses:.//p /proc/%d/fdinfo/*", stp_pid()))
        }' >"$scratch/out" 2>"$scratch/err" || :
    told=$(awk 'NR > 1 { n += $1 } END { print n + 0 }' "$scratch/out")
    echo "# $told by the end handler"
    [[ $(head -n 1 "$scratch/out") = 1 ]] && ((told > 0)) &&
        awk -v told="$told" '
            /Number of errors: 0, skipped probes: / { skipped = $NF }
            /skipped probes, of any process, were left out by the kernel/ { left = $2 }
            END { exit !(left >= told && left == skipped) }' "$scratch/err"
}
check 'hits that the kernel leaves out are skipped probes' left_out

check 'the place of code that was interrupted, which there is none' fails_with 'the address cannot be told' \
    -e 'probe kernel.trace("sched_switch") { println(addr()) }'

object() {
    (cd "$scratch" && timeout 60 "$ngstap" --backend=bpf -p4 -m traced -e '
        global n
        probe kernel.trace("sched_process_fork") { n += $parent != 0 }
        probe end { println(n) }') >"$scratch/out" 2>"$scratch/err" && last_line_is 30 -c "$scratch/target 30 0" "$scratch/traced.bpf.o"
}
check 'an object of its own' object

check 'a kernel without raw tracepoints is named' fails_with "lacks 'raw_tracepoint', which is there since Linux 4.17" \
    --backend=bpf --no-feature=raw_tracepoint -e 'probe kernel.trace("sched_switch") { exit() }'

# A kernel that does not tell its types: an empty file in the place of its BTF.
bare() {
    : >"$scratch/empty"
    unshare -m sh -c 'mount --bind "$1" /sys/kernel/btf/vmlinux && shift && exec "$@"' sh "$scratch/empty" timeout 60 "$ngstap" \
        "$@" >"$scratch/out" 2>"$scratch/err"
}
counted_bare() {
    bare -c "$scratch/target 50 0" -e '
        global n probe kernel.trace("sched_process_fork") { n++ } probe end { println(n) }' &&
        [[ $(tail -1 "$scratch/out") = 50 ]]
}
said_bare() { # STRING SCRIPT
    ! bare -e "$2" && grep -qF -e "$1" "$scratch/err"
}
if unshare -m true 2>/dev/null; then
    check 'without BTF events are counted' counted_bare
    check '... a name that the kernel has not is told when it is armed' \
        said_bare "this kernel has no tracepoint 'no_such_event'" 'probe kernel.trace("no_such_event") { exit() }'
    check '... and nothing is known of parameters' \
        said_bare 'this kernel does not tell its types' 'probe kernel.trace("sched_switch") { println($prev) }'
else
    skip 'without BTF' 'no mount namespace can be made'
fi
finish
