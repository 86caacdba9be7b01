#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Values that handlers in the kernel share: two threads of a target do nothing but hit probes that
# set a string and probes that read it, while ticks and a timer's handler read it, too. Whatever is
# read must be what some handler has assigned.
#
# Needs root, eBPF, a C compiler. About 15 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

calls=100000
cat >"$scratch/target.c" <<'END'
#include <pthread.h>
#include <stdlib.h>
__attribute__((noinline, noclone)) void set(long n)
{
    __asm__ volatile("" : : "r"(n) : "memory");
}
__attribute__((noinline, noclone)) void get(long n)
{
    __asm__ volatile("" : : "r"(n) : "memory");
}
static long calls;
static void *run(void *p)
{
    for (long i = 0; i < calls; i++)
        if (p)
            set(i);
        else
            get(i);
    return p;
}
int main(int argc, char **argv)
{
    pthread_t t;
    calls = atol(argv[argc - 1]);
    pthread_create(&t, NULL, run, &t);
    run(NULL);
    pthread_join(t, NULL);
    return 0;
}
END
${CC:-cc} -g -O1 -pthread -o "$scratch/target" "$scratch/target.c"
path=$scratch/target

# prints WANT SCRIPT: the last line of a run of the target under SCRIPT
prints() {
    timeout 100 "$ngstap" -D STP_NO_OVERLOAD -c "$path $calls" -e "$2" >"$scratch/out" \
        2>"$scratch/err" || return 1
    echo "# $(tail -n 1 "$scratch/out")"
    [[ $(tail -n 1 "$scratch/out") = "$1" ]]
}

# Four texts of four lengths, each of one letter: what is read must be one of them, whole.
text() { printf "$1%.0s" $(seq "$2"); }
a=$(text a 900) b=$(text b 300) c=$(text c 30) d=$(text d 1700)
whole() { echo "$1 == \"$a\" || $1 == \"$b\" || $1 == \"$c\" || $1 == \"$d\""; }
pick="(\$n % 4 == 0 ? \"$a\" : \$n % 4 == 1 ? \"$b\" : \$n % 4 == 2 ? \"$c\" : \"$d\")"
set='process("'$path'").function("set")'
get='process("'$path'").function("get")'

check 'a global string, read by another thread, by ticks and by a timer' prints '0 1 1 1' '
    global s = "'"$c"'", bad, read, ticks, times
    probe '"$set"' { s = '"$pick"' }
    probe '"$get"' { t = s; if (!('"$(whole t)"')) bad++; read++ }
    probe perf.sw.cpu_clock.hz(2000) { t = s; if (!('"$(whole t)"')) bad++; ticks++ }
    probe timer.ms(1) { t = s; if (!('"$(whole t)"')) bad++; times++ }
    probe end { println(bad, " ", read > 10000, " ", ticks > 100, " ", times > 100) }'
check 'a global string, set by both threads and by ticks' prints '0 1' '
    global s = "'"$c"'", bad, read
    probe '"$set"' { s = '"$pick"'; t = s; if (!('"$(whole t)"')) bad++ }
    probe '"$get"' { s = '"$pick"'; t = s; if (!('"$(whole t)"')) bad++; read++ }
    probe perf.sw.cpu_clock.hz(2000) { s = "'"$c"'"; t = s; if (!('"$(whole t)"')) bad++ }
    probe end { println(bad, " ", read > 10000) }'
check 'what is appended by several at a time is all there' prints '1' '
    global s, n
    probe '"$set"' { if ($n < 1500) { s .= "x"; n++ } }
    probe '"$get"' { if ($n < 1500) { s .= "x"; n++ } }
    probe end { println(strlen(s) == n && n >= 2900) }'
check 'a string in an array, read by another thread, by ticks and by a timer' prints '0 1 1 1' '
    global s, bad, read, ticks, times
    probe begin { s[1] = "'"$c"'" }
    probe '"$set"' { s[1] = '"$pick"' }
    probe '"$get"' { t = s[1]; if (!('"$(whole t)"')) bad++; read++ }
    probe perf.sw.cpu_clock.hz(2000) { t = s[1]; if (!('"$(whole t)"')) bad++; ticks++ }
    probe timer.ms(1) { t = s[1]; if (!('"$(whole t)"')) bad++; times++ }
    probe end { println(bad, " ", read > 10000, " ", ticks > 100, " ", times > 100) }'

