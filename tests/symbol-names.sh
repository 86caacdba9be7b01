#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Names of addresses, and stacks as keys: versions, entries of linkage tables, MiniDebugInfo,
# stripped files, assembly, each as nm or objdump has it; of other processes than the first, after
# they have ended; equal stacks are one key wherever the program lies. Lines of sources as addr2line
# has them, names of C++ and Rust as c++filt has them. Needs root, eBPF, x86_64, a C compiler and
# binutils. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'
[[ $(uname -m) = x86_64 ]] || skip_all 'stacks are walked on x86_64 alone'

# A program with its library: a versioned function, labels without a size, a static function.
cat >"$scratch/lib.c" <<'END'
__attribute__((noinline)) void hit(volatile char *p) { p[0] = 1; }
__attribute__((noinline)) static int hidden(int n) { char p[4]; hit(p); return p[0] + n; }
int zfirst(int n) { return hidden(n) + 1; }
int zsecond(int n) { return hidden(n) + 2; }
__asm__(".symver zfirst,work@@ONE\n.symver zsecond,work@ZERO\n"
        ".text\n.globl bare\n.type bare,@function\nbare: nop\nnop\nnop\nret\n"
        ".section .last,\"ax\",@progbits\n.globl last\nlast: nop\nret\n"
        ".section .next,\"ax\",@progbits\nnop\nret\n");
END
echo 'ZERO {}; ONE { global: work; hit; bare; last; local: *; };' >"$scratch/lib.map"
cat >"$scratch/main.c" <<'END'
#include <stdlib.h>
#include <unistd.h>
int work(int n);
extern char bare[], last[];
__attribute__((noinline)) static int chain(int n)
{
    return n ? chain(n - 1) + 1 : work(n);
}
__attribute__((noinline)) static void stop(int n)
{
    if (chain(n) >= 0)
        exit(0);
    abort();
}
int main(int argc, char **argv)
{
    usleep(500000); /* until it is seen that it runs */
    stop(argc > 1 ? atoi(argv[1]) : 1);
    return bare[0] + last[0];
}
END
(
    cd "$scratch"
    build() { ${CC:-cc} -O1 -fno-optimize-sibling-calls "$@"; }
    build -shared -fPIC -Wl,--version-script=lib.map -o libwork.so lib.c
    build -no-pie -o fixed main.c ./libwork.so
    build -pie -fPIE -o moving main.c ./libwork.so
    cp moving other
)
lib=$scratch/libwork.so
at_hit="probe process(\"$lib\").function(\"hit\")"
run() {
    (cd "$scratch" && timeout 60 "$ngstap" -I "$OLDPWD/tapset" "$@" >out 2>err </dev/null)
}
address() { # SYMBOL
    nm "$lib" | awk -v name="$1" '$3 == name || index($3, name "@@") == 1 { print "0x" $1; exit }'
}
first=$(address work) hidden=$(address hidden) bare=$(address bare) last=$(address last)
hit=$(address hit)

# ---- names ----

# ADDRESS=NAME...: by the library's own addresses, asked where it lies.
named() {
    local script='' one
    for one; do
        script+="println(usymname(uaddr() - $hit + ${one%%=*}));"
    done
    run -c ./fixed -e "$at_hit { $script exit() }" &&
        printf '%s\n' "${@#*=}" | diff - "$scratch/out"
}
own() { printf 'libwork.so+0x%x' "$(($1))"; }
check 'the version of a name is left out' named "$first=work"
check 'a static function' named "$hidden=hidden" "$((hidden + 3))=hidden"
check 'a label without a size, up to the next symbol' named "$((bare + 2))=bare"
check '... or the end of its section' named "$((last + 1))=last" "$((last + 2))=$(own last+2)"

