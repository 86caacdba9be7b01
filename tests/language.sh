#!/bin/bash
# shellcheck disable=SC2016 # scripts have dollars of their own
#
# The script language as SystemTap has it, in small: what each line should print, or be refused
# with, was read from SystemTap's manual pages and sources, and from what its parser (stap -p2)
# takes; never from ngstap. What its modules print is in tests/judge.
#
# begin, end and timer handlers need no privileges; kernel handlers need root and eBPF. About 30 s.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
trace_seconds=20

# prints NAME SCRIPT TEXT [OPTION]...: that is all of the output, and the script ends well.
prints() {
    local name=$1 script=$2 want=$3
    shift 3
    trace "$@" -e "$script"
    printf '%b' "$want" >"$scratch/want"
    check "$name" same_output
}
# shellcheck disable=SC2317 # check calls it
same_output() { [[ $status = 0 ]] && cmp -s "$scratch/want" "$scratch/out"; }

# refuses NAME SCRIPT PATTERN [OPTION]...: -p2 ends with 1 and a message, at a place, that PATTERN
# matches.
refuses() {
    local name=$1 script=$2 pattern=$3
    shift 3
    trace -p2 "$@" -e "$script"
    check "$name" refused "$pattern"
}
# shellcheck disable=SC2317
refused() { [[ $status = 1 ]] && said "^-e:[0-9]+:[0-9]+: error: .*$1"; }

# takes NAME SCRIPT [OPTION]...: -p2 finds nothing wrong.
takes() {
    local name=$1 script=$2
    shift 2
    trace -p2 "$@" -e "$script"
    check "$name" test "$status" = 0
}

kernel=
[[ $UID = 0 ]] && "$ngstap" -e 'probe begin { exit() } probe timer.profile { }' >"$scratch/out" \
    2>"$scratch/err" &&
    kernel=1

# in_kernel NAME SCRIPT TEXT: the same in a handler of timer.profile, which SCRIPT ends by exit().
in_kernel() {
    if [[ $kernel ]]; then
        prints "$1 (kernel)" "global ran probe timer.profile { if (ran++) next $2; exit() }" "$3"
    else
        skip "$1 (kernel)" 'handlers in the kernel need root and eBPF'
    fi
}
in_kernel_array() { # likewise, with an array
    [[ ! $kernel ]] || prints "$1 (kernel)" \
        "global ran, a probe timer.profile { if (ran++) next; $2; exit() }" "$3"
}
both() {
    prints "$1" "probe begin { $2; exit() }" "$3"
    in_kernel "$@"
}

# ---- strings are C strings ----

both 'a NUL ends a literal' 'printf("%d %s|\n", strlen("ab\0cd"), "ab\0cd" . "ef")' '2 abef|\n'
both 'a NUL ends what sprintf makes' \
    's = sprintf("a%cb%d", 0, 5); printf("%d %s|%s|\n", strlen(s), s, s . "x")' \
    '1 a|ax|\n'
both 'but not what is joined after it' 'printf("%s|\n", sprintf("a%c", 0) . "b")' 'ab|\n'
prints 'as keys' 'global a probe begin { a["k\0x"] = "v\0w"
    println(a["k"], strlen(a["k\0y"])); exit() }' 'v1\n'
prints 'in functions that user space has' 'probe begin {
    println(str_replace("hello", "\0", "X"), str_replace("hello", "", "X"), substr("ab\0cd", 1, 3),
        isinstr("a\0b", "b"))
    println(str_replace("aXbX", "X", "yy"), tokenize("a,b\0,c", ","), tokenize("", ","),
        tokenize("", ",")); exit() }' \
    'hellohellob0\nayybyyab\n'
long='s = "a"; for (i = 0; i < 14; i++) s .= s'
prints 'str_replace makes no more than a string holds' "probe begin { $long
    for (i = 0; i < 20; i++) n += strlen(str_replace(s, \"a\", s)); println(n); exit() }" \
        '655340\n' \
    -D MAXSTRINGLEN=32768

# ---- formats ----

for bad in %zu %jd %td %hd %lld %qd %n %e %5% '%- d' '%+-d' %y '% '; do
    refuses "printf has no $bad" "probe begin { printf(\"$bad\\n\", 8) }" \
        'is no conversion of printf'
done
takes 'and has these' 'probe begin { printf("%-5d%05d%+d% d%#x%5.2d%.d%ld%lu%c%i%X%o%p%%|%-05d\n",
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) }'
both 'sprintf takes widths and precisions from arguments' \
    'println(sprintf("%*d|%*d|%-*s|%.*s|%*.*d|%*s", 5, 42, -5, 42, 4, "x", 2, "abc", 6, 3, 7, 3,
        "y"))' \
    '   42|42   |x   |ab|   007|  y\n'
