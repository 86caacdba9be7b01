#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# process.begin, .end, .thread.begin and .thread.end: a program that is compiled here says how often
# it forked, ran exec and made threads. Needs root, eBPF, the kernel's BTF and a C compiler; ends
# need Linux 6.16. About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -r /sys/kernel/btf/vmlinux ]] || skip_all 'this kernel has no BTF'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'
# Where it lacks, what is refused must say so.
"$ngstap" -I tapset -p2 -e 'probe process.end { println(1) }' >"$scratch/out" 2>"$scratch/err" || {
    check 'ends are refused, with what tells of them' said 'that is Linux 6.16'
    finish
}

cat >"$scratch/target.c" <<'END2'
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static void *work(void *p) { usleep(1000); return p; }
static void *last(void *p) { usleep(200000); return p; }
static void *wait_for(void *file) { while (access(file, F_OK)) usleep(10000); return NULL; }
/* target FORKS EXECS FAILED_EXECS VFORKS THREADS OTHER: does each so often; "target leader": its
 * first thread ends first; "target wait FILE THREADS": until there is FILE. */
int main(int argc, char **argv)
{
    pthread_t t;
    pid_t child;

    if (!strcmp(argv[1], "leader")) {
        pthread_create(&t, NULL, last, NULL);
        pthread_exit(NULL);
    }
    if (!strcmp(argv[1], "wait")) {
        for (int i = 0; i < atoi(argv[3]); i++)
            pthread_create(&t, NULL, wait_for, argv[2]);
        wait_for(argv[2]);
        return 0;
    }
    for (int i = 0; i < atoi(argv[1]); i++) {
        if (!(child = fork())) {
            if (i % 2)
                kill(getpid(), SIGKILL);
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
    for (int i = 0; i < atoi(argv[2]) + atoi(argv[3]); i++) {
        if (!(child = fork())) {
            execl(i < atoi(argv[2]) ? argv[6] : "/no/such", argv[6], NULL);
            _exit(1);
        }
        waitpid(child, NULL, 0);
    }
    for (int i = 0; i < atoi(argv[4]); i++) {
        if (!(child = vfork())) {
            execl(argv[6], argv[6], NULL);
            _exit(1);
        }
        waitpid(child, NULL, 0);
    }
    for (int i = 0; i < atoi(argv[5]); i++) {
        pthread_create(&t, NULL, work, NULL);
        pthread_join(t, NULL);
    }
    return 0;
}
END2
echo 'int main(void) { return 0; }' >"$scratch/other.c"
program=$scratch/target other=$scratch/other
${CC:-cc} -g -O1 -pthread -o "$program" "$scratch/target.c"
${CC:-cc} -g -O1 -o "$other" "$scratch/other.c"
cp "$other" "$scratch/copy"
chmod +x "$scratch/copy"
print='probe end { println(b, " ", e, " ", tb, " ", te) }'
all() { # PROCESS
    echo "global b, e, tb, te
        probe $1.begin { b++ } probe $1.end { e++ }
        probe $1.thread.begin { tb++ } probe $1.thread.end { te++ } $print"
}
# It itself, 5 forks, 3 and 2 that fail, 4 by vfork: 15; what exec succeeds begins once more.
command="$program 5 3 2 4 6 $other"
check 'what a program forks, runs and threads' last_line_is '22 22 6 6' -c "$command" \
    -e "$(all process)"
check "... of its own program" last_line_is '15 15 6 6' -c "$command" \
    -e "$(all "process(\"$program\")")"
check '... of another program that it runs' last_line_is '7 7 0 0' -c "$command" \
    -e "$(all "process(\"$other\")")"
check '... and not of a copy of it' last_line_is '0 0 0 0' -c "$command" \
    -e "$(all "process(\"$scratch/copy\")")"
check '... with loops by bpf_loop' last_line_is '22 22 6 6' --no-feature=may_goto -c "$command" \
    -e "$(all process)"

whole() {
    run_once -c "$command" -e '
        probe process("'"$other"'").begin {
            printf("begin %d %d %s %s\n", pid(), tid() == pid(), execname(), pp())
        }
        probe process("'"$other"'").function("main") { printf("main %d\n", pid()) }
        probe process("'"$other"'").end { printf("end %d\n", pid()) }' &&
        awk -v point="process(\"$other\").begin" '
            $1 == "begin" { if (state || $3 != 1 || $4 != "other" || $5 != point) exit 1 }
            $1 == "begin" { state = $2 }
            $1 == "main" { if (state != $2) exit 1; mains++ }
            $1 == "end" { if (state != $2) exit 1; state = 0; n++ }
            END { exit !(n == 7 && mains == 7) }' "$scratch/out"
}
check 'in the context of the process: begin, what it does, end' whole

leader() {
    run_once -c "$program leader" -e '
        probe process("'"$program"'").thread.end { println("thread ", tid() != pid()) }
        probe process("'"$program"'").end { println("end") }' &&
        [[ $(cat "$scratch/out") = $'thread 1\nend' ]]
}
check 'the end is that of the last thread' leader

there_already() {
    local one two
    rm -f "$scratch/go"
    "$program" wait "$scratch/go" 3 &
    one=$!
    "$program" wait "$scratch/go" 2 &
    two=$!
    pids+=("$one" "$two")
    sleep 0.3
    start_trace "$@" -e '
        global n
        probe process("'"$program"'").begin {
            println("begin ", pid(), " ", tid() == pid(), " ", execname(), " ", uid())
        }
        probe process("'"$program"'").thread.begin {
            println("thread ", pid(), " ", tid() != pid())
        }
        probe process("'"$program"'").end { println("end ", pid()) }
        probe timer.ms(100) { if (!n++) println("armed") }'
    touch "$scratch/go"
    wait "$one" "$two" || return 1
    sleep 0.3
    end_trace
    expected "$one" 3 >"$scratch/want"
    [[ $* = *-x* ]] || expected "$two" 2 >>"$scratch/want"
    sort "$scratch/want" | diff - <(grep -v armed "$scratch/out" | sort) >"$scratch/err"
}
expected() { # PID THREADS
    echo "begin $1 1 target 0"
    for ((i = 0; i < $2; i++)); do echo "thread $1 1"; done
    echo "end $1"
}
check 'processes that are there at the start, and their threads' there_already
target_alone() {
    rm -f "$scratch/go"
    "$program" wait "$scratch/go" 1 &
    pids+=("$!")
    run_once -T 1 -x "$!" -e '
        probe process.begin, process.thread.begin {
            println(pid() == target(), " ", tid() == pid()) }' &&
        [[ $(sort "$scratch/out") = $'1 0\n1 1' ]] &&
        run_once -T 1 -e 'probe process('"$!"').begin { println(pid() - '"$!"') }' &&
        [[ $(cat "$scratch/out") = 0 ]] &&
        run_once -T 1 -x "$!" -e 'probe process("'"$other"'").begin { println(1) }
            probe process.end { println(2) }' &&
        [[ ! -s $scratch/out ]]
}
check '... the target alone, by -x and by number' target_alone

everybody() {
    start_trace -e '
        global n, b, e
        probe process("'"$other"'").begin { b++ }
        probe process("'"$other"'").end { e++ }
        probe timer.ms(100) { if (!n++) println("armed") }
        probe end { println(b, " ", e) }'
    for _ in 1 2 3; do "$other"; "$scratch/copy"; done
    $command
    end_trace
    [[ $(tail -1 "$scratch/out") = '10 10' ]]
}
check 'without a target everybody that runs the program, and no copy' everybody

reads() {
    run_once -c "$program 1 1 0 0 0 $other" -e '
        probe process.begin {
            println("begin ", @cast(task_current(), "task_struct", "kernel")->tgid == pid()) }' &&
        said 'warning: what is there at the start is left out: for that the handler of process.begin' &&
        [[ $(cat "$scratch/out") = $'begin 1\nbegin 1\nbegin 1' ]]
}
check 'a handler that reads kernel memory: of what begins, and a warning' reads

for_stap() {
    run_once --dump-stap \
        -e 'probe process("'"$other"'").begin, process.thread.end { println(pp()) }' &&
        printed '^probe process\("'"$other"'"\)\.begin$' &&
        printed '^probe process\.thread\.end$' &&
        [[ $(grep -c ^probe "$scratch/out") = 2 ]]
}
check 'SystemTap gets the points themselves' for_stap
lists() {
    run_once -l 'process("'"$other"'").*.begin' &&
        [[ $(cat "$scratch/out") = "process(\"$other\").thread.begin" ]] &&
        run_once -l 'process.begin' && [[ $(cat "$scratch/out") = process.begin ]]
}
check '-l lists them' lists
finish
