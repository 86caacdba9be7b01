#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Entries of the procedure linkage table: objdump has its own names for them, and a program that is
# compiled here counts its calls. Functions of libraries by .library, and those that are exported.
# Needs root, eBPF and a C compiler. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

cat >"$scratch/lib.c" <<'END2'
int called, other;
int first(int n) { return called += n; }
int second(int n) { other++; return first(n) + 1; }
END2
cat >"$scratch/target.c" <<'END2'
#include <stdio.h>
#include <stdlib.h>
extern int first(int), second(int), called, other;
extern int (*volatile taken)(int);
int (*volatile taken)(int) = second;
static __attribute__((noinline)) int hidden(int n) { return n + 1; }
__attribute__((noinline)) int visible(int n) { return hidden(n) + 1; }
int main(int argc, char **argv)
{
    int n = atoi(argv[1]), sum = 0;
    for (int i = 0; i < n; i++)
        sum += first(i) & visible(i);
    for (int i = 0; i < 2 * n; i++)
        sum += second(0) & taken(0);
    printf("sum %d other %d\n", sum, other);
    return 0;
}
END2
${CC:-cc} -g -O1 -shared -fPIC -o "$scratch/libplt.so" "$scratch/lib.c"

lists() { # PROGRAM OBJDUMP
    run_once -l "process(\"$1\").plt" &&
        "$2" -d "$1" | sed -nE 's/^[0-9a-f]+ <(.*[a-z_])@plt>:$/\1/p' | sort -u >"$scratch/want" &&
        sed -E 's/.*\.plt\("(.*)"\)$/\1/' "$scratch/out" | sort -u |
        diff "$scratch/want" - >"$scratch/err" &&
        [[ $(wc -l <"$scratch/want") -gt 2 ]]
}
calls() { # PROGRAM ARGUMENT...
    local program=$1
    shift
    last_line_is 'first 10 45 second 20 returned 1' "$@" -c "$program 10" -e '
        global n, sum, returned
        probe process.plt { n[probefunc()]++ }
        probe process.plt("first") { sum += int_arg(1) }
        probe process.plt("first").return { returned++ }
        probe process.plt("sec*") { if (probefunc() != "second") exit() }
        probe end {
            printf("first %d %d second %d returned %d\n", n["first"], sum, n["second"],
                returned == 10)
        }'
}
for flags in -O1 '-O1 -fno-pie -no-pie' '-O1 -Wl,-z,now' '-O1 -fcf-protection -Wl,-z,ibtplt' \
    '-O1 -s'; do
    # shellcheck disable=SC2086
    ${CC:-cc} $flags -o "$scratch/target" "$scratch/target.c" -L"$scratch" -lplt \
        -Wl,-rpath,"$scratch"
    check "the entries that objdump names ($flags)" lists "$scratch/target" objdump
    check "... and how often they are called" calls "$scratch/target"
done
check '... without links of many breakpoints' calls "$scratch/target" --no-feature=uprobe_multi

${CC:-cc} -g -O1 -o "$scratch/target" "$scratch/target.c" -L"$scratch" -lplt -Wl,-rpath,"$scratch"
program=$scratch/target
check "a library's own calls" last_line_is 'first 20' -c "$program 5" -e '
    global n
    probe process.library("libplt.so").plt("first") { n[probefunc()]++ }
    probe end { foreach (f in n) println(f, " ", n[f]) }'
check '$$name is the function, of one entry and of many' last_line_is 'first 20 20' -c "$program 5" -e '
    global n, m
    probe process.library("libplt.so").plt("first") { n[$$name]++ }
    probe process.library("libplt.so").plt.return { m[$$name]++ }
    probe end { foreach (f in n) println(f, " ", n[f], " ", m["first"]) }'
cp "$program" "$scratch/copy"
others() {
    start_trace -e '
        global n, m, armed
        probe process("'"$program"'").library("libplt.so").function("first") { n++ }
        probe process("'"$program"'").library("libplt.so").plt("f*") { m++ }
        probe timer.ms(100) { if (!armed++) println("armed") }
        probe end { println(n, " ", m) }'
    "$scratch/copy" 30 >/dev/null
    "$program" 10 >/dev/null
    "$scratch/copy" 30 >/dev/null
    end_trace
    [[ $(tail -1 "$scratch/out") = "50 40" ]]
}
if [[ -r /sys/kernel/btf/vmlinux ]]; then
    check '... and not those of another program with that library' others
else
    skip '... and not those of another program with that library' 'this kernel has no BTF'
fi
check 'functions that are exported, and those that are not' last_line_is '10 10 main visible ' \
    -c "$program 10" -e '
    global n, m, names
    probe process.function("hidden") { n++ }
    probe process.function("*i*").exported { m[probefunc()]++ }
    probe end {
        foreach (f+ in m) if (f == "main" || f == "visible") names .= f . " "
        println(n, " ", m["visible"], " ", names)
    }'
check '... by name' fails_with "'hidden' is seen by its own file alone" \
    -c "$program 10" -e 'probe process.function("hidden").exported { println(1) }'

if command -v aarch64-linux-gnu-gcc aarch64-linux-gnu-objdump >/dev/null; then
    for flags in -O1 '-O1 -mbranch-protection=standard -Wl,-z,force-bti'; do
        # shellcheck disable=SC2086
        aarch64-linux-gnu-gcc $flags -o "$scratch/arm" "$scratch/target.c" \
            -Wl,--unresolved-symbols=ignore-all 2>/dev/null
        check "a program of another machine ($flags)" lists "$scratch/arm" aarch64-linux-gnu-objdump
    done
else
    skip 'a program of another machine' 'no cross compiler (gcc-aarch64-linux-gnu)'
fi

for_stap() {
    run_once --dump-stap -c "$program 1" \
        -e 'probe process.plt("*st*"), process.plt("second").return { println(pp()) }' &&
        printed '^probe process\("'"$program"'"\)\.plt\("first"\)$' &&
        printed '^probe process\("'"$program"'"\)\.plt\("second"\)\.return$'
}
check 'SystemTap gets them by their names' for_stap
${CC:-cc} -O1 -fcf-protection -Wl,-z,ibtplt -o "$program" "$scratch/target.c" -L"$scratch" \
    -lplt -Wl,-rpath,"$scratch"
check '... but for tables that it does not see' \
    fails_with 'SystemTap does not see the tables beside .plt' --dump-stap -c "$program 1" \
    -e 'probe process.plt("first") { println(pp()) }'
finish
