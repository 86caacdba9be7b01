#!/bin/bash
# Scripts have dollars of their own; check calls functions; eval sets the targets' variables.
# shellcheck disable=SC2016,SC2317,SC2154
#
# Whose hits are counted: -x, -c and --master mean those processes and what descends from them,
# whatever the script asks. Two masters of four nginx workers each run one binary; the access log
# says who answered what. A program of our own counts its calls itself, in children made later, and
# after exec.
#
# Needs root, eBPF, a C compiler, and NGSTAP_TARGETS (tests/targets/build.sh prints it). About 80 s.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -r /sys/kernel/btf/vmlinux ]] || skip_all 'this kernel has no BTF'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

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

# Each USR1 makes a worker call work() N times; each USR2 makes it fork a child that calls it 50
# times, runs itself anew and calls it 25 times more. Whoever has called adds "PID CALLS" to
# DIR/calls.
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
    awk -v only=" $* " 'only == "  " || index(only, " " $1 " ") { n += $2 } END { print n + 0 }' \
        "$dir/calls"
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

count='global n, of, armed
probe process("'$scratch'/family").function("work") { n++; of[pid()]++ }
probe timer.ms(20) { if (!armed++) println("armed") }
probe end { printf("n=%d", n); foreach (p in of) printf(" p%d=%d", p, of[p]); println("") }'

