#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Marks (sys/sdt.h) of a program that is compiled here, which prints what it passed to them, how
# often, and what its semaphore was meanwhile: that is the truth. Needs root, eBPF, a C compiler and
# sys/sdt.h (package systemtap-sdt-dev). About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'
echo '#include <sys/sdt.h>' | ${CC:-cc} -E - >/dev/null 2>&1 ||
    skip_all 'there is no sys/sdt.h (package systemtap-sdt-dev)'

cat >"$scratch/lib.c" <<'END2'
#include <sys/sdt.h>
int in_library(int n)
{
    DTRACE_PROBE1(library, called, n);
    return n + 1;
}
END2
cat >"$scratch/target.c" <<'END2'
#define _SDT_HAS_SEMAPHORES 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sdt.h>
#include <unistd.h>
unsigned short test_watched_semaphore __attribute__((section(".probes")));
unsigned short test_sizes_semaphore __attribute__((section(".probes")));
unsigned short test_plain_semaphore __attribute__((section(".probes")));
unsigned short other_plain_semaphore __attribute__((section(".probes")));
unsigned short other_places_semaphore __attribute__((section(".probes")));
extern int in_library(int n);
struct pair { long first; int second; };
static struct pair pairs[4] = {{10, 11}, {20, 21}, {30, 31}, {-40, -41}};
static volatile long counter;
static volatile int scaled[4] = {1000, 2000, -3000, 4000};

static __attribute__((noinline)) void sizes(int i)
{
    signed char c = (signed char)-i;
    unsigned char uc = (unsigned char)(250 + i);
    short s = (short)(-300 * i);
    unsigned short us = (unsigned short)(65535 - i);
    int n = -70000 * i;
    unsigned u = 4294967295u - (unsigned)i;
    long l = -5000000000L * i;
    unsigned long ul = 0xffffffffffffff00ul + (unsigned)i;
    DTRACE_PROBE8(test, sizes, c, uc, s, us, n, u, l, ul);
    if (i < 3)
        printf("sizes %d %u %d %u %d %u %ld %lu\n", c, uc, s, us, n, u, l, ul);
}

static __attribute__((noinline)) void places(int i, const char *text)
{
    long local[4] = {i, 2 * i, 3 * i, 4 * i};
    __asm__ volatile("" : : "r"(local) : "memory");
    counter += i;
    DTRACE_PROBE6(other, places, counter, scaled[i & 3], local[i & 3], &pairs[i & 3], text, 17);
    if (i < 3)
        printf("places %ld %d %ld %ld %d %s 17\n", counter, scaled[i & 3], local[i & 3],
               pairs[i & 3].first, pairs[i & 3].second, text);
}

static __attribute__((noinline)) void plain(int i)
{
    DTRACE_PROBE(test, plain);
    if (i % 2)
        DTRACE_PROBE(other, plain);
    DTRACE_PROBE1(test, plain, i);
}

/* "target N": prints what it does N times. "target wait FILE": until FILE is there, then says how
 * its code and semaphore are. */
int main(int argc, char **argv)
{
    long n = atol(argv[1]), seen = 0, sum = 0;

    if (!strcmp(argv[1], "wait")) {
        while (access(argv[2], F_OK))
            usleep(10000), seen += test_watched_semaphore != 0;
        printf("%s %ld %d\n", argv[3], seen > 0, test_watched_semaphore);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        if (*(volatile unsigned short *)&test_watched_semaphore) {
            seen++;
            DTRACE_PROBE1(test, watched, i);
        }
        sizes(i);
        places(i, argv[0]);
        plain(i);
        sum += in_library(i);
    }
    printf("done %ld seen %ld semaphore %d\n", sum, seen, test_watched_semaphore);
    return 0;
}
END2
build() { # NAME FLAG...
    local name=$1
    shift
    ${CC:-cc} "$@" -shared -fPIC -o "$scratch/libmarks.so" "$scratch/lib.c" &&
        ${CC:-cc} "$@" -o "$scratch/$name" "$scratch/target.c" -L"$scratch" -lmarks \
            -Wl,-rpath,"$scratch"
}