# ---- how long a handler may run, how much it may print

# tick SCRIPT OPTION...: what it prints is in $scratch/out, errors in $scratch/err. Two CPUs may
# tick before the session ends.
tick() { timeout 20 "$ngstap" "${@:2}" -e "$1" >"$scratch/out" 2>"$scratch/err" || :; }
said() { grep -q -e "$2" "$scratch/$1"; }
printed() { [[ $(sort -u "$scratch/out") = "$1" && ! -s $scratch/err ]]; }
numbers() { seq -s "$2" 1 "$1"; }

tick 'function f(x) { if (x) return 0
    a = 1; b = 2; c = 3; d = 4; e = 5; g = 6; h = 7; i = 8; j = 9; k = 10; l = 11; m = 12; n = 13;
        o = 14; p = 15; q = 16; r = 17
    s = 18; t = 19; u = 20; v = 21; w = 22; y = 23; z = 24; aa = 25; bb = 26; cc = 27; dd = 28;
        ee = 29; ff = 30; gg = 31
    return a + b + c + d + e + g + h + i + j + k + l + m + n + o + p + q + r + s + t + u + v + w +
        y + z + aa + bb + cc + dd + ee + ff + gg }
    probe perf.sw.cpu_clock { for (i = 0; i < 3000; i++) n += f(1); println("done"); exit() }'
check 'MAXACTION: statements that a function left out do not count' printed done
counted='probe perf.sw.cpu_clock { exit(); a = 1; b = 2; if (a) { b = 3; c = 4 } else c = 5;
    for (i = 0; i < 2; i++) a++; println(a, b, c) }'
tick "$counted" -D MAXACTION=10 # exit, a, b, if, b, c, for, a++, a++, println
check 'MAXACTION: as many as run' printed 334
tick "$counted" -D MAXACTION=9
check 'MAXACTION: one less' said err 'MAXACTION exceeded.*-D MAXACTION=N'
tick 'probe perf.sw.cpu_clock { exit(); while (1) { if (n++ >= 20) break; if (n % 2) continue;
    a = 1; b = 2; c = 3; d = 4 } println(n); if (n) next; n++; n++; n++ }' \
    -D MAXACTION=115 # exit, while, 20 * (2 + 1 or 4, half each), 2, println, if, next
check 'MAXACTION: break, continue and next leave statements out' printed 21
tick 'probe begin { for (i = 0; i < 90; i++) ; println(i); exit() }' -D MAXACTION=10
check 'MAXACTION: ten times as many in user space' printed 90
tick 'probe begin { for (i = 0; i < 100; i++) ; println(i); exit() }' -D MAXACTION=10
check 'MAXACTION: and no more' said err 'MAXACTION exceeded'

for handler in begin perf.sw.cpu_clock; do
    tick "probe $handler { exit(); i = 1; printf(\"$(printf '%%d %.0s' {1..31})%s\\n\", $(printf \
        'i++, %.0s' {1..31})\"x\") }"
    check "a print of 32 values, in $handler" printed "$(numbers 31 ' ') x"
done
tick "probe begin { s = \"x\"; for (i = 0; i < 12; i++) s .= s; print($(printf 's, %.0s' \
    {1..31})s) exit() }"
check 'a print of 32 long strings' test "$(wc -c <"$scratch/out")" = $((32 * 4096))
tick "probe begin { print($(numbers 33 ', ')) }"
check 'a print of 33 values is refused' said err \
    '1:15: error: too many arguments to print: 33, at most 32'

# ---- limits are the script's, not damage of an object

for period in 'timer.ns(500)' 'timer.hz(2000000)' 'perf.sw.cpu_clock.sample(500)'; do
    tick "probe $period { }"
    check "$period is refused at its place" said err \
        '^-e:1:[1-9].*a period of 500 ns is too short: at least 1000'
done
tick 'global a[100000000] probe begin { a[1] = 1 }'
check 'an array of more elements than can be' said err \
    '^-e:1:8: error:.*100000000 elements; at most'
tick 'global s = "0123456789012345678901234567890123456789" probe begin { println(s) exit() }' -D \
    MAXSTRINGLEN=33
