#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Functions that are inlined, callees, and statements: a program that is built with -O2 counts what
# it does itself, calls of inlined copies by their caller, their arguments, tail calls, lines; what
# handlers see is held against that, in one of two processes too. What -l lists was printed by
# SystemTap 4.8; where a stap and any kernel's headers are installed, it is asked again. Needs root,
# eBPF and gcc. About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

((UID == 0)) || skip_all 'needs root'
command -v gcc >/dev/null || skip_all 'no gcc'

cat >"$scratch/helper.h" <<'END'
extern volatile long header_count, header_sum;
static inline __attribute__((always_inline)) long in_header(long h)
{
    header_count++;
    header_sum += h;
    return h * 3 + 1;
}
END
cat >"$scratch/target.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include "helper.h"
volatile long header_count, header_sum, small_count, small_sum, leaf_count, both_count, part_count;
volatile long line_count, sink;
static inline __attribute__((always_inline)) long small(long value)
{
    small_count++;
    small_sum += value;
    return value + sink;
}
__attribute__((noinline)) long leaf(long n)
{
    leaf_count++;
    return n ^ sink;
}
__attribute__((noinline)) long jumps(long n)
{
    sink = n;
    return leaf(n + 5);
}
__attribute__((noinline)) long twice(long a, long b)
{
    long one = small(a);
    sink++;
    long two = small(b);
    return one + two + leaf(a) + in_header(b);
}
__attribute__((noinline)) static long once(long n)
{
    long three = small(n) * 2;
    if (n & 1)
        line_count++;
    sink = three;
    return three + 1;
}
/* GCC inlines the test, and leaves the rest in a function of its own. */
static long __attribute__((noinline)) rest(long n)
{
    for (long i = 0; i < n; i++)
        sink += i;
    return sink;
}
static inline long part(long n)
{
    part_count++;
    return n > 2 ? rest(n) : n;
}
static long both(long x)
{
    both_count++;
    return x * sink + part(x);
}
static long (*volatile by_pointer)(long) = both;
static long (*volatile leaf_pointer)(long) = leaf;
__attribute__((noinline)) long uses(long n)
{
    return part(n + 1) + both(n + 2);
}
/* target N: waits for a line when it is told to */
int main(int argc, char **argv)
{
    long n = atol(argv[1]), sum = 0;
    if (argc > 2 && getchar() == EOF)
        return 1;
    for (long i = 0; i < n; i++) {
        sum += twice(i, i * 2) + jumps(i) + once(i) + uses(i) + by_pointer(i) + leaf_pointer(i);
        sum += in_header(i);
    }
    printf("small %ld %ld header %ld %ld leaf %ld both %ld part %ld line %ld\n", small_count,
           small_sum, header_count, header_sum, leaf_count, both_count, part_count, line_count);
    return sum == 0;
}
END
(cd "$scratch" && gcc -g -O2 -fno-ipa-cp -o target target.c && gcc -g -O0 -o plain target.c)
target=$scratch/target
line_of() { grep -nF -e "$1" "$scratch/target.c" | head -1 | cut -d: -f1; }

"$target" 100 >"$scratch/want"
read -r _ small small_sum _ header header_sum _ leaf _ both _ part _ odd <"$scratch/want"