# text_byte PID [FILE FUNCTION]: the function's first byte in a process's memory.
text_byte() {
    local base vaddr file=${2:-$scratch/family} function=${3:-work}
    base=$(awk -v file="$file" '$6 == file { split($1, a, "-"); print a[1]; exit }' "/proc/$1/maps")
    vaddr=$(nm "$file" | awk -v name="$function" '$3 == name { print $1 }')
    [[ $(readelf -hW "$file") != *' EXEC '* ]] || base=0
    dd if="/proc/$1/mem" bs=1 skip=$((16#$base + 16#$vaddr)) count=1 2>/dev/null | od -An -tx1 |
        tr -d ' \n'
}

# until_armed PID [FILE FUNCTION]: the breakpoint is there: arming comes after begin, and may take
# its time.
until_armed() {
    for _ in {1..100}; do
        [[ $(text_byte "$@") != cc ]] || return 0
        sleep 0.05
    done
}

start_family "$scratch/a" 300
master_a=$master workers_a=("${workers[@]}")
start_family "$scratch/b" 300
master_b=$master workers_b=("${workers[@]}")

start_trace -e "$count" -x "${workers_a[1]}"
until_armed "${workers_a[1]}"
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
for one in "${workers_a[@]}"; do until_armed "$one"; done
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
check '-c: a command and all that descends from it, from the first call' is n \
    "$(calls "$scratch/c")"
check '-c: it called' test "$(calls "$scratch/c")" = 535

# ---- what a probe costs those who are not looked at ----

# At each USR1 it adds "PID TENTHS": of a nanosecond, what a call takes, the least of a hundred
# runs.
cat >"$scratch/cost.c" <<'END'
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
__attribute__((noinline, noclone)) void cheap(long n)
{
    __asm__ volatile("" : : "r"(n) : "memory");
}
static long run(int calls)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < calls; i++)
        cheap(i);
    clock_gettime(CLOCK_MONOTONIC, &b);
    return ((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec) * 10 / calls;
}
int main(int argc, char **argv)
{
    sigset_t set;
    int sig;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    while (argc > 1 && !sigwait(&set, &sig)) {
        long least = run(1000);
        for (int i = 0; i < 100; i++) {
            long now = run(1000);
            least = now < least ? now : least;
        }
        FILE *f = fopen(argv[1], "a");
        fprintf(f, "%d %ld\n", (int)getpid(), least);
        fclose(f);
    }
    return 0;
}
END
${CC:-cc} -g -O1 -o "$scratch/cost" "$scratch/cost.c"
for who in traced other; do
    "$scratch/cost" "$scratch/costs" &
    eval "$who=\$!"
    pids+=("$!")
done
sleep 0.3
# cost PID: of one of its calls now, in tenths of a nanosecond
cost() {
    : >"$scratch/costs"
    kill -USR1 "$1"
    for _ in {1..200}; do
        [[ ! -s $scratch/costs ]] || break
        sleep 0.05
    done
    awk '{ print $2 }' "$scratch/costs"
}
before=$(cost "$other")
cheap='global n probe process("'$scratch'/cost").function("cheap") { n++ }
    probe begin { println("armed") } probe end { printf("n=%d\n", n) }'
start_trace -e "$cheap" -x "$traced"
until_armed "$traced" "$scratch/cost" cheap
during=$(cost "$other") hit=$(cost "$traced")
end_trace
check "a hit costs its process $hit tenths of a nanosecond" test "${hit:-0}" -ge 1000
check "and another process nothing: $before before, $during meanwhile" \
    test "${during:-99999}" -le $((${before:-0} * 3 / 2 + 30))
check '... and the other was not seen' is n 101000

# ---- ticks ----

cat >"$scratch/burn.c" <<'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
long seen = 7;
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
/* The processor's time of all of it, in ms, for the test to compare. */
static void told(void)
{
    struct rusage self, others;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &others);
    FILE *f = fopen(getenv("TOLD"), "w");
    long us = self.ru_utime.tv_usec + self.ru_stime.tv_usec + others.ru_utime.tv_usec +
              others.ru_stime.tv_usec;
    long s = self.ru_utime.tv_sec + self.ru_stime.tv_sec + others.ru_utime.tv_sec +
             others.ru_stime.tv_sec;
    fprintf(f, "%ld\n", s * 1000 + us / 1000);
    fclose(f);
}
int main(int argc, char **argv)
{
    if (getenv("TOLD"))
        atexit(told);
    if (!strcmp(argv[1], "threads"))
        for (int i = 0; i < atoi(argv[2]); i++) {
            pthread_t t;
            pthread_create(&t, NULL, brief, NULL);
            pthread_join(t, NULL);
        }
    else if (!strcmp(argv[1], "exec")) {
        char left[16];
        snprintf(left, sizeof(left), "%d", atoi(argv[2]) - 1);
        if (argc > 3)
            usleep(2000000);
        burn(0.3);
        if (atoi(argv[2]) > 0)
            execl("/proc/self/exe", "burn", "exec", left, (char *)NULL);
        execl("/bin/sh", "sh", "-c", "i=0; while [ $i -lt 4000000 ]; do i=$((i + 1)); done",
            (char *)NULL);
    } else
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
${CC:-cc} -g -O1 -fPIE -pie -pthread -o "$scratch/burn" "$scratch/burn.c"
ticks='global n, all
probe perf.sw.cpu_clock.sample(1000000) { all++; s = execname(); if (strlen(s) > 0) n++ }
probe end { printf("n=%d all=%d\n", n, all) }'
"$scratch/burn" forks 60 &
pids+=("$!")
export TOLD=$scratch/told
# as_told PERCENT: as many ticks as milliseconds that the program says it took, but for so many.
as_told() {
    local ms
    ms=$(<"$TOLD")
    between n "$((ms * (100 - $1) / 100))" "$((ms * (100 + $1) / 100))"
}
trace -e "$ticks" -c "$scratch/burn forks 4"
check 'ticks: of the command and its children alone, strings or not' as_told 5
trace -v -e "$ticks" -c "$scratch/burn threads 3000"
check 'ticks: threads of half a millisecond are seen' as_told 15
unset TOLD
check 'ticks: and what was lost until that was seen is said' said '[0-9]+ threads began'

# ---- exec ----

"$scratch/burn" exec 3 wait </dev/null >/dev/null 2>&1 &
pids+=("$!")
# A tick right after exec may find that the variable's page is not in memory yet, which is an error.
trace -e 'global n, wrong, last
probe perf.sw.cpu_clock.sample(1000000) { try { if (@var("seen") == 7) n++; else wrong++ } catch {} }
probe begin { last = pid() == target() }
probe timer.ms(50) { last = last && pid() == target() && execname() != "" }
probe end { printf("n=%d wrong=%d last=%d\n", n, wrong, last) }' -x "$!"
check 'exec: the same program again, elsewhere in memory' between n 900 1300
check 'exec: its variables are read where they lie now' is wrong 0
check 'exec: another program is said' said "process $! runs .* now"
check 'exec: and what it did is counted' said '[0-9]+ hits dropped'
check 'timers: pid() is target(), execname() the target'"'"'s' is last 1

# ---- two masters of four workers of one nginx ----

[[ -n ${NGSTAP_TARGETS:-} ]] || {
    skip 'nginx' 'NGSTAP_TARGETS is not set'
    finish
}

# A copy of our own: who else probes that file, for everybody, would put breakpoints where none are
# to be.
mkdir "$scratch/targets"
cp -r "$NGSTAP_TARGETS/gc64" "$scratch/targets/"
export NGSTAP_TARGETS=$scratch/targets

# start_nginx MODE: into $name $exe $dir $master $workers $port.
start_nginx() {
    start_target nginx gc64 "$1" 200 4
}

start_nginx idle
exe_a=$exe dir_a=$dir master_a=$master port_a=$port
read -r -a workers_a <<<"$workers"
start_nginx interp
dir_b=$dir master_b=$master
read -r -a workers_b <<<"$workers"

load_a() { timeout 20 wrk -t 1 -c 8 -d 1s -H 'Connection: close' "http://127.0.0.1:$port_a/truth" \
    >/dev/null || :; }

# as_logged PID...: each has as many hits as lines in the log, and there are some in all.
as_logged() {
    local one n sum=0
    sleep 0.3
    for one in "$@"; do
        n=$(grep -c "^$one " "$dir_a/logs/access.log" || :)
        sum=$((sum + n))
        ((n == 0)) || is "p$one" "$n" || return
    done
    is n "$sum" && ((sum > 20))
}

# clean_text PID...: no breakpoint.
clean_text() {
    local one
    for one in "$@"; do
        [[ $(text_byte "$one" "$exe_a" ngx_http_log_request) != cc ]] || {
            echo "# a breakpoint in $one"
            return 1
        }
    done
}

hits='global n, of, armed
probe process("'$exe_a'").function("ngx_http_log_request") { n++; of[pid()]++ }
probe timer.ms(20) { if (!armed++) println("armed") }
probe end { printf("n=%d", n); foreach (p in of) printf(" p%d=%d", p, of[p]); println("") }'

# The two that answer most come first, in case others get nothing to do.
load_a
read -r -a workers_a < <({
    cut -d ' ' -f 1 "$dir_a/logs/access.log" | sort | uniq -c | sort -rn | awk '{ print $2 }'
    printf '%s\n' "${workers_a[@]}"
} | awk '!seen[$0]++ { printf "%s ", $0 } END { print "" }')

start_trace -e "$hits" -x "${workers_a[0]}" -x "${workers_a[1]}"
for one in "${workers_a[@]:0:2}"; do until_armed "$one" "$exe_a" ngx_http_log_request; done
: >"$dir_a/logs/access.log"
load_a
clean_text "${workers_a[2]}" "${workers_a[3]}" "$master_a" "$master_b" "${workers_b[@]}" &&
    others='' || others=some
[[ $(text_byte "${workers_a[0]}" "$exe_a" ngx_http_log_request) = cc ]] && byte=cc || byte=''
sleep 0.3
end_trace
check '-x -x: two workers of eight, against the access log' as_logged "${workers_a[0]}" \
    "${workers_a[1]}"
check '-x -x: the breakpoint is in those' test "$byte" = cc
check '-x -x: the pages of all others hold none' test -z "$others"

start_trace -e "$hits" --master "$master_a"
for one in "${workers_a[@]}"; do until_armed "$one" "$exe_a" ngx_http_log_request; done
: >"$dir_a/logs/access.log"
load_a
clean_text "$master_a" "$master_b" "${workers_b[@]}" && others='' || others=some
sleep 0.3
kill -HUP "$master_a"
for _ in {1..100}; do
    read -r -a workers <"/proc/$master_a/task/$master_a/children" || :
    [[ ${#workers[@]} != 4 || " ${workers[*]} " == *" ${workers_a[0]} "* ]] || break
    sleep 0.05
done
for one in "${workers[@]}"; do until_armed "$one" "$exe_a" ngx_http_log_request; done
load_a
sleep 0.3
end_trace
read -r -a workers <"/proc/$master_a/task/$master_a/children" || :
check '--master: all workers, also those of a reload' as_logged "${workers_a[@]}" "${workers[@]}"
check '--master: the reload made new ones' test "${workers[0]}" != "${workers_a[0]}"
check '--master: no breakpoint in the other master and its workers' test -z "$others"

trace -e 'global n, mine, ok
probe perf.sw.cpu_clock { n++; if (pid() == target()) mine++; if ($^pid_ok) ok++; s = execname() }
probe timer.ms(900) { exit() }
probe end { printf("n=%d all=%d user=%d\n", n, n == mine && n == ok, $^pid_ok) }' --master \
    "$master_b"
check '--master: ticks of workers alone; each is target()' is all 1
check '--master: and there are some' between n 50 4000
check '--master: $^pid_ok holds in end' is user 1

trace samples/lj-vm-states.sxx --arg time=1 --master "$master_b"
check 'lj-vm-states --master' printed 'Observed [1-9][0-9]+ Lua-running'
trace samples/lj-gc.sxx --master "$master_b"
check 'lj-gc --master' printed 'Total GC count: [1-9]'
trace samples/lj-lua-bt.sxx --master "$master_b"
check 'lj-lua-bt --master' printed '^@|^builtin|:[0-9]+'
finish