both 'sprintf makes bytes by %b' \
    'println(sprintf("%4b|%2b", 0x44434241, 0x4645), strlen(sprintf("%b|", 65)))' \
    'ABCD|EF1\n'
both '... whose number an argument says' \
    'println(sprintf("%*b|%.*b|%*.*b|%-*.*b|", 4, 0x44434241, 2, 0x4645, 1, 1, 0x47, 1, 1, 0x48))
    println(sprintf("%*b|", 3, 0x4847464544434241), sprintf("%*b|", -4, 0x4241), sprintf("%*b", 0,
        0x41),
        strlen(sprintf("%*.*b", 4, 2, 0x4241)), sprintf("%.*b", -1, 0x4142))' \
            'ABCD|EF|G|H|\nABCDEFGH|ABA0BA\n'
both '%c of sprintf keeps its width' 'println(sprintf("%3c|%-3c|", 65, 66))' '  A|B  |\n'
prints 'and escapes' 'probe begin { println(sprintf("%#c", 10)); exit() }' '\\n\n'
both 'values are taken from the left to the right' \
    's = "p"; printf("%s%s%s\n", s, (s = "q"), s);
        println(sprintf("%s%s", s, (s = "r")), s . (s = "t") . s)' \
    'pqq\nqrrtt\n'
prints 'keys, too' \
    'global a probe begin { s = "x"; a[s, (s = "y")] = s;
        foreach ([k, l] in a) println(k, l, a[k, l])
    exit() }' 'xyy\n'

# ---- foreach ----

prints 'a negative limit is 0' 'global a probe begin { a[1] = 1; a[2] = 2; n = -1
    foreach (k in a limit -1) println("constant"); foreach (k in a limit n) println("variable")
    foreach (k in a limit -9223372036854775807) println("least")
    foreach (k in a limit 0) println("zero"); foreach ([k] in a[1] limit n) println("slice")
    foreach (k+ in a limit 1) println(k); exit() }' '1\n'
prints 'an error that is caught ends the loops it leaves' 'global a, n
    function fails(x) { foreach (k in a) foreach (l in a) if (x) error("x"); return 0 }
    function passes() { foreach (k in a) n += fails(1); return 0 }
    function deep(x) { foreach (k in a) if (x) deep(x - 1); else error("x"); return 0 }
    probe begin { a[1] = 1; a[2] = 2
        for (i = 0; i < 100; i++) {
            try { foreach (k in a) error("x") } catch { n++ }
            try { foreach (k in a) foreach (l in a) passes() } catch { n++ }
            foreach (k+ in a) { try { n += 10; passes() } catch { n++ } sum += k }
            try { deep(5) } catch { n++ }
            foreach (k in a) { try { foreach (l in a) break; foreach (l in a) error(sprint(k)) }
                catch (e) { if (e == "2") break; continue } }
        }
        println(n, " ", sum) }
    probe timer.ms(10) { for (i = 0; i < 100; i++) try { foreach (k in a) foreach (l in a) n /= 0 }
    catch { m++ }
        println(m, " ", n); exit() }
    probe end { for (i = 0; i < 100; i++) try { fails(1) } catch { m++ } println(m) }' \
        '2500 300\n100 2500\n100\n'
prints 'what is left by next and return, too' 'global a, n
    function first() { foreach (k+ in a) foreach (l+ in a) return k + l; return 0 }
    probe timer.ms(1) { n++; if (n == 200) { println(first()); exit() }
    foreach (k in a) foreach (l in a) { first(); next } }
    probe begin { a[1] = 1; a[2] = 2; for (i = 0; i < 100; i++) first() }' '2\n'

# ---- conditions on probe points ----

prints 'a condition of a reference to an alias' 'global on = 0
    probe t = timer.ms(5) {} probe t if (on == 1) { println("ran"); exit() } probe timer.ms(100) {
    exit() }' ''
