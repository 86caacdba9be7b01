#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2154 # scripts have dollars of their own; check calls functions; eval sets the targets' variables
#
# Whose hits are counted: -x, -c and --master mean those processes and what descends from them, whatever the script asks.
# Two masters of four nginx workers each run one binary; the access log says who answered what. A program of our own
# counts its calls itself, in children made later, and after exec.
#
# Needs root, eBPF, a C compiler, and NGSTAP_TARGETS (tests/targets/build.sh prints it). About 80 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -r /sys/kernel/btf/vmlinux ]] || skip_all 'this kernel has no BTF'
command -v "${CC:-cc}" >/dev/null || skip_all 'no C compiler'

# value NAME: what the script printed as NAME=VALUE.
value() { sed -nE "s/^(.* )?$1=([^ ]*).*/\2/p" "$scratch/out"; }

# is NAME VALUE: the script printed it so.
is() {
    [[ $(value "$1") = "$2" ]] && return
    echo "# $1=$(value "$1"), not $2"
    return 1
}

# between NAME LOW HIGH
between() {
    local n
    n=$(value "$1")
    [[ -n $n ]] && ((n >= $2 && n <= $3)) && return
    echo "# $1=$n, not $2 to $3"
    return 1
}

# ---- a program that counts its own calls ----

# Each USR1 makes a worker call work() N times; each USR2 makes it fork a child that calls it 50 times, runs itself
# anew and calls it 25 times more. Whoever has called adds "PID CALLS" to DIR/calls.
cat >"$scratch/family.c" <<'END'
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
long seen = 7;
__attribute__((noinline)) long work(long n)
{
    __asm__ volatile("" ::: "memory");
    return n + seen;
}
static const char *dir;
static unsigned late;
static void told(int n)
{
    char path[512], text[64];
    int len = snprintf(text, sizeof(text), "%d %d\n", (int)getpid(), n);
    snprintf(path, sizeof(path), "%s/calls", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd < 0 || write(fd, text, len) != len)
        _exit(3);
    close(fd);
}
static void calls(int n)
{
    usleep(late);
    for (int i = 0; i < n; i++)
        work(i);
    told(n);
}
static void child(void)
{
    char ms[16];
    if (fork())
        return;
    calls(50);
    snprintf(ms, sizeof(ms), "%u", late / 1000);
    execl("/proc/self/exe", "family", dir, ms, "leaf", (char *)NULL);
    _exit(4);
}
static void worker(void)
{
    sigset_t set;
    int sig;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGCHLD, SIG_IGN);
    while (!sigwait(&set, &sig))
        if (sig == SIGUSR1)
            calls(100);
        else
            child();
}
int main(int argc, char **argv)
{
    dir = argv[1];
    late = atoi(argv[2]) * 1000;
    if (argc > 3 && !strcmp(argv[3], "leaf")) {
        calls(25);
        usleep(200000);
        return 0;
    }
    int n = argc > 3 ? atoi(argv[3]) : 4;
    if (argc > 4) { /* -c: without being told */
        for (int i = 0; i < n; i++) {
            if (!fork()) {
                child();
                calls(100);
                while (wait(NULL) > 0)
                    ;
                _exit(0);
            }
        }
        calls(10);
        while (wait(NULL) > 0)
            ;
        return 0;
    }
    for (int i = 0; i < n; i++)
        if (!fork()) {
            worker();
            _exit(0);
        }
    for (;;)
        pause();
}
END
${CC:-cc} -g -O1 -fPIE -pie -o "$scratch/family" "$scratch/family.c"