# The program's lines of one word, and what a script prints in the same form.
same_lines() { # WORD
    grep "^$1 " "$scratch/out" >"$scratch/theirs"
    grep "^traced $1 " "$scratch/out" | sed 's/^traced //' >"$scratch/ours"
    [[ $(wc -l <"$scratch/theirs") = 3 ]] && diff "$scratch/theirs" "$scratch/ours" >"$scratch/err"
}

arguments() { # PROGRAM ARGUMENT...
    local program=$scratch/$1
    shift
    run_once "$@" -c "$program 3" -e '
        probe process.mark("sizes") {
            printf("traced sizes %d %d %d %d %d %d %d %lu\n", $arg1, $arg2, $arg3, $arg4, $arg5,
                $arg6, $arg7, $arg8)
        }
        probe process.provider("other").mark("places") {
            printf("traced places %d %d %d %d %d %s %d\n", $arg1, $arg2, $arg3,
                user_long($arg4), user_int32($arg4 + 8), user_string($arg5), $arg6)
        }' && same_lines sizes && same_lines places
}

for flags in -O2 -O0 '-O1 -fno-pie -no-pie'; do
    name=target${flags//[^0-9A-Za-z]/}
    # shellcheck disable=SC2086
    build "$name" -g $flags || { echo "Bail out! no program for $flags"; exit 99; }
    check "arguments of all sizes and places ($flags)" arguments "$name"
done
check '... without links of many breakpoints' arguments targetO2 --no-feature=uprobe_multi
program=$scratch/targetO2

cp "$program" "$scratch/stripped"
strip "$scratch/stripped"
check 'a program without symbols' last_line_is '3 -30' -c "$scratch/stripped 5" -e '
    global n, first
    probe process.mark("sizes") { if ($arg8 & 1) n++; if ($arg1 == -1) first = $arg3 / 10 }
    probe end { println(n + 1, " ", first) }'
check '... where an argument is at a symbol' \
    fails_with '$arg1 cannot be read: it is at the symbol counter' \
    -c "$scratch/stripped 5" -e 'probe process.mark("places") { println($arg1) }'

counts() {
    last_line_is "$1" -c "$program 10" -e '
        global n
        probe '"$2"' { n[$$provider . ":" . $$name]++ }
        probe end { foreach (p+ in n) all .= sprintf("%s %d ", p, n[p])
            println(all) }'
}
check 'a name at several places and of several providers' \
    counts 'other:plain 5 test:plain 20 ' 'process.mark("plain")'
check 'one provider alone' counts 'test:plain 20 ' 'process.provider("test").mark("plain")'
check 'a wildcard in both' counts 'other:places 10 other:plain 5 test:plain 20 ' \
    'process.provider("*t*").mark("pla*")'
check 'a library that the program needs' counts 'library:called 10 ' \
    'process.library("libmarks.so").mark("called")'
check '... by a wildcard' counts 'library:called 10 ' \
    'process("'"$program"'").library("libm*").provider("lib*").mark("*")'
check '... and a function of it' last_line_is '10 45 55' -c "$program 10" -e '
    global n, before, after
    probe process.library("libmarks.so").function("in_library") { n++; before += $n }
    probe process.library("libmarks.so").function("in_library").return { after += $return }
    probe end { println(n, " ", before, " ", after) }'
check 'one handler for all of them' last_line_is '4 55' -c "$program 10" -e '
    global n, places
    probe process.mark("*") { n++; places[pp()]++ }
    probe end { foreach (p in places) k++
        println(k, " ", n) }'

text() {
    run_once -c "$program 2" -e 'probe process.provider("test").mark("plain") {
        println("[", $$parms, "] ", $$vars == $$parms) }' &&
        diff - <(grep '^\[' "$scratch/out") <<<'[] 1
[$arg1=0x0] 1
[] 1
[$arg1=0x1] 1'
}
check '$$parms of a mark that has none, and of one that has' text
check '@defined of an argument, place by place' last_line_is '10 10' -c "$program 10" -e '
    global with, without
    probe process.provider("test").mark("plain") { if (@defined($arg1)) with++; else without++ }
    probe end { println(with, " ", without) }'