prints 'it follows its variables' 'global on, n
    probe timer.ms(10) if (on) { println("on"); exit() } probe timer.ms(50) { on = 1;
    if (n++ > 20) exit() }' 'on\n'
prints 'an alias adds its own' 'global a = 1, b
    probe t = begin if (a) { println("alias") } probe t if (b) { println("both") }
    probe t if (!b) { println("one") } probe begin(9) if (a && !b) { println(pp()); exit() }' \
        'alias\none\nbegin(9)\n'
prints 'in the kernel' 'global on = 0, n
    probe timer.profile if (on) { n++ } probe timer.ms(200) {
    if (on++) exit() else printf("%d ", n) }
    probe end { println(n > 0) }' '0 1\n'
refuses 'no functions in a condition' 'probe begin if (pid() == 1) {}' 'calls a function'
refuses 'no changes in a condition' 'global on probe begin if (on++) {}' 'changes a variable'
refuses 'no locals in a condition' 'probe begin if (no_such) {}' 'no global variable'

# ---- optional probe points ----

trace -e 'probe process("/bin/sh").insn? { n++ } probe begin { exit() }'
check 'an optional point that cannot be probed is warned of' said \
    'optional probe point is left out: process.insn'
trace -e 'probe k = process("/bin/sh").insn? { n++ } probe k? { n++ } probe begin { exit() }'
check 'through an alias, too' said 'optional probe point is left out: process.insn'
trace -e 'probe process("/bin/sh").function("no_such_function_at_all")? { n++ } probe begin {
    exit() }'
check 'one that is not there is not' test ! -s "$scratch/err"

# ---- calls without a value ----

prints 'a call without a value' 'global n function f() { print("f") }
    probe timer.ms(1) { (++n == 3) && exit() } probe end { 1 && f(); 0 || printf("p");
    println(n, f() + 1)
    0 && exit() }' 'fpf31\n'
refuses 'but not where no type is wanted' 'function f() { print("f") } probe begin { x = f() }' \
    'no value'

# ---- names ----

mkdir "$scratch/library"
echo '@define mine %( %( systemtap_v >= "3.0" %? private %) %)' >"$scratch/library/mine.stpm"
cat >"$scratch/library/own.stp" <<'END'
@mine global depth = 40
@mine function f() { return depth + 1 }
function library() { return f() }
probe own = begin { depth++ }
END
prints 'private by a macro of a library' \
    'global depth = 1 function f() { return depth } probe own { println(library(), f()) }
    probe begin(1) { exit() }' '421\n' -I "$scratch/library"
mkdir "$scratch/broken"
echo 'function half:long() { return sprintf(1) }' >"$scratch/broken/half.stp"
refuses 'a function of a library file with syntax errors' 'probe begin { println(half()) }' \
    'there is no function half' -I "$scratch/broken"
check '... which is named' said 'half.stp has syntax errors .*-p1 .*/half.stp shows them'
for pair in 'global a, a' 'global a global a' 'private a private a'; do
    refuses "$pair" "$pair probe begin { a = 1 }" "'a' is declared already"
done
refuses 'private a beside global a' 'private a global a probe begin { a = 1 }' \
    'private and as a global'
refuses 'an unknown macro with words as arguments' 'probe begin { @foo(long x, if (y), global) }' \
    'unknown operator or macro .@foo'
prints 'a wildcard takes no suffix where the name is there' 'probe t = timer.ms(1) { name = "t" }
    probe t.x = timer.ms(20) { name = "t.x" } probe t.* { println(name, pp()); exit() }' \
        't.xtimer.ms(20)\n'
trace -e 'probe begin { }' -e 'probe end { }'
check 'a second -e is refused' test "$status" = 1
for name in 'x^y' x.y x-y ../x; do
    trace -p4 -m "$name" -e 'probe begin { }'
    check "-m $name is refused" test "$status" = 1
done

# ---- what cannot run, told where it stands ----

if [[ -r /sys/kernel/btf/vmlinux ]]; then
    takes 'kernel memory in begin, and a function of the library that reads it' \
        'probe begin { println(@cast(task_current(), "task_struct", "kernel")->pid,
            task_pid(task_current())) printf("%.4M%5s\n", task_current(), "") }'
    takes 'in the kernel' \
        'probe timer.profile { println(task_pid(task_current())) printf("%.4M\n", task_current()) }'
