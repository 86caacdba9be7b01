#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Handlers in the kernel that go on in user space: foreach, histograms, delete of a whole array,
# system() and functions that only user space has, in handlers of functions, returns, ticks and
# tracepoints. What a script should find says the target, which counts its calls (rest/target.c).
#
# Needs root, eBPF, a C compiler. About 30 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

target=$scratch/target
${CC:-cc} -g -O1 -o "$target" tests/rest/target.c

# run CALLS ARGUMENT...: ngstap with the script on standard input and a target of its own. Its
# lines are in $scratch/out, the target's in $scratch/truth.
run() {
    local calls=$1
    shift
    cat >"$scratch/script.stp"
    rm -f "$scratch/truth"
    trace "$@" -c "$target $scratch/truth $calls" "$scratch/script.stp"
}

same() { # FILE: its lines are the output
    [[ $status = 0 ]] && diff "$1" "$scratch/out" >"$scratch/diff" && return
    sed 's/^/# /' "$scratch/diff" | head -n 12
    return 1
}
is() { # LINE...: these are the output
    printf '%s\n' "$@" >"$scratch/want"
    same "$scratch/want"
}
quiet() { [[ ! -s $scratch/err ]]; }

# ---- foreach: the last of 5,500 calls prints what all of them have counted ----

run 5500 <<'END'
global a, s, m
probe process.function("step") {
    a[$item->kind]++
    s[user_string($item->name)]++
    m[user_string($item->name), $n % 2] <<< $n
    if ($n != 5499)
        next
    foreach (k+ in a) println("k+ ", k, " ", a[k])
    foreach (k- in a) println("k- ", k, " ", a[k])
    foreach (k in a+) println("a+ ", k, " ", a[k])
    foreach (v = k in a- limit 3) println("a- ", k, " ", v)
    foreach (name- in s) println("name ", name, " ", s[name])
    foreach ([name+, odd] in m) if (odd) println("m ", name, " ", @count(m[name, odd]))
    foreach ([name+, odd] in m["kind-3", *]) odds += @count(m[name, odd])
    println("slice ", odds)
    foreach (k+ in a limit 8) {
        if (k == 2)
            continue
        if (k == 5)
            break
        println("some ", k)
    }
    foreach (k in a limit -1) println("none")
    foreach (k in a) foreach (name in s) pairs++
    println("pairs ", pairs)
}
END
by() { cut -d ' ' -f 2,3 "$scratch/truth" | sort -n "$@"; }
{
    by -k 1 | sed 's/^/k+ /'
    by -r -k 1 | sed 's/^/k- /'
    by -k 2 | sed 's/^/a+ /'
    by -r -k 2 | head -n 3 | sed 's/^/a- /'
    by -r -k 1 | sed 's/^/name kind-/'
    # of 110 calls in turn as many are odd ones as even
    by -k 1 | awk '{ print "m kind-" $1, $2 / 2 }'
    by -k 1 | awk '$1 == 3 { print "slice", $2 }'
    printf 'some %s\n' 0 1 3 4
    echo 'pairs 100'
} >"$scratch/want2"
check 'foreach in each order, with limits, slices, and within one another' same "$scratch/want2"
check '... and nothing is said' quiet

# ---- the order of all that is printed, and what is known of the hit ----

run 300 <<'END'
global n
function half(word) { return substr(word, 0, strlen(word) / 2) }
probe process.function("step") {
    began = gettimeofday_us()
    println($n, " begins")
    word = user_string($word)
    n++
    println($n, " ", half(word), " ", $item->kind, " ", user_string($item->name), " ",
        12 + 0 * __tz_gmtoff())
    println($n, " ", pid() == target(), tid() == target(), uid(), euid(), ppid() > 0, " ", execname(),
        " ", ppfunc(), " ", isinstr(pp(), "process") && isinstr(pp(), "step"), " ",
        gettimeofday_us() - began < 1000000)
    printf("%d ends\n", $n)
}
probe end { println(n) }
END
awk 'BEGIN {
    for (n = 0; n < 300; n++) {
        kind = 0
        for (at = n % 55; at > kind; at -= kind)
            kind++
        print n, "begins"
        print n, n % 2 ? "o" : "ev", kind, "kind-" kind, 12
        print n, "11001 target step 1 1"
        print n, "ends"
    }
    print 300 }' >"$scratch/want2"
