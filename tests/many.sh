#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# One body, many places: a program of 2,000 functions, each of which it calls a number of times that
# it knows, is probed by a wildcard. Counts by probefunc() are the program's own; arming, ending and
# memory are bounded (three times what is asked for, as test machines are busy; the figures are
# printed). Without the kernel's newer ways to attach the answers are the same. A function that
# cannot be probed is left out and named; what matches too much is refused. What lacks, files or
# capabilities, is named.
#
# Needs root, eBPF, a C compiler. About a minute. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

# program FILE N: calls each of its N functions, I of them I % 3 + 1 times, for each line that it
# reads.
program() {
    awk -v n="$2" 'BEGIN {
        print "#include <stdio.h>\n#include <unistd.h>"
        for (i = 0; i < n; i++)
            printf "__attribute__((noinline)) int many_%d(int n)\n" \
                   "{ __asm__ volatile(\"\"); return n + %d; }\n", i, i
        print "static int (*const all[])(int) = {"
        for (i = 0; i < n; i++)
            printf "many_%d,\n", i
        print "};\nint main(void) { char line[64]; alarm(600);"
        print "while (fgets(line, sizeof(line), stdin))"
        printf "for (int i = 0; i < %d; i++) for (int k = 0; k <= i %% 3; k++) all[i](i);\n", n
        print "return 0; }"
    }' >"$1.c"
    ${CC:-cc} -g -O1 -o "$1" "$1.c"
}
program "$scratch/target" 2000
program "$scratch/few" 30

# start PROGRAM: its pid in $pid; a line to descriptor 4 makes it run once.
start() {
    rm -f "$scratch/gate"
    mkfifo "$scratch/gate"
    "$1" <"$scratch/gate" &
    pid=$!
    pids+=("$pid")
    exec 4>"$scratch/gate"
    until [[ /proc/$pid/exe -ef $1 ]]; do sleep 0.01; done
}

stop() {
    exec 4>&-
    wait "$pid" || :
}

cat >"$scratch/count.stp" <<'STP'
global calls, all, seen, names, quiet
probe begin { println("begun") }
probe process.function("many_*") {
    calls[probefunc()]++
    all++
    if (probefunc() == "many_7")
        names = pp()
}
# A tick comes when all is armed; what is seen twice in a row is all.
probe timer.ms(100) {
    if (!quiet++)
        println("armed")
    if (all && all == seen)
        exit()
    seen = all
}
probe end {
    printf("%d calls, %s\n", all, names)
    foreach (f in calls)
        printf("%s %d\n", f, calls[f])
}
STP

# count OPTION...: traces the program once; status in $status, when it was ended in $ended (ms).
count() {
    local from
    : >"$scratch/out"
    "$ngstap" -I tapset -D STP_NO_OVERLOAD -v "$@" -x "$pid" "$scratch/count.stp" \
        >"$scratch/out" 2>"$scratch/err" </dev/null &
    tracer=$!
    pids+=("$tracer")
    for _ in {1..600}; do
        ! grep -q armed "$scratch/out" || break
        kill -0 "$tracer" 2>/dev/null || break
        sleep 0.05
    done
    echo >&4
    for _ in {1..600}; do
        ! grep -q calls "$scratch/out" || break
        kill -0 "$tracer" 2>/dev/null || break
        sleep 0.01
    done
    from=$(date +%s%3N)
    status=0
    wait "$tracer" || status=$?
    ended=$(($(date +%s%3N) - from))
}

# right N: what count printed is what a program of N functions does.
right() {
    awk -v n="$1" '
        /^many_/ { f = substr($1, 6); if ($2 != f % 3 + 1) bad++; seen++ }
        / *calls/ { all = $1 }
        END { for (i = 0; i < n; i++) want += i % 3 + 1;
            exit !(seen == n && !bad && all == want) }' "$scratch/out"
}