fi
# An address is a key where one process is looked at, and none where several are.
${CC:-cc} -g -o "$scratch/target" tests/sema/target.c
keyed="global a probe process(\"$scratch/target\").function(\"work\") { a[\$n]++ }"
trace -p2 -c "$scratch/target" -e "$keyed"
check 'keyed by an address in one process' test "$status$(grep -c 'warning' "$scratch/err")" = 00
trace -p2 --exec "$scratch/target" -e "$keyed"
check '... in all that run a program' grep -q "^-e:1:.*warning: 'a' is keyed by an address" \
    "$scratch/err"

trace -p2 --exec "$scratch/target" -e "${keyed/a\[/a[pid(), }"
check '... but not with the process, too' test "$status$(grep -c 'warning' "$scratch/err")" = 00

# Which bucket is which: the manual's example, and base/abi.h's rule for @hist_log.
prints 'the buckets of a linear histogram' 'global x probe begin {
    x <<< -100; x <<< 1; x <<< 1; x <<< 3; x <<< 100
    foreach (b in @hist_linear(x, 1, 3, 1)) printf("%d:%d ", b, @hist_linear(x, 1, 3, 1)[b])
    println(@hist_linear(x, 1, 3, 1)[1] + 1, " ", 2 in @hist_linear(x, 1, 3, 1))
    exit() }' '0:1 1:2 2:0 3:1 4:1 3 0\n'
prints 'the buckets of a logarithmic one, of an element' 'global a probe begin {
    a["k"] <<< 5; a["k"] <<< 6; a["k"] <<< -1
    foreach (v = b in @hist_log(a["k"])) { if (!v) continue; print(b, "=", v, " "); seen++ }
    foreach (b in @hist_log(a["k"]) limit 3) print(b)
    foreach (b in @hist_log(a["k"])) if (b == 5) break
    println(" ", b, seen)
    exit() }' '63=1 67=2 012 52\n'
prints 'buckets that there are not' 'global a probe begin {
    a["k"] <<< 5
    try { println(@hist_log(a["k"])[128]) } catch (m) { println(m) }
    try { println(@hist_log(a["k"])[-1]) } catch (m) { println(m) }
    try { println(@hist_log(a["x"])[1]) } catch (m) { println(m) }
    exit() }' 'histogram index out of range\nhistogram index out of range\nempty aggregate\n'
if [[ $kernel ]]; then
    prints 'buckets (kernel)' 'global s, ran probe timer.profile { if (ran++) next; s <<< 3
        println(@hist_log(s)[66], @hist_log(s)[65]); exit() }' '10\n'
fi
refuses 'setting a bucket' 'global a probe begin { a <<< 1; @hist_log(a)[1] = 2 }' 'cannot be set'
refuses 'sorted buckets' 'global a probe begin { a <<< 1; foreach (b+ in @hist_log(a)) println(b) }' \
    'in their order'
refuses 'too many buckets' 'global a probe begin { a <<< 1; print(@hist_linear(a, 0, 1000, 2)) }' \
    '501 buckets; 254 can'
takes 'as many as there can be' \
    'global a probe begin { a <<< 1; print(@hist_linear(a, 0, 1000, 4)) }'
tick=$(python3 -c 'import time; print(int(time.clock_getres(6) * 1e6))') # CLOCK_MONOTONIC_COARSE
ticks() {
    trace -e 'global last
        probe timer.jiffies(30) {
            if (last) {
                println(gettimeofday_us() - last)
                exit()
            }
            last = gettimeofday_us()
        }'
    local took
    took=$(<"$scratch/out")
    ((took > 15 * tick && took < 45 * tick))
}
check "a timer by the kernel's ticks" ticks
refuses 'a timer of no ticks' 'probe timer.jiffies(0) { }' "a timer's period must be above 0"
takes 'clocks of processors' \
    'probe begin { println(cpu_clock_ns(cpu()), cpu_clock_us(0), cpu_clock_ms(1),
        cpu_clock_s(cpu())) }'

# ---- warnings ----

trace -e 'probe begin { for (i = 0; i < 3; i++) { warn("same\n"); warn(sprintf("other %d", i / 2)) }
    exit() }'