check 'one hit after the other, and each as it was' same "$scratch/want2"

# ---- histograms ----

run 1100 <<'END'
global h, l
probe process.function("step") {
    h <<< $item->kind
    l["kinds"] <<< $item->kind
    if ($n == 1099) {
        print(@hist_log(h))
        print(@hist_linear(l["kinds"], 0, 9, 1))
    }
}
END
# rows FIRST LAST: the lines of a histogram that have these values, from the FIRST line on
rows() { sed -nE 's/^ *([0-9]+) \|@+ +([0-9]+)$/\1 \2/p' "$scratch/out" | sed -n "$1,$2p"; }
by -k 1 | awk '{ for (low = $1 ? 1 : 0; low && low * 2 <= $1; low *= 2);
    n[low] += $2 } END { for (k in n) print k, n[k] }' | sort -n >"$scratch/logarithmic"
check 'print(@hist_log())' diff <(rows 1 5) "$scratch/logarithmic"
check 'print(@hist_linear())' diff <(rows 6 15) <(by -k 1)

# ---- delete of a whole array ----

run 11000 <<'END'
global a, n
probe process.function("step") {
    a[$item->kind]++
    if (++n % 100 == 0) {
        foreach (k in a) println(k, " ", a[k])
        delete a
    }
}
probe end { foreach (k in a) println(k, " ", a[k]) }
END
# added: each kind's counts of the output, added up, are not more than the target's; of all, one in
# 500 may be lost on a busy machine (tests/interval.sh says which).
added() {
    awk 'NR == FNR { want[$(NF - 1)] += $NF; all += $NF; next } { got[$1] += $2 } END {
        for (k in want) {
            lost += want[k] - got[k]
            if (want[k] != got[k]) print "#", k, got[k], want[k]
            bad += got[k] > want[k] }
        exit bad || lost > all / 500 }' "$scratch/truth" "$scratch/out"
}
check 'reading and deleting while hits go on: they add up' added
check '... and nothing else is said' quiet
run 1000 <<'END'
global a
probe process.function("step") {
    a[$n]++
    if ($n == 999) {
        delete a
        a[1] = 7
        println($n in a, " ", a[1])
    }
}
END
check 'delete alone' is '0 7'

# ---- system() ----

run 10 <<END
probe process.function("step") {
    if (\$n == 5)
        system("echo heard " . sprint(\$n) . " >>$scratch/heard")
}
END
check 'system()' test "$(cat "$scratch/heard")" = 'heard 5'

# ---- memory: by pointers, and where there is none ----

for way in '' --skip-badvars; do
    # shellcheck disable=SC2086 # a word or none
    run 10 $way <<'END'
global a
function name_of(item) { return user_string(@cast(item, "item")->self->name) }
probe process.function("step") {
    a[1]++
    item = $item
    if ($n == 4) {
        foreach (k in a) {
            println($item->self->self->kind, " ", user_string($item->self->name))
            println(name_of(item))
            println(user_int(&$item->self->kind), " ", user_long(user_long(user_long(16) + 8)))
        }
        printf("%d %s\n", @var("held")[1], user_string(8, "nothing"))
    }
}
END
    check "memory ${way:-as it is}" is '2 kind-2' kind-2 '2 0' '77 nothing'
done

# ---- control: functions, next, return, loops ----

run 60 <<'END'
global a, n
function report(what) {
    if (what == "")
        return 0
    foreach (k in a) total += a[k]
    if (total < 0)
        return -1
    println(what, " ", total)
    return total
}
function outer(what) { return report(what) + 1 }
function fold(n) { return n ? n + 0 * __tz_gmtoff() + fold(n - 1) : 0 }
probe process.function("step") {
    a[$item->kind]++
    if ($n == 10)
        println("no report ", report(""))
    if ($n == 59) {
        println("report of ", outer("first"))
        for (i = 0; i < 3; i++) {
            foreach (k+ in a) {
                if (k > i)
                    break
                println(i, k)
            }
        }
        println("fold ", fold(10))
        if (i == 3)
            next
        println("never")
    }
    n++
}
probe end { println(n) }
END
check 'functions, also one that calls itself, loops, next' is 'no report 0' 'first 60' 'report of 61' \
    00 10 11 20 21 22 'fold 55' 59