# start_family DIR LATE: a master and four workers: $master, ${workers[@]}.
start_family() {
    mkdir -p "$1"
    : >"$1/calls"
    "$scratch/family" "$1" "$2" </dev/null >/dev/null 2>&1 &
    master=$!
    pids+=("$master")
    for _ in {1..100}; do
        read -r -a workers <"/proc/$master/task/$master/children" || :
        ((${#workers[@]} < 4)) || break
        sleep 0.02
    done
    pids+=("${workers[@]}")
    sleep 0.1
}

# calls DIR [PID...]: how many calls were made, by those only.
calls() {
    local dir=$1
    shift
    awk -v only=" $* " 'only == "  " || index(only, " " $1 " ") { n += $2 } END { print n + 0 }' "$dir/calls"
}

# told DIR LINES: that many have told.
told() {
    for _ in {1..100}; do
        [[ $(wc -l <"$1/calls") -lt $2 ]] || return 0
        sleep 0.05
    done
    echo "# $(wc -l <"$1/calls") of $2 told"
    return 1
}

signal_all() {
    local sig=$1
    shift
    kill "-$sig" "$@"
}

count='global n, of
probe process("'$scratch'/family").function("work") { n++; of[pid()]++ }
probe begin { println("armed") }
probe end { printf("n=%d", n); foreach (p in of) printf(" p%d=%d", p, of[p]); println("") }'

# text_byte PID: the first byte of work() in a process's memory.
text_byte() {
    local base vaddr
    base=$(awk '/family$/ { split($1, a, "-"); print a[1]; exit }' "/proc/$1/maps")
    vaddr=$(nm "$scratch/family" | awk '$3 == "work" { print $1 }')
    dd if="/proc/$1/mem" bs=1 skip=$((16#$base + 16#$vaddr)) count=1 2>/dev/null | od -An -tx1 | tr -d ' \n'
}

start_family "$scratch/a" 300
master_a=$master workers_a=("${workers[@]}")
start_family "$scratch/b" 300
master_b=$master workers_b=("${workers[@]}")

start_trace -e "$count" -x "${workers_a[1]}"
byte=$(text_byte "${workers_a[1]}") others=''
signal_all USR1 "${workers_a[@]}" "${workers_b[@]}"
signal_all USR2 "${workers_a[1]}" "${workers_a[2]}"
told "$scratch/a" 8 && told "$scratch/b" 4
for one in "$master_a" "$master_b" "${workers_a[0]}" "${workers_a[2]}" "${workers_b[@]}"; do
    [[ $(text_byte "$one") != cc ]] || others+=" $one"
done
end_trace
check '-x: one of two families: its calls, its child and what that runs' is n 175
check '-x: the calls of the process itself' is "p${workers_a[1]}" 100
check '-x: the breakpoint is in that process' test "$byte" = cc
check '-x: and in no other' test -z "$others"

: >"$scratch/a/calls"
: >"$scratch/b/calls"
start_trace -e "$count" --master "$master_a"
signal_all USR1 "${workers_a[@]}" "${workers_b[@]}"
signal_all USR2 "${workers_a[0]}" "${workers_b[0]}"
told "$scratch/a" 6 && told "$scratch/b" 6
others=''
for one in "$master_a" "$master_b" "${workers_b[@]}"; do
    [[ $(text_byte "$one") != cc ]] || others+=" $one"
done
end_trace
check '--master: all workers and their children' is n 475
check '--master: no breakpoint in the other family' test -z "$others"
kill "$master_b" "${workers_b[@]}"

# Nobody else runs that file: children are in from their first instruction.
cp "$scratch/family" "$scratch/alone"
mkdir -p "$scratch/c"
trace -e "${count//family/alone}" -c "$scratch/alone $scratch/c 0 3 run"
check '-c: a command and all that descends from it, from the first call' is n "$(calls "$scratch/c")"
check '-c: it called' test "$(calls "$scratch/c")" = 535

# ---- ticks ----

cat >"$scratch/burn.c" <<'END'
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static double cpu(clockid_t c)
{
    struct timespec t;
    clock_gettime(c, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static void burn(double s)
{
    double end = cpu(CLOCK_THREAD_CPUTIME_ID) + s;
    while (cpu(CLOCK_THREAD_CPUTIME_ID) < end)
        ;
}
static void *brief(void *arg)
{
    burn(0.0005);
    return arg;
}
int main(int argc, char **argv)
{
    if (!strcmp(argv[1], "threads"))
        for (int i = 0; i < atoi(argv[2]); i++) {
            pthread_t t;
            pthread_create(&t, NULL, brief, NULL);
            pthread_join(t, NULL);
        }
    else
        for (int i = 0; i < atoi(argv[2]); i++) {
            if (!fork()) {
                burn(0.25);
                _exit(0);
            }
            wait(NULL);
        }
    return 0;
}
END
${CC:-cc} -g -O1 -pthread -o "$scratch/burn" "$scratch/burn.c"
ticks='global n, all
probe perf.sw.cpu_clock.sample(1000000) { all++; s = execname(); if (strlen(s) > 0) n++ }
probe end { printf("n=%d all=%d\n", n, all) }'
"$scratch/burn" forks 60 &
pids+=("$!")
trace -e "$ticks" -c "$scratch/burn forks 4"
check 'ticks: of the command and its children alone, strings or not' between n 900 1150
trace -v -e "$ticks" -c "$scratch/burn threads 3000"
check 'ticks: threads of half a millisecond are seen' between n 900 1700
check 'ticks: and what was lost until that was seen is said' said '[0-9]+ threads began'
finish