check 'repeats of a warning are merged' test "$(cat "$scratch/err")" \
    = $'WARNING: same\nWARNING: other 0\nWARNING: other 1'
trace -v -e 'probe begin { for (i = 0; i < 3; i++) warn("same\n"); exit() }'
check 'but not with -v' test "$(grep -c '^WARNING: same' "$scratch/err")" = 3
trace -w -e 'probe begin { warn("same\n"); x = y; exit() }'
check '-w silences them all' test ! -s "$scratch/err"

# The kernel's limit itself is the whole machine's: a file stands for what tells it.
if [[ $kernel ]] && unshare --mount true 2>/dev/null; then
    # rated LIMIT SCRIPT: a run where the kernel says that LIMIT is its highest rate
    rated() {
        echo "$1" >"$scratch/rate"
        timeout 20 unshare --mount bash -c \
            'mount --bind "$1" /proc/sys/kernel/perf_event_max_sample_rate && exec "${@:2}"' \
            - "$scratch/rate" "$ngstap" -e "$2" >"$scratch/out" 2>"$scratch/err"
    }
    rated 500 'probe begin { } probe perf.sw.cpu_clock.sample(1000000) { exit() }'
    check 'more ticks than the kernel gives: which probe, and how many there are' said \
        'warning: perf.sw.cpu_clock.sample\(1000000\) asks for 1000 ticks .*max_sample_rate is 500: the kernel drops some'
    rated 1000 'probe perf.sw.cpu_clock.sample(1000000) { exit() }'
    check '... as many as it gives' test ! -s "$scratch/err"
else
    skip 'more ticks than the kernel gives' 'needs root, eBPF and unshare'
fi

# ---- conditions of the preprocessor ----

mkdir -p "$scratch/build/include/generated"
echo '#define UTS_RELEASE "5.4.3-other"' >"$scratch/build/include/generated/utsrelease.h"
printf '%s\n' 'CONFIG_ARM64=y' 'CONFIG_OTHER="words"' '# CONFIG_BPF is not set' \
    >"$scratch/build/.config"
trace -r "$scratch/build" --dump-stap \
    -e 'probe begin { println(%( CONFIG_OTHER == "\"words\"" %? "its own" %), " ",
    %( CONFIG_BPF == "y" %? "set" %: "unset" %), " ", %( arch == "arm64" %? "arm64" %), " ",
        %( kernel_v == "5.4.3" %? 1 %)) }'
check "-r: that kernel's options and architecture" printed \
    'println\("its own", " ", "unset", " ", "arm64", " ", 1\)'

# ---- variables of the program ----