# ---- errors ----

run 40 -D MAXERRORS=10 <<'END'
global caught, a
probe process.function("step") {
    a[1] = 1
    try {
        if ($n == 3)
            stringat("abc", 7)
        if ($n == 4) {
            foreach (k in a) println(k)
            println(user_string(8))
        }
        if ($n == 5)
            foreach (k in a) error("own " . sprint(k))
    } catch (e) {
        println($n, " ", e)
        caught++
    }
    try { if ($n == 6) { foreach (k in a) println(1 / (k - 1)) } } catch { println("6 caught") }
    if ($n == 20) {
        foreach (k in a) println(10 / (k - 1))
        println("never")
    }
    if ($n == 21) { i = __tz_gmtoff(); while (1) i++ }
    if ($n == 22) { foreach (k in a) println(user_long(8), user_long_error(16)) }
}
probe end { println(caught) }
END
check 'what the rest does wrong its catch gets' is '3 Position out of bounds' 1 \
    '4 read fault [man error::fault] at 0x8' '5 own 1' '6 caught' 3
check 'what nothing catches has its place' said '^ERROR: division by 0 near operator ./. at .*script.stp:19:37$'
check 'MAXACTION counts on' said '^ERROR: MAXACTION exceeded'
check 'a read that failed at the hit' said '^ERROR: read fault .* at 0x10 near identifier .user_long_error. at .*script.stp:23:60$'
check 'three errors' said 'Number of errors: 3,'

# ---- exit() ----

run 200000 <<'END'
global n, a
function report() {
    foreach (k in a) sum += a[k]
    println("report ", sum)
    exit()
}
probe process.function("step") {
    a[$item->kind]++
    if (++n >= 50) {
        println("complete")
        report()
    }
}
probe end { println("end ", n) }
END
check 'exit() in a rest: no hit comes after' is complete 'report 50' 'end 50'
run 200000 <<'END'
global n, a
probe process.function("step") {
    a[1]++
    if (++n >= 50) {
        foreach (k in a) if (a[k] >= 50) exit()
        println("report")
    }
}
probe end { println("end ", n >= 50) }
END
check 'exit() on one way: rests of later hits do not run' is report 'end 1'
run 200000 -D MAXERRORS=1 <<'END'
global n, a, later
probe process.function("step") {
    a[1]++
    if (++n == 50) {
        foreach (k in a) println(1 / (k - 1))
        exit()
    }
    later += n > 50
}
probe end { println(later > 1000) }
END
check 'an error before exit(): hits go on' is 1

# ---- returns, several places, ticks, tracepoints ----

run 110 <<'END'
global h, places
probe process.function("step").return {
    h <<< $return
    if (@entry($n) == 109) {
        print(@hist_log(h))
        println($n, " ", $return, " ", returnval(), " ", probefunc())
    }
}
probe process.function("[sk]*") {
    if (__tz_gmtoff() > -100000)
        places[probefunc(), ppfunc() == probefunc() && isinstr(pp(), probefunc())]++
}
probe end { foreach ([f+, same] in places) println(f, same, " ", places[f, same]) }
END
check 'returns' printed '^109 327 327 step$'
check '... and places' test "$(tail -n 2 "$scratch/out")" = $'kind_of1 110\nstep1 110'