# told WHAT: the number that -v says.
told() { sed -nE "s/^.*$1 ([0-9.]+).*/\\1/p" "$scratch/err" | head -n 1; }
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a < b) }'; }

# --- 2,000 ---------------------------------------------------------------------------------

start "$scratch/target"
before=$(held)
count
check '2,000 functions: ends well' test "$status" = 0
check '... every call is counted, by the function' right 2000
check '... pp() is the place' printed \
    'calls, process\(".*/target"\)\.function\("many_7@.*/target\.c:17"\)$'
armed_s=$(sed -nE 's/^armed ([0-9.]+) s.*/\1/p' "$scratch/err")
memory=$(told 'largest resident memory:')
echo "# armed $armed_s s after the start, ended in $ended ms, $memory MiB resident"
if said 'arming the probes'; then
    skip '... quickly' 'this kernel takes one after the other'
else
    check '... armed in 1.5 s (here: 4.5)' below "$armed_s" 4.5
    check '... ended in 0.5 s (here: 1.5)' below "$ended" 1500
fi
check '... in 64 MiB' below "$memory" 64
check '... and nothing is left' as_before "$before"

# returns, and an end by exit() on the first hit
trace -x "$pid" -e \
    'global n probe process.function("many_*").return { n++ } probe timer.ms(300) { exit() }
        probe end { println(n) }'
check 'returns of 2,000 functions' test "$status" = 0
stop

# --- the older ways, on fewer: there each place takes its time -------------------------------

ways=('' 'uprobe_multi' 'uprobe_multi bpf_cookie' 'bpf_cookie')
for way in "${ways[@]}"; do
    options=()
    for feature in $way; do
        options+=(--no-feature "$feature")
    done
    start "$scratch/few"
    count "${options[@]}"
    stop
    check "30 functions, without '$way': counted by the function" right 30
    check "... pp() is the place" printed \
        'calls, process\(".*/few"\)\.function\("many_7@.*/few\.c:17"\)$'
done

# A handler that looks at parameters is made for each.
start "$scratch/few"
: >"$scratch/out"
"$ngstap" -I tapset -x "$pid" -e 'global sum, n probe process.function("many_*") { sum += $n; n++ }
    probe begin { println("armed") } probe timer.s(1) { if (n) exit() } probe end {
    println(sum, " of ", n) }' \
    >"$scratch/out" 2>"$scratch/err" </dev/null &
tracer=$!
pids+=("$tracer")
sleep 1.5
echo >&4
status=0
wait "$tracer" || status=$?
check 'a handler that reads parameters: each has its own' printed '^890 of 60$'
stop

# --- what cannot be probed is left out ------------------------------------------------------

cat >"$scratch/trap.c" <<'C'
#include <stdio.h>
#include <unistd.h>
__asm__(".text\n.globl some_trap\n.type some_trap, @function\nsome_trap:\n\tint3\n\tret\n.size some_trap, . - some_trap\n");
__attribute__((noinline)) int some_good(int n) { __asm__ volatile(""); return n + 1; }
__attribute__((noinline)) int some_other(int n) { __asm__ volatile(""); return n + 2; }
void some_trap(void);
int main(int argc, char **argv)
{
    alarm(100);
    for (int i = 0;; usleep(1000))
        i = argc > 5 ? (some_trap(), 0) : some_good(some_other(i));
}
C
if [[ $(uname -m) = x86_64 ]]; then
    ${CC:-cc} -g -O1 -o "$scratch/trap" "$scratch/trap.c"
    "$scratch/trap" &
    pid=$!
    pids+=("$pid")
    sleep 0.1
    for way in '' uprobe_multi; do
        trace ${way:+--no-feature "$way"} -x "$pid" \
            -e 'global n probe process.function("some_*") { n[probefunc()]++ }
            probe timer.ms(500) { exit() } probe end { foreach (f in n+) println(f) }'
        check "a function that begins with int3, without '$way': the others are probed" \
            test "$(sort "$scratch/out")" = $'some_good\nsome_other'
        check '... and it is named' said \
            'WARNING.*1 of 3 functions.*some_trap|warning.*1 of 3 functions.*some_trap'
    done
    trace -x "$pid" -e 'probe process.function("some_trap") { } probe timer.ms(100) { exit() }'
    check 'alone it is an error' test "$status" = 1
    check '... that says why' said 'some_trap.*its first instruction is a breakpoint'
    kill "$pid"