check 'a string that begins longer than MAXSTRINGLEN is cut' printed \
    01234567890123456789012345678901
tick 'global a function f(n) { foreach (k in a) if (n) return f(n - 1); return 0 } probe begin {
    a[1] = 1; f(100) }' -D MAXNESTING=200
check 'too many foreach loops within one another: an error at its place' \
    said err "^ERROR: more than 64 foreach loops within one another near .* at -e:1:"
calls=''
for ((n = 0; n < 700; n++)); do \
    calls+="n += execname() == \"x\" . sprint($n) || user_string(0, \"y\") == \"z$n\"; "; done
tick "probe perf.sw.cpu_clock { $calls exit() } probe end { println(\"end\") }" -D \
    MAXSTRINGLEN=32768
check 'strings that are needed one after the other share their room' printed end

tick 'global a[3], b probe perf.sw.cpu_clock { exit()
    for (i = 0; i < 5; i++) try { a[i] = 1 } catch (e) { println(e); break }
    for (i = 0; i < 5; i++) try { b[i] = 1 } catch (e) { println(e); break } } probe end { delete a;
    delete b }' -D MAXMAPENTRIES=3
check 'an array that is full: whose limit' said out 'check size limit (3)'
check '... or MAXMAPENTRIES, though both are the same' said out 'check MAXMAPENTRIES'

# ---- memory that is mapped, but not there

cat >"$scratch/absent.c" <<'END'
#include <sys/mman.h>
#include <unistd.h>
__attribute__((noinline, noclone)) void look(const long *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}
int main(int argc, char **argv)
{
    (void)argv;
    look(argc > 1 ? mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
        0) : (long *)16);
    sleep(1);
    return 0;
}
END
${CC:-cc} -g -O1 -o "$scratch/absent" "$scratch/absent.c"
look='probe process("'$scratch'/absent").function("look") { println($p[0]) }'
tick "$look" -c "$scratch/absent mapped"
check 'a fault in memory that is mapped, but not touched yet' said err \
    'read fault.*it is mapped, but was not in memory'
tick "$look" -c "$scratch/absent"
check 'a fault elsewhere' bash -c '! grep mapped "$0" && grep "read fault" "$0" >/dev/null' \
    "$scratch/err"

# ---- a variable of a program that both --exec and -c name: it lies where the process has it

cat >"$scratch/placed.c" <<'END'
long counter = 41;
__attribute__((noinline)) void step(void) { __asm__ volatile("" : "+m"(counter)); }
int main(void) { step(); return 0; }
END
${CC:-cc} -g -O1 -fPIE -pie -o "$scratch/placed" "$scratch/placed.c"
read_counter='probe process("'$scratch'/placed").function("step") {
    println(@var("counter", "'$scratch'/placed")) }'
for options in '' "--exec $scratch/placed"; do
    # shellcheck disable=SC2016,SC2086 # none, or two words
    check "a variable of the program of -c $options" bash -c '[[ $("$@") = 41 ]]' bash "$ngstap" \
        $options -c "$scratch/placed" -e "$read_counter"
done

# ---- ^C while begin handlers run

busy='for (i = 0; i < 2000000; i++) ;'
timeout 60 "$ngstap" -D MAXACTION=10000000 \
    -e "probe begin { println(1) warn(\"begun\") $busy println(2) } probe begin(1) { println(3) }
    probe end { println(4) } probe end(1) { println(5) }" >"$scratch/out" 2>"$scratch/err" &
session=$!
for ((n = 0; n < 100; n++)); do ! said err begun || break; sleep 0.05; done
kill -INT $session
wait $session || :
check 'an interrupt in a begin handler: all begin and end handlers run' test "$(<"$scratch/out")" \
    = $'1\n2\n3\n4\n5'

# ---- a handler that runs at the moment of exit() is not cut short

tick 'global inside probe perf.sw.cpu_clock { if (inside++) exit(); else { println("1 in");
    for (i = 0; i < 1000000; i++) ; println("2 out") } }
    probe end { println("3 end") }' -D MAXACTION=10000000
check 'exit() on another CPU: a handler that runs ends and prints' printed $'1 in\n2 out\n3 end'

finish
