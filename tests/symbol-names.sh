#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Names of addresses, and stacks as keys: versions, entries of linkage tables, MiniDebugInfo,
# stripped files, assembly, each as nm or objdump has it; of other processes than the first, after
# they have ended; equal stacks are one key wherever the program lies. Needs root, eBPF, x86_64, a C
# compiler and binutils. Prints TAP.

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
    grep -q '^stop+0x' "$scratch/walked" && sed '1,/^--$/d' "$scratch/out" |
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
finish
