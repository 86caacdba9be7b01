#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# $parameters and @entry in .return handlers: each return sees what its own entry saved, in
# recursion, in threads, and after a longjmp over the function; a handler for the target alone saves
# there alone. In the middle of a function, too, what its compiler kept no copy of is what it was at
# the entry (DW_OP_entry_value).
#
# Needs root, eBPF, a C compiler. About 5 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

cat >"$scratch/target.c" <<'END'
#include <pthread.h>
#include <setjmp.h>
#include <unistd.h>
#define KEPT __attribute__((noinline, noclone))
struct box { int val; char name[8]; };
KEPT long fact(long n, struct box *b)
{
    b->val++;
    long r = n <= 1 ? 1 : n * fact(n - 1, b);
    __asm__ volatile("" ::: "memory");
    return r;
}
static jmp_buf out;
KEPT long jumps(long n)
{
    __asm__ volatile("" ::: "memory");
    if (n % 3 == 1)
        longjmp(out, 1);
    return n;
}
static void *run(void *p)
{
    struct box own = {0, "thread"};
    for (;;) {
        fact((long)p, &own);
        own.val = 0;
        usleep(2000);
    }
    return NULL;
}
int main(void)
{
    struct box box = {0, "main"};
    pthread_t t;
    for (long n = 3; n < 7; n++)
        pthread_create(&t, NULL, run, (void *)n);
    for (volatile long i = 0;; i++) {
        fact(8, &box);
        box.val = 0;
        if (!setjmp(out))
            jumps(i);
        usleep(2000);
    }
}
END

start() {
    "$scratch/target" &
    pid=$!
    pids+=("$pid")
    until [[ /proc/$pid/exe -ef $scratch/target ]]; do sleep 0.01; done
}

handler='{
    right = 1; for (i = 2; i <= $n; i++) right *= i
    if ($return == right) good++; else bad++
    if (@entry(gettimeofday_ns()) > gettimeofday_ns()) bad++
    # counts the calls, so that the value at the entry is below the present one by the depth
    b = $b
    if ($n == 8 && ($b->val != 0 || b->val != 8)) bad++
    names[@entry(user_string(&$b->name))]++
    depths[$n]++
    if (good + bad >= 3000) exit()
}'
report='probe end {
    printf("good %d bad %d\n", good, bad)
    foreach (d+ in depths) printf("%d ", d)
    foreach (n+ in names) printf("%s ", n)
    println("")
}'
for flags in -O2 -O0; do
    ${CC:-cc} -g $flags -pthread -o "$scratch/target" "$scratch/target.c"
    start
    trace -e "global good, bad, names, depths
        probe process(\"$scratch/target\").function(\"fact\").return {
        if (pid() == target()) $handler } $report" -x "$pid"
    check "every return knows its own entry ($flags)" printed '^good 3[0-9]* bad 0$'
    check "... at each depth, in each thread ($flags)" printed '^1 2 3 4 5 6 7 8 main thread $'
    check "... and none was lost ($flags)" test ! -s "$scratch/err"
done

trace -e "global good, bad, names, depths
    probe process(\"$scratch/target\").function(\"fact\").return { if (pid() != target()) next;
    $handler } $report" -x "$pid"
check 'a handler that begins with a test' printed '^good 3[0-9]* bad 0$'