# An entry of the linkage table, in its middle, too.
plt() {
    local at
    at=$(objdump -d "$scratch/fixed" | sed -nE 's/^0*([0-9a-f]+) <work(@ONE)?@plt>:/0x\1/p')
    [[ -n $at ]] &&
        run -c ./fixed -e "$at_hit { println(usymname($at), usymdata($at + 4)); exit() }" &&
        printed "^work@pltwork@plt\+0x4/0x(10|8) \[$scratch/fixed\]\$"
}
check "a function's entry of the linkage table" plt

# Stripped: no neighbour's name; with .gnu_debugdata as before.
cp "$lib" "$scratch/whole.so"
strip "$lib"
check 'stripped: the file, and the address it has there' named "$((hidden + 3))=$(own hidden+3)" \
    "$first=work"
with_section() { # FILE
    cp "$scratch/whole.so" "$lib"
    strip "$lib"
    objcopy --add-section .gnu_debugdata="$1" "$lib"
}
if command -v xz >/dev/null; then
    objcopy --only-keep-debug "$scratch/whole.so" "$scratch/mini"
    xz -k "$scratch/mini"
    with_section "$scratch/mini.xz"
    check 'MiniDebugInfo' named "$((hidden + 3))=hidden" "$first=work"
    head -c 300000000 /dev/zero | xz -1 >"$scratch/bomb.xz"
    with_section "$scratch/bomb.xz"
    check '... that expands without end' named "$((hidden + 3))=$(own hidden+3)" "$first=work"
    head -c 1000 "$scratch/mini.xz" >"$scratch/cut.xz"
    with_section "$scratch/cut.xz"
    check '... that is cut' named "$((hidden + 3))=$(own hidden+3)" "$first=work"
else
    skip 'MiniDebugInfo' 'no xz'
fi
cp "$scratch/whole.so" "$lib"

# ---- processes ----