fi

# --- too many -------------------------------------------------------------------------------

awk 'BEGIN {
    for (i = 0; i < 100000; i++)
        printf ".globl f%d\n.type f%d, @function\nf%d: ret\n.size f%d, 1\n", i, i, i, i
    print ".globl main\nmain: ret" }' >"$scratch/huge.s"
${CC:-cc} -o "$scratch/huge" "$scratch/huge.s" 2>/dev/null
trace -e "probe process(\"$scratch/huge\").function(\"f*\") { }"
check '100,000 matches are refused' test "$status" = 1
check '... with the file and the pattern' said \
    "'f\\*' matches 10000[01] functions of $scratch/huge; at most"

# --- what lacks is named -------------------------------------------------------------------

start "$scratch/few"
status=0
(
    ulimit -Sn 64
    exec timeout 40 "$ngstap" -I tapset --no-feature uprobe_multi -x "$pid" \
        -e 'probe process.function("many_*"), process.function("many_*").return { }
            probe timer.ms(100) { exit() }'
) >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
check 'a low limit of open files is raised' test "$status" = 0
status=0
(
    ulimit -n 40
    exec timeout 40 "$ngstap" -I tapset --no-feature uprobe_multi -x "$pid" \
        -e 'probe process.function("many_*") { } probe timer.ms(100) { exit() }'
) >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
check 'where it cannot be, that is said' said 'Too many open files'
check '... with the limit' said 'may open 40 files'
check '... and nothing else' test "$(grep -c 'verifier\|CONFIG' "$scratch/err")" = 0
status=0
(
    ulimit -n 14
    exec timeout 40 "$ngstap" -I tapset -e 'global n probe timer.profile { n++ }'
) >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
check 'a lack of files is no fault of the verifier' said 'Too many open files'
check '... nor told as one' test "$(grep -c 'verifier' "$scratch/err")" = 0
stop

if setpriv --bounding-set -bpf,-perfmon,-sys_admin true 2>/dev/null; then
    status=0
    setpriv --bounding-set -bpf,-perfmon,-sys_admin "$ngstap" -I tapset \
        -e 'global n probe timer.profile { n++; while (n % 5) n++ }' >"$scratch/out" \
        2>"$scratch/err" || status=$?
    check 'capabilities that lack are named' said 'needs CAP_BPF, CAP_PERFMON'
    check '... and not taken for an old kernel' test \
        "$(grep -c 'from Linux\|serves' "$scratch/err")" = 0
fi

# --- what long handlers cost grows with their length, not with its square -------------------------

# hundredths N: of a second of processor time, to make the code of a handler of N statements
hundredths() {
    { echo 'global g probe timer.profile {' && seq -f 'if (g == %.0f) g += 2' "$1" &&
        echo '}'; } >"$scratch/long.stp"
    TIMEFORMAT=%U
    { time "$ngstap" -p3 -D MAXACTION=1000000 "$scratch/long.stp" >"$scratch/out" \
        2>"$scratch/err"; } 2>"$scratch/time"
    awk '{ printf "%d\n", $1 * 100 + 1 }' "$scratch/time"
}
short=$(hundredths 4000) long=$(hundredths 24000)
echo "# 4,000 statements: ${short}0 ms, 24,000: ${long}0 ms"
check '6 times the statements in 6 times the time (here: 30)' below "$long" $((30 * short))

finish