cat >"$scratch/unit.c" <<'END'
#include <unistd.h>
#define KEPT __attribute__((noinline, noclone))
struct box { int val; };
int counter = 7;
static int hidden = 30;
static struct box box = {5};
int number = 1000; /* and a parameter has the name */
KEPT int work(struct box *b, int number)
{
    __asm__ volatile("" : : "r"(b), "r"(number) : "memory");
    return number + counter + hidden + box.val;
}
int main(void)
{
    for (int i = 0; i < 1000; i++, usleep(10000))
        hidden += work(&box, 4) > 0;
    return number;
}
END
if [[ $kernel ]] && ${CC:-cc} -g -O2 -o "$scratch/unit" "$scratch/unit.c" 2>"$scratch/err"; then
    prints 'variables of the unit, and parameters before them' \
        "probe process(\"$scratch/unit\").function(\"work\") {
        printf(\"%d %d %d %d %d %d %d\\n\", \$counter, \$hidden == @var(\"hidden\"), \$box->val,
            @var(\"number\"),
            @var(\"number@unit.c\"), @var(\"number@*.c\"), &\$counter == &@var(\"counter@u?it.c\"))
        printf(\"%d %d\\n\", @var(\"b\")->val, @defined(\$no_such) || @defined(@var(\"no_such\")));
            exit() }" \
        '7 1 5 4 1000 1000 1\n5 0\n' -c "$scratch/unit"
else
    skip 'variables of the unit, and parameters before them' 'needs root, eBPF and a C compiler'
fi


# ---- memory in formats: %m and %M (man stap: a precision, 1 byte without it; user memory with '#')

cat >"$scratch/memory.c" <<'END'
#include <string.h>
#include <unistd.h>
static unsigned char bytes[4096];
__attribute__((noinline, noclone)) void look(unsigned char *p, long n)
{
    __asm__ volatile("" : : "r"(p), "r"(n) : "memory");
}
int main(void)
{
    for (int k = 0; k < 4096; k++)
        bytes[k] = (unsigned char)k;
    for (int k = 0; k < 1000; k++) {
        memcpy(bytes + 64, "look", 4);
        look(bytes, 5);
        memset(bytes + 64, 'X', 4); /* gone when what was printed is read */
        usleep(5000);
    }
    return 0;
}
END
if [[ $kernel ]] && ${CC:-cc} -g -O1 -o "$scratch/memory" "$scratch/memory.c" 2>"$scratch/err"; then
    look="probe process(\"$scratch/memory\").function(\"look\")"
    # dumps NAME STATEMENTS TEXT
    dumps() { prints "$1" "$look { $2; exit() }" "$3" -c "$scratch/memory"; }
    dumps 'printf shows memory as it was at the hit' \
        'printf("%#.4m|%#.4M|%#m|%#M|%d\n", $p + 64, $p + 64, $p + 65, $p + 65, $n)' \
        'look|6c6f6f6b|o|6f|5\n'
    dumps 'sprintf, too' \
        's = sprintf("%#.4m|%#.4M|%#m|%#M|%d", $p + 64, $p + 64, $p + 65, $p + 65, $n);
            println(s)' \
        'look|6c6f6f6b|o|6f|5\n'
    for f in 'printf(' 'print(sprintf('; do
        e=${f#*print*(} e=${e:+)}
        dumps "widths and precisions from arguments: $f" \
            "$f\"%#*.*m|%#*.*M|%#*.4m|%#.*M|%#10.4M|%#6m|%#*.*M|\\n\", 6, 4, \$p + 64,
            -10, 3, \$p + 64, -6, \$p + 64, -3, \$p + 65, \$p + 64, \$p + 65, 1, 0, \$p + 64)$e" \
            '  look|6c6f6f    |look  |6f|  6c6f6f6b|     o|6c|\n'
        dumps "more bytes than 64: $f" "$f\"%#.100M\\n\", \$p)$e" \
            "$(printf %02x {0..63})6c6f6f6b$(printf %02x {68..99})\\n"
    done
    dumps 'a NUL is a byte to print' 'printf("%#.3m|\n", $p + 255)' '\0377\0\001|\n'
    dumps 'and ends a string' 'println(sprintf("%#.3m|", $p + 255) == "\377")' '1\n'
    dumps 'what comes after is there' \
        'println(strlen(sprintf("%d%#.4m%d", 1, $p + 64, 22)), sprintf("%s%#.2m%s", "a", $p + 65,
            "b"))' \
        '7aoob\n'
    dumps 'a fault is an error' \
        'try { printf("%#.4M\n", 8) } catch (e) { println(e) } try { s = sprintf("%#m", 16) }
            catch (e) { println(e, s) }' \
        'read fault [man error::fault] at 0x8\nread fault [man error::fault] at 0x10\n'
    dumps 'so are more bytes than a page' \
        'most = 4097; try { printf("%#.*M\n", most, $p) } catch (e) { println(e) }
        try { println(sprintf("%#.5000m", $p)) } catch (e) { println(e) }
        println(strlen(sprintf("%#.2000M", $p)))' \
        '4097 is too many bytes for a memory dump\n5000 is too many bytes for a memory dump\n4000\n'
    prints 'in a handler of a timer' \
        "global at $look { at = \$p } probe timer.ms(20) { if (!at) next
        printf(\"%#.3M|%#*.*m|%s|\\n\", at + 65, 4, 2, at + 48, sprintf(\"%#.*M\", 2, at + 2));
            exit() }" \
        "$(printf '%s|  01|0203|\\n' 585858)" -c "$scratch/memory"
else
    skip 'memory in formats' 'needs root, eBPF and a C compiler'
fi

# ---- slices, functions of one name, what aliases ask ----

prints 'delete of a slice, and what is in one' 'global a, st probe begin {
    for (i = 0; i < 3; i++) { a[i, "x"] = i; a[i, "y"] = 9; st[i, i % 2] <<< i }
    println([1, *] in a, [3, *] in a, [*, "x"] in a, [*, "z"] in a)
    delete a[1, *]; delete a[*, "y"]; delete st[*, 0]
    foreach ([i+, s] in a) println(i, s); println(@count(st[1, 1]), [0, *] in st)
    println(sprintf("%s%d", "q", [2, *] in a && 1) . sprint([*, "y"] in a)); exit() }' \
    '1010\n0x\n2x\n10\nq10\n'