start # two processes; one of them is looked at
trace -e "global of
    probe process(\"$scratch/target\").function(\"fact\").return {
    if (pid() == target() && \$n == 8) of[pid()]++ }
    probe timer.ms(400) { exit() } probe end {
    foreach (p in of) println(p == target() ? \"ours\" : \"theirs\") }" -x "$pid"
check 'two processes' printed '^ours$'
check '... one of which is looked at' test "$(<"$scratch/out")" = ours

trace -e "global n, wrong
    probe process(\"$scratch/target\").function(\"jumps\").return { n++;
    if (\$n != \$return || \$n % 3 == 1) wrong++ }
    probe timer.ms(600) { exit() } probe end { printf(\"many %d wrong %d\\n\", n > 20, wrong) }" \
        -x "$pid"
check 'a longjmp over the function' printed '^many 1 wrong 0$'

# ---- what is only known at the entry, in the middle of a function

cat >"$scratch/middle.c" <<'END'
#include <pthread.h>
#define KEPT __attribute__((noinline, noclone))
KEPT void touch(long n) { __asm__ volatile("" : : "r"(n) : "memory"); }
KEPT long work(long n, long m)
{
    touch(n);
    touch(m);
    if (m > 1)
        work(n + 1, m - 1);
    touch(0); /* line 10 */
    return 7;
}
static inline __attribute__((always_inline)) long inner(long k)
{
    touch(1);
    touch(2); /* line 16 */
    return k;
}
KEPT long outer(long n, long m)
{
    touch(m);
    inner(n);
    touch(3); /* line 23 */
    return 3;
}
static void *run(void *from)
{
    for (long i = 0; i < 300; i++)
        work((long)from, 3);
    return NULL;
}
int main(void)
{
    pthread_t t;
    work(1, 3);
    outer(8, 9);
    pthread_create(&t, NULL, run, (void *)10);
    run((void *)20);
    return pthread_join(t, NULL);
}
END
middle=$scratch/middle
${CC:-cc} -g -O2 -pthread -o "$middle" "$middle.c"
at="probe process(\"$middle\").statement"
in_middle() { # WANT SCRIPT
    trace -c "$middle" -e "$2" && diff <(echo "$1") "$scratch/out" && [[ ! -s $scratch/err ]]
}
check 'in the middle of a function, in recursion' in_middle $'3 1\n2 2\n1 3' "global n
    $at(\"work@middle.c:10\") { if (n++ < 3) println(\$n, \" \", \$m) }"
check '... by threads' in_middle '1803' "global right
    $at(\"work@middle.c:10\") {
        right += \$m >= 1 && \$m <= 3 && (\$n + \$m == 4 || \$n + \$m == 13 || \$n + \$m == 23)
    }
    probe end { println(right) }"
check '... of what is inlined into it' in_middle $'inside 8\nbehind 8 9' "
    $at(\"inner@middle.c:16\") { println(\"inside \", \$k) }
    $at(\"outer@middle.c:23\") { println(\"behind \", \$n, \" \", \$m) }"
check '@defined() keeps nothing' in_middle '1' "
    $at(\"outer@middle.c:23\") { println(@defined(\$n)) }"
kept_by_stap() {
    trace --exec "$middle" --dump-stap -e "$at(\"outer@middle.c:23\") { println(\$n) }" &&
        printed 'tid\(\), u_register\("[a-z]+"\)\] = u_register'
}
if readelf --debug-dump=loc "$middle" 2>/dev/null | grep -q entry_value; then
    check 'a script for SystemTap keeps it, too' kept_by_stap
else
    skip 'a script for SystemTap keeps it, too' 'the compiler keeps copies'
fi

# ---- more returns pending in a thread than the kernel notes (64)

cat >"$scratch/deep.c" <<'END'
#include <stdlib.h>
__attribute__((noinline, noclone)) long deep(long n)
{
    long r = n > 1 ? deep(n - 1) + 1 : 1;
    __asm__ volatile("" ::: "memory");
    return r;
}
int main(int argc, char **argv) { return deep(argc > 1 ? atol(argv[1]) : 0) < 0; }
END
${CC:-cc} -g -O1 -fno-optimize-sibling-calls -o "$scratch/deep" "$scratch/deep.c"
deep="global n, m probe process(\"$scratch/deep\").function(\"deep\").return { n++ }
    probe process(\"$scratch/deep\").function(\"deep\") { m++ } probe end {
    println(n, \" of \", m) }"
trace -e "$deep" -c "$scratch/deep 64"
check '64 pending returns of a thread are all seen' printed '^64 of 64$'
check '... and nothing is said' test ! -s "$scratch/err"
trace -e "$deep" -c "$scratch/deep 65"
check 'of 65 the kernel leaves one out' printed '^64 of 65$'
if [[ -r /dev/kmsg ]]; then
    lost='WARNING: returns of process [0-9]+ were not seen: .* 64 of a thread'
    check '... and that is said' said "$lost"
    sleep 6 # the kernel says ten of them in 5 s
    trace -e "$deep" -c "sleep 3" -T 2 &
    tracer=$!
    sleep 1
    "$scratch/deep" 66
    "$scratch/deep" 66
    wait "$tracer"
    check '... not of a process that nobody looks at' eval '! said "$lost"'
    sleep 6
    trace -e "$deep" -T 2 &
    tracer=$!
    sleep 1
    "$scratch/deep" 66
    "$scratch/deep" 66
    wait "$tracer"
    check '... when everybody is looked at, of how many' \
        said "WARNING: returns of process [0-9]+ and 1 others were not seen"
else
    skip '... and that is said' 'no /dev/kmsg'
fi

trace -e "probe process(\"$scratch/target\").function(\"fact\").return { println(\$n); exit() }" \
    -x "$pid"
check 'a value that is printed' printed '^[1-8]$'
finish