cat >"$scratch/busy.c" <<'END'
#include <unistd.h>
volatile long spin;
__attribute__((noinline)) void work(void) { for (long i = 0; i < 1000; i++) spin++; }
int main(void) { for (int n = 0; n < 1000000; n++) { work(); if (n % 100 == 0) getppid(); } }
END
${CC:-cc} -g -O1 -o "$scratch/busy" "$scratch/busy.c"
trace -T 30 -c "$scratch/busy" -e 'global a, n
probe timer.profile {
    a[ppfunc()]++
    if (++n == 20) {
        foreach (f in a) total += a[f]
        println(pid() == target(), " ", total >= 20, " ", execname(), " ",
            user_mode() == 1 || n > 0, " ", register("rip") != 0 || n > 0)
        exit()
    }
}'
check 'timer.profile' is '1 1 busy 1 1'
if [[ -r /sys/kernel/btf/vmlinux ]]; then
    trace -T 30 -c "$scratch/busy" -e 'global n
    probe kernel.trace("sys_enter") {
        if ($id == 110 && ++n == 100) {
            println(substr("abc", 0 * __tz_gmtoff(), 1), " ", $id, " ", pid() == target(), " ",
                ppid() > 0)
            exit()
        }
    }'
    check 'kernel.trace' is 'a 110 1 1'
else
    skip 'kernel.trace' 'no BTF of the kernel'
fi

# ---- what is in use: many numbers, and text ----

script='probe process.function("step") {'
for k in {1..60}; do script+=" v$k = \$n * $k t$((k % 5)) = t$((k % 5)) . sprint($k)"; done
script+=' if (__tz_gmtoff() > -100000) printf("%d'
for k in {1..60}; do script+=" + v$k"; done
script=${script/'printf("%d +'/'println('}
script+=', " ", t0, " ", t1, " ", t4) }'
run 1 <<<"${script/' $n *'/' 1 + $n *'}"
check '60 numbers and 5 texts' is "1 $(seq -s '' 5 5 60) $(seq -s '' 1 5 60) $(seq -s '' 4 5 60)"

# ---- without what a kernel may lack ----

for way in '--no-feature may_goto' '--no-feature may_goto --no-feature bpf_loop' '--no-feature bpf_cookie'; do
    # shellcheck disable=SC2086 # words
    run 110 $way <<'END'
global a, s
probe process.function("step") {
    for (i = 0; i < 3; i++)
        a[$item->kind]++
    for (i = 0; i < 2; i++) {
        s = user_string($word)
        if ($n == 109)
            foreach (k- in a limit 2) println(i, " ", k, " ", a[k], " ", pp() != "" && s == "odd")
    }
}
END
    check "$way" is '0 9 60 1' '0 8 54 1' '1 9 60 1' '1 8 54 1'
done

# ---- an object runs alone ----

(cd "$scratch" && cat >alone.stp <<END
global a
probe process("$target").function("step") {
    a[\$item->kind]++
    if (\$n == 54) foreach (k- in a limit 1) println(k, " ", a[k], " ", user_string(\$word))
}
END
"$ngstap" -I "$OLDPWD/tapset" -p4 -m alone alone.stp >/dev/null)
trace -c "$target $scratch/truth 55" "$scratch/alone.bpf.o"
check 'out of an object' is '9 10 even'

# ---- more hits than rests can run: the ring is the bound, and nothing is lost in silence ----

cat >"$scratch/slow.stp" <<'END'
global n, done
probe process.function("step") {
    n++
    s = sprintf("%4000d", $n)
    for (i = 0 * __tz_gmtoff(); i < 100; i++) x = substr(s, 3990, 20)
    done++
}
probe end { println(n, " ", done) }
END
run 20000 -D MAXSKIPPED=0 <"$scratch/slow.stp"
read -r hits run_ <"$scratch/out" || :
skipped=$(sed -nE 's/.*skipped probes: ([0-9]+)$/\1/p' "$scratch/err")
check "$hits hits, $run_ ran to their end, $skipped were skipped" \
    test "$hits" = 20000 -a "$run_" -gt 500 -a $((run_ + skipped)) = 20000
check '... which is said' said "^WARNING: $skipped skipped probes had begun: the ring was full"
run 20000 <"$scratch/slow.stp"
check 'MAXSKIPPED ends it' said '^ERROR: Skipped too many probes, check MAXSKIPPED'
check '... with a failure' test "$status" = 1