# counts NAME WANT POINTS [VALUE]: how often the points fire, and the sum of the value
counts() {
    local value=${4:-0}
    check "$1" last_line_is "$2" -c "$target 100" -e "
        global n, sum
        probe ${3//P./process(\"$target\").} { n++; sum += $value }
        probe end { printf(\"%d %d\\n\", n, sum) }"
}

# ---- inlined functions

counts 'a function that is only inlined, and its parameter' "$small $small_sum" 'P.function("small")' '$value'
counts '... .inline' "$small $small_sum" 'P.function("small").inline' '$value'
counts '... by its line' "$small 0" "P.function(\"small@target.c:$(line_of 'long small(')\")"
counts '... in a header' "$header $header_sum" 'P.function("in_header@helper.h")' '$h'
counts '... @var of a local' "$small $small_sum" 'P.function("small")' '@var("value")'
counts 'one that is inlined and called by pointer' "$both 0" 'P.function("both")'
counts '... its calls' "100 4950" 'P.function("both").call' '$x'
counts '... its copies' "100 5150" 'P.function("both").inline' '$x'
counts 'one that is inlined into one that is inlined' "$part 0" 'P.function("part")'
counts 'a wildcard: one handler for functions and copies' "$((small + leaf)) 0" 'P.function("[sl]*[lf]")'
check '... by name' last_line_is "$small $header $leaf" -c "$target 100" -e "
    global n
    probe process(\"$target\").function(\"*@*\") { n[probefunc()]++ }
    probe end { printf(\"%d %d %d\n\", n[\"small\"], n[\"in_header\"], n[\"leaf\"]) }"
counts 'exported ones' "$leaf 0" 'P.function("leaf").exported'
check '... which a static one is not' fails_with 'is seen by its own file alone (static)' \
    -e "probe process(\"$target\").function(\"once\").exported { next }"
check '.return of a function that is only inlined' \
    fails_with "exists only inlined into its callers, where it has no return" \
    -e "probe process(\"$target\").function(\"small\").return { next }"
check '... beside calls takes those' last_line_is '100' -c "$target 100" -e "
    global n probe process(\"$target\").function(\"both\").return { n++ } probe end { println(n) }"
check '.inline of one that is not' fails_with "'leaf' is inlined nowhere" \
    -e "probe process(\"$target\").function(\"leaf\").inline { next }"

check '$$vars of inlined copies' last_line_is "value=0x63 $small" -c "$target 100" -e "
    global all, n, last
    probe process(\"$target\").function(\"small\") { last = \$\$vars; n++ }
    probe end { println(last, \" \", n) }"

# ---- callees

counts 'copies in one caller' '200 14850' 'P.function("twice").callee("small")' '$value'
counts '... in another one' '100 4950' 'P.function("once").callee("small")' '$value'
counts 'calls of one caller' '100 4950' 'P.function("twice").callee("leaf")' '$n'
counts '... its tail calls' '100 5450' 'P.function("jumps").callee("leaf")' '$n'
counts '... .call' '100 0' 'P.function("twice").callee("leaf").call'
counts '... where they return' '100 4950' 'P.function("twice").callee("leaf").return' '$n'
counts '... and from tail calls' '100 0' 'P.function("jumps").callee("leaf").return'
check '... where a copy has no return' fails_with "makes no call of 'small' that can be probed" \
    -e "probe process(\"$target\").function(\"twice\").callee(\"small\").return { next }"
counts 'all of one caller' '400 0' 'P.function("twice").callees'
counts '... by a wildcard' '200 0' 'P.function("twice").callee("[li]*")'
counts 'several callers' '200 0' 'P.function("[tj]*").callee("leaf")'
check '... and who' last_line_is '100 100' -c "$target 100" -e "
    global n
    probe process(\"$target\").function(\"*\").callee(\"leaf\") { n[pp()]++ }
    probe end {
        foreach (p in n) {
            twice += isinstr(p, \"twice@\") * n[p]
            jumps += isinstr(p, \"jumps@\") * n[p]
        }
        printf(\"%d %d\n\", twice, jumps)
    }"
check 'without optimization, by the range of the caller' last_line_is 100 -c "$scratch/plain 100" -e "
    global n
    probe process(\"$scratch/plain\").function(\"twice\").callee(\"leaf\") { n++ }
    probe end { println(n) }"
check 'a callee of others' fails_with "'once' makes no call of 'leaf' that can be probed" \
    -e "probe process(\"$target\").function(\"once\").callee(\"leaf\") { next }"
check 'a callee of another module' fails_with 'is in another module' \
    -e "probe process(\"$target\").function(\"main\").callee(\"printf\") { next }"

# ---- statements

odd_line=$(line_of '        line_count++')
counts 'a line' "$odd 0" "P.statement(\"once@target.c:$odd_line\")"
counts '... of any function' "$odd 0" "P.statement(\"*@target.c:$odd_line\")"
counts '... from the function on' "$odd 0" \
    "P.statement(\"once@target.c+$((odd_line - $(line_of 'long once(')))\")"
counts '... in an inlined function' "$small $small_sum" \
    "P.statement(\"small@target.c:$(line_of 'small_count++')\")" '$value'
counts '... of a header' "$header 0" "P.statement(\"*@helper.h:5\")"
three=$(line_of '    sink = three')
counts '... with its parameter' "$leaf 15350" \
    "P.statement(\"leaf@target.c:$(line_of 'return n ^ sink')\")" '$n'
counts 'a list of lines' "$((odd + 100)) 0" "P.statement(\"once@target.c:$odd_line,$three\")"
counts '... a range' "$((odd + 100)) 0" "P.statement(\"once@target.c:$odd_line-$three\")"
counts 'the nearest line' "$leaf 0" \
    "P.statement(\"leaf@target.c:$(($(line_of 'leaf_count++') - 1))\").nearest"
check 'a line without a statement' fails_with "no statement begins at 'twice@target.c:2'" \
    -e "probe process(\"$target\").statement(\"twice@target.c:2\") { next }"
check '... the nearest ones are named' said 'hint: the nearest line is [0-9]+'
address=$(nm "$target" | sed -n 's/^\([0-9a-f]*\) T leaf$/0x\1/p')
counts 'an address' "$leaf 0" "P.statement($address)"
check '... within a statement' fails_with 'no statement is known to begin at' \
    -e "probe process(\"$target\").statement($(printf '0x%x' $((address + 1)))) { next }"
check '... nobody has code at' fails_with 'has code at 0x7' -e "probe process(\"$target\").statement(7) { next }"
check 'an absolute address' fails_with 'in guru mode only' -e "probe process(\"$target\").statement($address).absolute { next }"

# ---- functions that are inlined in themselves: GCC cuts split() behind the early return, and puts
# the rest, which is called once, back; fib() calls itself, on the line that declares it

cat >"$scratch/itself.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
volatile long split_count, tail_count, sink;
__attribute__((noinline)) void leaf(long n) { sink += n; }
__attribute__((noinline)) void tail(long n) { tail_count++; sink -= n; }
static void split(long n, long m)
{
    split_count++;
    if (sink & 1)
        leaf(n * 3);
    leaf(m);
    leaf(m + n);
    if (n % 3 == 0) {
        sink = m;
        return;
    }
    for (long i = 0; i < m; i++)
        sink += i ^ n;
    tail(sink);
    leaf(n);
    leaf(m * 7);
}
__attribute__((noinline)) void one(long n) { split(n, 3); sink++; }
__attribute__((noinline)) void two(long n) { split(n + 1, n); sink++; }
__attribute__((noinline)) void three(long n) { split(n + 2, n); sink++; }
static inline long fib(long n) { return n < 2 ? sink : fib(n - 1) ^ fib(n - 2); }
int main(int argc, char **argv)
{
    for (long i = 0; i < atol(argv[1]); i++) {
        one(i);
        two(i);
        three(i);
        sink += fib(i % 10);
    }
    printf("%ld %ld\n", split_count, tail_count);
    return argc == 0;
}
END
gcc -g -O2 -o "$scratch/itself" "$scratch/itself.c"
read -r split tail < <("$scratch/itself" 100)
itself() { # NAME WANT POINT
    check "$1" last_line_is "$2" -c "$scratch/itself 100" -e "
        global n
        probe process(\"$scratch/itself\").$3 { n++ }
        probe end { println(n) }"
}
itself 'a function that is cut, and put together again' "$split" 'function("split")'
itself '... where it returns' "$split" 'function("split").return'
itself '... what its rest calls' "$tail" 'function("split").callee("tail")'
check '... has no copies' fails_with "'split' is inlined nowhere" \
    -e "probe process(\"$scratch/itself\").function(\"split\").inline { next }"
check 'one that calls itself has copies in itself' run_once -p2 \
    -e "probe process(\"$scratch/itself\").function(\"fib\").inline { next }"

# ---- two processes

start() { # its pid in $pid; a line to the file descriptor $1 lets it go on
    mkfifo "$scratch/gate$1"
    "$target" 100 wait <"$scratch/gate$1" >"$scratch/counted$1" &
    pid=$!
    pids+=("$pid")
    eval "exec $1>\"$scratch/gate$1\""
    until [[ /proc/$pid/exe -ef $target ]]; do sleep 0.01; done
}
start 5
first=$pid
start 6
second=$pid
start_trace -x "$first" -e "
    global n
    probe process(\"$target\").function(\"small\"),
        process(\"$target\").function(\"jumps\").callee(\"leaf\") { n[pid()]++ }
    probe timer.ms(100) { println(\"armed\") }
    probe end { printf(\"%d %d\n\", n[$first], n[$second]) }"
echo >&5
echo >&6
wait "$first" "$second" || :
end_trace
check 'in one of two processes' test "$(tail -1 "$scratch/out")" = "$((small + 100)) 0"
exec 5>&- 6>&-

# ---- nginx: each request is made and freed once, with three lists; the pool goes by a tail call

nginx() {
    local requests=30
    start_target nginx gc64 idle 60 2
    # shellcheck disable=SC2154 # start_target sets them
    start_trace --master "$master" -e "
        global n, sizes
        probe process(\"$exe\").function(\"ngx_http_free_request\").callee(\"ngx_destroy_pool\") {
            n++
        }
        probe process(\"$exe\").function(\"ngx_http_*_request\").callee(\"ngx_list_init\"),
            process(\"$exe\").function(\"ngx_http_*_request_*\").callee(\"ngx_list_init\") {
            sizes[\$size]++
        }
        probe timer.ms(100) { println(\"armed\") }
        probe end { printf(\"%d %d\n\", n, sizes[48]) }"
    for ((i = 0; i < requests; i++)); do
        curl -s -o /dev/null "http://127.0.0.1:$port/"
    done
    end_trace
    [[ $(tail -1 "$scratch/out") = "$requests $((3 * requests))" ]]
}
if [[ -n ${NGSTAP_TARGETS-} ]] && command -v curl >/dev/null; then
    check 'nginx: pools and lists of requests' nginx
else
    skip 'nginx: pools and lists of requests' 'NGSTAP_TARGETS is not set, or there is no curl'
fi

# ---- listings

places() { sed "s#$scratch/##g" "$1" | sort -u; }
as_listed() { # POINT: as stap lists it
    local headers
    headers=$(find /usr/src -maxdepth 1 -name 'linux-headers-*-amd64' -printf '%f\n' 2>/dev/null |
        head -1)
    run_once -L "process(\"$target\").$1" && places "$scratch/out" >"$scratch/ours"
    if [[ -n $headers ]] && command -v stap >/dev/null; then
        stap -r "${headers#linux-headers-}" -L "process(\"$target\").$1" 2>/dev/null \
            >"$scratch/listed" || :
        places "$scratch/listed" >"$scratch/theirs"
        diff "$scratch/ours" "$scratch/theirs" >"$scratch/err" || return 1
    fi
    [[ -s $scratch/ours ]]
}
for point in 'function("small")' 'function("small").inline' 'function("both")' \
    'function("part").inline' 'function("in_header@helper.h")' \
    'statement("twice@target.c+1")' 'statement("twice")' 'function("*@helper.h")' \
    'statement("*@helper.h:5")' "statement(\"*@target.c:$odd_line\")" \
    "statement(\"once@target.c:$odd_line-$three\")"; do
    check "-L $point" as_listed "$point"
done
finish