in_kernel_array 'delete of a slice, and what is in one' 'for (i = 0; i < 3; i++) a[i, i % 2] = i
    delete a[*, 0]; println([1, *] in a, [2, *] in a)' '10\n'
prints 'overloads, by priority and then as they are written' '
    function f(x) { if (x > 1) next; return "a" } function f(x) { if (x > 2) next; return "b" }
    function f(x):3 { return "d" } function f(x):2 { if (x > 3) next; return "c" }
    function f(x, y) { return "two" } function none() { next } function none() { println("void") }
    probe begin { println(f(1), f(2), f(3), f(4), f(1, 1)); none(); exit() }' 'abcdtwo\nvoid\n'
trace -e 'function f(x) { if (x) next; return 1 } probe begin { println(f(0)); f(1); println("no") }'
check 'the last overload cannot go on' eval \
    '[[ $(cat "$scratch/out") = 1 ]] && said "^ERROR: all functions exhausted"'
prints '@probewrite' 'probe low = begin { v = 1 }, { println(@probewrite(v), v) }
    probe low { v = 2 } probe low { println("reads ", v) exit() }' '12\nreads 1\n01\n'
refuses '@probewrite in a function' 'function f() { return @probewrite(x) } probe begin { f() }' \
    'a meaning only in probes'
refuses 'perf events that are not counted' 'probe perf.type(0).config(1) { }' \
    "only the processors' clock"
if [[ $kernel ]]; then
    prints 'perf.type(1).config(0)' 'global n probe perf.type(1).config(0).sample(1000000) { n++ }
        probe timer.ms(500) { println(n > 100 && n < 700 ? "about 500" : sprint(n)); exit() }' \
        'about 500\n' -c 'timeout 5 sh -c "while :; do :; done"'
else
    skip 'perf.type(1).config(0)' 'handlers in the kernel need root and eBPF'
fi
# A text and its copy may lie in one place only while neither changes.
copies='global out[100], n
function same:string(x:string) { a = x; b = a; b .= "2"; return a . b }
function other:string(x:string) { a = x; b = a; a .= "3"; return a . b }
function swap:string(x:string, y:string) {
    a = x; b = y
    for (i = 0; i < 3; i++) { t = a; a = b; b = t; b .= "!" }
    return a . "/" . b
}
function failed:string(x:string, d:long) {
    a = x
    try { b = a; a = "new"; b .= sprint(1 / d); a = b } catch { return a . b }
    return a
}
function pick:string(x:string, k:long) {
    r = x
    if (k) { r = same(r) }
    s = r
    if (k > 1) { s .= "+"; return r . s }
    return s
}
function late:string(x:string) {
    r = x; q = r
    for (i = 0; i < 2; i++) { q = r . q; r = q }
    return q
}
function all:string(x:string) {
    return same(x) . " " . other(x) . " " . swap(x, "y") . " " . failed(x, 0) . " " .
           failed(x, 1) . " " . pick(x, 0) . pick(x, 1) . pick(x, 2) . " " . late(x) . " " .
           same(same(x)) . " " . other(same(x) . other(x))
}
'
if [[ $kernel ]]; then
    prints 'a text and its copies (kernel)' "$copies"'probe timer.profile { out[n++ & 1] = all("a") }
        probe timer.ms(600) { exit() } probe end { println(out[0]) }' \
        'aa2 a3a y!/a!! newa a1 aaa2aa2aa2+ aaaa aa2aa22 aa2a3a3aa2a3a\n'
else
    skip 'a text and its copies (kernel)' 'handlers in the kernel need root and eBPF'
fi
prints 'a text and its copies' "$copies"'probe begin { println(all("a")) exit() }' \
    'aa2 a3a y!/a!! newa a1 aaa2aa2aa2+ aaaa aa2aa22 aa2a3a3aa2a3a\n'
trace -W -e 'probe begin { println(x); exit() }'
check '-W: a warning is an error' eval '[[ $status = 1 ]] && said "error: never-assigned.*-W"'

finish