SECONDS=0
trace -T 1 -D MAXSKIPPED=0 -c "$target $scratch/truth 3000000" "$scratch/slow.stp"
check "a session comes to its end, whatever waits: $SECONDS s" test "$status" = 0

# ---- two masters of four workers each: one's are looked at ----

mkfifo "$scratch/gate1" "$scratch/gate2"
"$target" "$scratch/truth1" 11000 4 <"$scratch/gate1" &
pids+=("$!")
master1=$!
"$target" "$scratch/truth2" 11000 4 <"$scratch/gate2" &
pids+=("$!")
exec 5>"$scratch/gate1" 6>"$scratch/gate2"
until [[ $(pgrep -c -P "$master1") = 4 ]]; do sleep 0.05; done
start_trace --master "$master1" -e 'global a, n
probe timer.ms(100) { println("armed") }
probe process("'"$target"'").function("step") {
    a[pid(), $item->kind]++
    if (++n % 1000 == 0) {
        foreach ([p, k] in a) println("got ", p, "-", k, " ", a[p, k])
        delete a
    }
}
probe end { foreach ([p, k] in a) println("got ", p, "-", k, " ", a[p, k]) println("hits ", n) }'
echo >&5
echo >&6
status=0
wait "$tracer" || status=$? # it ends when they have
exec 5>&- 6>&-
check "a master's workers: hits" test "$status" = 0 -a "$(tail -n 1 "$scratch/out")" = 'hits 44000'
sed -nE 's/^got //p' "$scratch/out" >"$scratch/got"
sed -E 's/^([0-9]+) ([0-9]+) /\1-\2 /' "$scratch/truth1" >"$scratch/truth"
cp "$scratch/got" "$scratch/out"
check '... of each worker, of each kind' added
check '... of nobody else' test "$(cut -d - -f 1 "$scratch/got" | sort -u | wc -l)" = 4

# ---- what is shown, and what is refused ----

refused() { # WHAT LINE:COLUMN MESSAGE ARGUMENT..., the script on standard input
    cat >"$scratch/refused.stp"
    trace -p3 "${@:4}" -c "$target x 1" "$scratch/refused.stp"
    check "refused: $1" said "refused.stp:$2: error: $3"
}
refused 'a read of what only the rest knows' 3:33 'what is read here is not known before .*, from line 3 on' <<'END'
global seen
probe process.function("step") {
    foreach (p in seen) println(user_string(p))
    seen[$word] = 1
}
END
refused '... in a function that calls itself' 1:34 'this is not known in a function that calls itself' <<'END'
function f(n) { return n ? n : f(pid()) }
probe process.function("step") { println(substr("abc", 1 + 0 * __tz_gmtoff(), 1), f(0)) }
END
script='probe process.function("step") {'
for k in {1..70}; do script+=" t$k = user_string(\$word) . \"$k\""; done
script+=' println(substr("abc", 1 + 0 * __tz_gmtoff(), 1), t1'
for k in {2..70}; do script+=" . t$k"; done
script+=') }'
run 1 <<<"$script"
check '70 texts' is "b$(printf 'even%s' {1..70})"
refused 'more text than a record holds' '1:[0-9]+' 'what the handler has in use here, up to [0-9]+ bytes' \
    -D MAXSTRINGLEN=32768 <<<"$script"
check '... with what to do' said 'hint: -D MAXSTRINGLEN=N'
cat >"$scratch/script.stp" <<'END'
global a
probe process.function("step") {
    a[1] = $n
    foreach (k in a) println(k)
}
END
trace --dump-ir -p3 -c "$target x 1" "$scratch/script.stp"
check '--dump-ir: the cut' printed '^    handover f[0-9]+'
check '... and the rest, beside its line' eval \
    'sed -n "/^rest f[0-9]* of probe/,\$p" "$scratch/out" | grep -q "script.stp:4: *foreach"'
trace --dump-bpf -p4 -m shown -c "$target x 1" "$scratch/script.stp"
check '--dump-bpf: the rest' printed '^.*p0_rest0'
finish