check '$arg as a pointer to what @cast says' last_line_is '-40 31' -c "$program 4" -e '
    global low, high
    probe process.mark("places") {
        if (@cast($arg4, "pair")->first < low) low = @cast($arg4, "pair")->first
        if (@cast($arg4, "struct pair")->second > high) high = @cast($arg4, "struct pair")->second
    }
    probe end { println(low, " ", high) }'

semaphore() {
    run_once "$@" -c "$program 10" -e '
        global n
        probe process.mark("watched") { n++ }
        probe end { println("traced ", n) }' &&
        printed '^traced 10$' && printed '^done 55 seen 10 semaphore 1$'
}
check 'the semaphore counts us while we look' semaphore
check '... by perf events, too' semaphore --no-feature=uprobe_multi
check '... and is 0 without a probe' last_line_is 'done 55 seen 0 semaphore 0' -c "$program 10" \
    -e 'probe process.mark("plain") { }'

# Two processes of one program: one is the target. What the other has is its own.
two_processes() {
    local mine other at
    at=$(readelf -n "$fixed" |
        sed -n '/Name: watched/,/Location/s/.*Location: \(0x[0-9a-f]*\).*/\1/p')
    rm -f "$scratch/go"
    "$fixed" wait "$scratch/go" mine >"$scratch/mine" &
    mine=$!
    "$fixed" wait "$scratch/go" other >"$scratch/other" &
    other=$!
    pids+=("$mine" "$other")
    code() { dd if="/proc/$1/mem" bs=1 skip=$((at)) count=1 2>/dev/null | od -An -tx1; }
    for _ in {1..100}; do # until both run the program
        before=$(code "$other")
        [[ -z $before || $(code "$mine") != "$before" ]] || break
        sleep 0.05
    done
    start_trace "$@" -x "$mine" -e 'probe process.mark("watched") { }
        probe timer.ms(100) { println("armed") }'
    sleep 0.2
    [[ $(code "$other") = "$before" && $(code "$mine") != "$before" ]] || {
        echo "code: $before, $(code "$mine"), $(code "$other")" >>"$scratch/err"
        return 1
    }
    end_trace
    for _ in {1..50}; do # taken out a little later where the machine is busy
        [[ $(code "$mine") != "$before" ]] || break
        sleep 0.1
    done
    [[ $(code "$mine") = "$before" ]] || return 1
    touch "$scratch/go"
    wait "$mine" "$other" || return 1
    [[ $(cat "$scratch/mine" "$scratch/other") = 'mine 1 0
other 0 0' ]]
}
fixed=$scratch/targetO1fnopienopie
check "another process's code and semaphore stay as they are" two_processes
check '... by perf events, too' two_processes --no-feature=uprobe_multi

lists() {
    run_once -l 'process("'"$program"'").provider("*").mark("pla*")' &&
        diff - "$scratch/out" <<END2
process("$program").provider("other").mark("places")
process("$program").provider("other").mark("plain")
process("$program").provider("test").mark("plain")
END2
}
check '-l lists marks' lists
called='.mark("called") $arg1:long'
library="library(\"$scratch/libmarks.so\")"
arguments_listed() {
    run_once -L 'process("'"$program"'").library("libm*").mark("*")' &&
        [[ $(cat "$scratch/out") = "process(\"$program\").$library$called" ]]
}
check '-L their arguments, and libraries by their paths' arguments_listed

for_stap() {
    run_once --dump-stap -c "$program 1" -e 'probe process.mark("plain") { println($$parms) }' &&
        printed '^probe process\("'"$program"'"\)\.provider\("other"\)\.mark\("plain"\)$' &&
        printed '^probe process\("'"$program"'"\)\.provider\("test"\)\.mark\("plain"\)$' &&
        [[ $(grep -c '^probe' "$scratch/out") = 2 ]]
}
check 'SystemTap gets marks by their names' for_stap

object() {
    (cd "$scratch" && timeout 60 "$ngstap" --backend=bpf -p4 -m marks -e '
        global n
        probe process("'"$program"'").mark("watched") { n += $arg1 + 1 }
        probe end { println("traced ", n) }' >out 2>err) &&
        run_once "$scratch/marks.bpf.o" -c "$program 10" && printed '^traced 55$' &&
        printed 'seen 10 semaphore 1$'
}
check 'an object by itself knows the semaphore' object
finish