# What a program of its own runs is named when it has ended.
others() {
    run -c 'sh -c "./moving; ./other; ./fixed"' -e "global s
        $at_hit {
            s[sprintf(\"%s %s %s\", usymname(ustack(1)), usymname(ustack(2)), umodname(ustack(3)))]++
        }
        probe end { foreach (k+ in s) println(s[k], \" \", k) }" &&
        printf '1 hidden work %s\n' fixed moving other | diff - "$scratch/out"
}
check 'other processes, when they have ended' others

# Two runs of one program lie at different places: their stacks are one key, that of another file
# is another, and the names are what the source says.
as_key() { # FUNCTION STATEMENT
    run -c 'sh -c "./moving; ./moving; ./moving; ./other"' -e "global s
        $at_hit { s[$1()] <<< 1 }
        probe end { foreach (k in s-) { println(@count(s[k])); $2 } }" &&
        [[ $(grep -xE '[0-9]+' "$scratch/out" | tr '\n' ' ') = '3 1 ' ]] &&
        diff <(sed -nE '2,8s/^( 0x[0-9a-f]+ : )?([a-z]+)\+0x.*/\2/p' "$scratch/out") - <<'END'
hit
hidden
work
chain
chain
stop
main
END
}
check 'sprint_ubacktrace() as a key' as_key sprint_ubacktrace 'print(k)'
check 'ubacktrace() as a key, print_ustack()' as_key ubacktrace 'print_ustack(k)'
check '... sprint_ustack()' as_key ubacktrace 'print(sprint_ustack(k))'

# The addresses themselves, as text.
addresses() {
    run -c ./moving -e "global s
        $at_hit { s[ubacktrace()] = sprintf(\"0x%x 0x%x\", ustack(0), ustack(1)) }
        probe end { foreach (k in s) println(k, \"\\n\", s[k]) }" &&
        [[ $(head -1 "$scratch/out") = "$(tail -1 "$scratch/out") "* ]]
}
check 'ubacktrace() is the addresses where it is printed' addresses

# 127 frames are a key; what is printed is what was walked.
deep() {
    run -c './moving 400' -e "global s
        $at_hit { s[ubacktrace()] <<< 1; print_ubacktrace(); println(\"--\") }
        probe end { foreach (k in s) print_ustack(k) }" || return
    sed '/^--$/,$d' "$scratch/out" >"$scratch/walked"
    [[ $(wc -l <"$scratch/walked") = 127 ]] && sed '1,/^--$/d' "$scratch/out" |
        diff "$scratch/walked" -
}
check '127 frames' deep

# By way of a function, an element and a variable.
kept() {
    run -c ./moving -e "global s, last
        function keep(which, stack) { last[which] = stack }
        $at_hit {
            keep(1, ubacktrace())
            mine = last[1]
            s[mine, 1] <<< 1
            print(sprint_ustack(mine))
            println(\"--\")
        }
        probe end { foreach ([k, n] in s) print(sprint_usyms(k)) }" || return
    sed '/^--$/,$d' "$scratch/out" >"$scratch/walked"
    grep -q ' : stop+0x' "$scratch/walked" && sed '1,/^--$/d' "$scratch/out" |
        diff "$scratch/walked" -
}
check 'a stack that is kept elsewhere' kept

# A script that looks into the text has a text.
looked() {
    run -c ./moving -e "$at_hit {
            b = ubacktrace()
            one = sprintf(\"0x%x \", ustack(0))
            println(substr(b, 0, strlen(one)) == one && isinstr(b, sprintf(\"0x%x\", ustack(2))))
        }" && printed '^1$'
}
check 'a script that looks into the text' looked
looked_elsewhere() {
    run -c ./moving -e "global last
        function first(text) { return tokenize(text, \" \") }
        $at_hit {
            last[1] = ubacktrace()
            println(first(last[1]) == sprintf(\"0x%x\", ustack(0)))
        }" && printed '^1$'
}
check '... by way of a function' looked_elsewhere

# A call that does not return may be the last of its function.
noreturn() {
    run -c ./moving -e 'probe syscall.exit_group { print_ubacktrace(); exit() }' &&
        printed ' : stop\+0x' && printed ' : main\+0x' && ! printed ' : chain\+0x'
}
check 'a call at the end of a function' noreturn

# ---- lines of sources ----

cat >"$scratch/lined.c" <<'END'
#include <unistd.h>
#include "lined.h"
__attribute__((noinline)) static void touch(volatile char *p)
{
    p[0] = twice(2);
}
__attribute__((noinline)) static int outer(int n)
{
    char p[4];
    touch(p);
    return p[0] + n;
}
int main(int argc, char **argv)
{
    usleep(500000);
    return outer(argc) > 9;
}
END
cat >"$scratch/lined.h" <<'END'
static volatile int two = 2;
static inline int twice(int n)
{
    two++;
    return n * two;
}
END
lined=$scratch/lined
(cd "$scratch" && ${CC:-cc} -g -O1 -fno-optimize-sibling-calls -o lined lined.c)
at_touch="probe process(\"$lined\").function(\"touch\")"
touch=0x$(nm "$lined" | awk '$3 == "touch" { print $1 }')
truth() { # a line an address
    addr2line -e "$scratch/whole" | sed 's/ (discriminator .*//'
}
cp "$lined" "$scratch/whole"

# Each byte of three functions.
every_line() {
    run -c "$lined" -e "$at_touch {
            for (a = 0; a < 60; a++)
                println(usymfileline(uaddr() + a))
            exit()
        }" && seq -f '%.0f' $((touch)) $((touch + 59)) | xargs printf '0x%x\n' | truth |
        diff - "$scratch/out" && [[ $(sort -u "$scratch/out" | wc -l) -ge 8 ]] &&
        grep -q '/lined.h:' "$scratch/out"
}
check 'lines of sources' every_line
apart() {
    run -c "$lined" -e "$at_touch {
            println(usymfile(uaddr()), \":\", usymline(uaddr()))
            println(usymline(5), usymfile(6), usymfileline(7), symfileline(8))
        }" && { echo "$touch" | truth && echo 0x50x60x70x8; } | diff - "$scratch/out"
}
check 'a file and a line alone, and of what is no code' apart

# The line of a frame is the call's, not that of the address behind it.
of_frames() {
    run -c "$lined" -e "$at_touch {
            print_ubacktrace_fileline()
            println(\"--\")
            print_ubacktrace()
            println(\"--\")
            print_ubacktrace_brief()
            println(\"--\")
            print(sprint_ubacktrace())
        }" || return
    csplit -s -f "$scratch/part" "$scratch/out" '/^--$/' '{*}'
    sed -i '/^--$/d' "$scratch"/part0?
    local offset place where
    for where in outer main; do
        read -r offset place < <(sed -nE \
            "s/^ 0x[0-9a-f]+ : $where\+(0x[0-9a-f]+)\/0x[0-9a-f]+ at (.*) \[.*\/lined\]$/\1 \2/p" \
            "$scratch/part00")
        [[ -n $offset &&
            $place = "$(printf '0x%x\n' $((0x$(nm "$scratch/whole" |
                awk -v name=$where '$3 == name { print $1 }') + offset - 1)) | truth)" ]] || return
    done
    diff <(sed -E 's/ at [^[]*:[0-9]+( \[)/\1/' "$scratch/part00") "$scratch/part01" &&
        diff <(sed -E 's/^ 0x[0-9a-f]+ : ([^ /]*).*/\1/' "$scratch/part01") "$scratch/part02" &&
        diff <(sed -E 's/^ 0x[0-9a-f]+ : ([^ /]*)[^ ]* \[.*\/(.*)\]/\1 [\2]/' "$scratch/part01") \
            "$scratch/part03"
}
check 'stacks with lines, and brief ones' of_frames

without_lines() {
    run -c "$lined" -e "probe process(\"$lined\").function(\"touch\") {
            printf(\"%s 0x%x\n\", usymfileline(uaddr()), uaddr())
            print_ubacktrace_fileline()
        }" && [[ $(head -1 "$scratch/out") =~ ^(0x[0-9a-f]+)\ (.*)$ ]] &&
        [[ ${BASH_REMATCH[1]} = "${BASH_REMATCH[2]}" ]] && printed ' : __libc_start_main' && printed ' : outer\+0x' &&
        ! printed ' (touch|outer|main)[^ ]* at '
}
strip -g "$lined"
check 'without debug information lines are addresses' without_lines
# A table that says it has two gigabytes; one that is noise.
broken_table() { # FILE: the new .debug_line
    objcopy --update-section .debug_line="$1" "$scratch/whole" "$lined" 2>/dev/null &&
        without_lines
}
objcopy -O binary --only-section=.debug_line --set-section-flags .debug_line=alloc \
    "$scratch/whole" "$scratch/line.bin"
{ printf '\xff\xff\xff\x7f' && tail -c +5 "$scratch/line.bin"; } >"$scratch/long.bin"
head -c 4000 /dev/urandom >"$scratch/noise.bin"
check '... with a table of any length' broken_table "$scratch/long.bin"
check '... with one that makes no sense' broken_table "$scratch/noise.bin"

# SystemTap has these functions itself.
passed_on() {
    run --exec "$scratch/whole" --dump-stap -e 'probe process.function("touch") {
            println(usymfileline(uaddr()), symfile(addr()), sprint_ustack(ubacktrace()))
            print_ubacktrace_fileline()
            print_ubacktrace_brief()
            print_backtrace_fileline()
        }' && ! printed '^function' && printed '\(usymfileline\(uaddr\(\)\), symfile\(addr\(\)\)' ||
        return
    for name in ubacktrace_fileline ubacktrace_brief backtrace_fileline; do
        printed "^ *print_$name\(\);" || return
    done
}
if [[ -d /usr/share/systemtap/tapset ]]; then
    check "the other back end takes SystemTap's own" passed_on
else
    skip "the other back end takes SystemTap's own" 'no systemtap'
fi

# ---- names as in the source ----

run --demangle -e 'probe begin { exit() }' || :
if said 'built without libiberty'; then
    skip 'names as in the source' 'built without libiberty'
elif ! command -v c++filt >/dev/null; then
    skip 'names as in the source' 'no c++filt'
else
    # C++, Rust's two manglings, a part of a function, none.
    symbols=(_ZN5space5Thing4moveEii _ZN5outer4mostIiLi7EEEvT_ _ZNK1aplERKS_ _ZN1a1bEv.cold
        _ZN4core3fmt9Formatter3pad17h0123456789abcdefE _RNvCs1234_7mycrate3foo
        _RINvNtC3std3mem8align_ofjE _Z _ZN _RNv plain _Znope)
    for one in "${symbols[@]}"; do
        echo ".type $one,@function; $one: nop; .size $one,1"
    done >"$scratch/names.s"
    echo 'void touch(void) { } int main(void) { touch(); return 0; }' >"$scratch/names.c"
    (cd "$scratch" && ${CC:-cc} -o names names.c names.s 2>err)
    where() { nm "$scratch/names" | awk -v name="$1" '$3 == name { print "0x" $1 }'; }
    # Each as usymname() has it, and the last one's data.
    source_names() { # OPTION...
        local script='' one
        for one in "${symbols[@]}"; do
            script+="println(usymname(uaddr() - $(where touch) + $(where "$one")));"
        done
        run "$@" -c ./names -e "probe process(\"$scratch/names\").function(\"touch\") {
                $script
                println(usymdata(uaddr() - $(where touch) + $(where "${symbols[0]}")))
            }"
    }
    demangled() {
        source_names --demangle && {
            for one in "${symbols[@]}"; do c++filt -p -i "$one"; done
            echo "$(c++filt -p -i "${symbols[0]}")+0x0/0x1 [$scratch/names]"
        } | diff - "$scratch/out"
    }
    check 'names of C++ and Rust' demangled
    as_symbols() {
        source_names &&
            { printf '%s\n' "${symbols[@]}" && echo "${symbols[0]}+0x0/0x1 [$scratch/names]"; } |
            diff - "$scratch/out"
    }
    check '... only when it is asked for' as_symbols

    # Two that stand for a name of 2^30 bytes and more, one nested deep.
    digits=(0 1 2 3 4 5 6 7 8 9 {a..z} {A..Z})
    numbered() { # N: in base 62, as Rust has it
        local n=$(($1 - 1)) text=''
        ((n >= 0)) || return 0
        while :; do
            text=${digits[n % 62]}$text
            n=$((n / 62))
            ((n)) || break
        done
        echo "$text"
    }
    doubled=_Z1fI1pIiiES_IS0_S0_E
    for i in 1 2 3 4 5 6 7 8 9 {A..Z}; do doubled+=S_IS${i}_S${i}_E; done
    doubled+=Evv
    rust=_RINvC1a1b at=8 next=TjjE
    for _ in {1..40}; do
        rust+=$next
        next=TB$(numbered "$at")_B$(numbered "$at")_E
        at=$((${#rust} - 2))
    done
    rust+=E
    deep=_Z1fI$(head -c 1900 /dev/zero | tr '\0' P)iEvv
    symbols=("$doubled" "$rust" "$deep")
    for n in 0 1 2; do
        echo ".type h$n,@function; h$n: nop; .size h$n,1"
    done >"$scratch/names.s"
    (cd "$scratch" && ${CC:-cc} -o names names.c names.s 2>err &&
        for n in 0 1 2; do echo "h$n ${symbols[n]}"; done >renamed &&
        objcopy --redefine-syms=renamed names)
    hostile_names() {
        source_names --demangle &&
            [[ $(sed -n 1p "$scratch/out") = "$doubled" ]] &&
            [[ $(sed -n 2p "$scratch/out") = "$rust" ]] &&
            sed -n 3p "$scratch/out" | grep -qE '^(f<int\*|_Z1fIP)'
    }
    check '... that stand for too much' hostile_names
fi
finish
