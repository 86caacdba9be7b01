#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Names of addresses (usymname() and its kin) whose bytes a script looks at: a handler in the kernel
# has marks in their place, and goes on in user space with the names. The target's functions are
# called as often as its source says. Needs root, eBPF and a C compiler. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

# "first" is called three times, "second" twice, by turns.
cat >"$scratch/main.c" <<'END_C'
#include <unistd.h>
static volatile int sum;
__attribute__((noinline)) void first(int n) { sum += n; sum += 1; }
__attribute__((noinline)) void second(int n) { sum -= n; sum -= 1; }
int main(void)
{
    usleep(500000); /* until it is seen that it runs */
    for (int i = 0; i < 5; i++)
        (i % 2 ? second : first)(i);
    return 0;
}
END_C
build() { ${CC:-cc} -O0 "$@" "$scratch/main.c"; }
build -no-pie -o "$scratch/fixed"
build -pie -fPIE -o "$scratch/moving"
cp "$scratch/moving" "$scratch/other"
at_both="probe process(\"$scratch/fixed\").function(\"first\"),
    process(\"$scratch/fixed\").function(\"second\")"

# says TEXT SCRIPT: that is what it prints.
says() {
    trace -c "$scratch/fixed" -e "$2" && diff - "$scratch/out" <<<"$1"
}
# Of each call in turn: what EXPRESSION is, told by %d or %s.
each() { # CONVERSION FIRST SECOND EXPRESSION
    says "$(printf '%s\n' "$2" "$3" "$2" "$3" "$2")" "$at_both { printf(\"$1\\n\", $4) }"
}
check 'a comparison' each %d 1 0 'usymname(uaddr()) == "first"'
check '... the other way round' each %d 1 0 '"first" == usymname(uaddr())'
check '... by order' each %d 0 1 'usymname(uaddr()) > "m"'
check '... with another name' each %d 1 1 'usymname(uaddr()) == usymname(uaddr() + 2)'
check 'the length' each %d 5 6 'strlen(usymname(uaddr()))'
check 'a part' each %s rst con 'substr(usymname(uaddr()), 2, 3)'
check 'a byte' each %c f s 'stringat(usymname(uaddr()), 0)'
check 'a part that is looked for' each %d 0 1 'isinstr(usymname(uaddr()), "on")'
check 'a regular expression' each %d 1 0 'usymname(uaddr()) =~ "^f.*t$"'
check '... what it matched' each %s irs eco \
    '(usymname(uaddr()) =~ "^.(...).*$") ? matched(1) : "nothing"'
check 'a width in sprintf' each '<%s>' '<  first>' '< second>' 'sprintf("%7s", usymname(uaddr()))'
check 'a condition' each %s yes no 'usymname(uaddr()) == "first" ? "yes" : "no"'
check 'a module' each %d 1 1 'umodname(uaddr()) == "fixed"'
check 'what is put together' each %d 8 9 'strlen("<" . usymname(uaddr()) . ">" . sprintf("%d", 1))'
check 'what sprintf puts together' each %d 1 0 \
    'sprintf("%s:%d", usymname(uaddr()), 5) == "first:5"'

# What is asked of the stack after the handler has gone on is this hit's.
callers() {
    trace -c "$scratch/fixed" -e "global last
        function caller() { return usymname(ustack(1)) }
        $at_both {
            stack = sprint_ubacktrace()
            if (last == \"never\") exit()
            last = usymname(uaddr())
            println(last, \" \", caller(), \" \", stack =~ \"^(first|second).*main\")
        }" &&
        printf '%s main 1\n' first second first second first | diff - "$scratch/out"
}
if [[ $(uname -m) = x86_64 ]]; then
    check 'frames of the stack' callers
else
    skip 'frames of the stack' 'stacks are walked on x86_64 alone'
fi

# ---- where it goes ----

goes() { # STATEMENTS EXPRESSION
    says $'1\n0\n1\n0\n1' "global kept, all
        function given(name) { return name == \"first\" }
        function made() { return usymname(uaddr()) }
        function passed(name) { return name }
        $at_both { $1; println($2) }"
}
check 'by way of a local' goes 'x = usymname(uaddr())' 'x == "first"'
check '... a global' goes 'kept = usymname(uaddr())' 'kept == "first"'
check '... an element' goes 'all[1] = usymname(uaddr())' 'all[1] == "first"'
check '... a parameter' goes 'x = 1' 'given(usymname(uaddr()))'
check '... a result' goes 'x = made()' 'x == "first"'
check '... both' goes 'x = 1' 'given(passed(passed(made())))'
check '... .=' goes 'x = "a"; x .= usymname(uaddr())' 'x == "afirst"'
check '... an error' goes 'try { error(usymname(uaddr())) } catch (x) { }' 'x == "first"'
check '... a key' says $'1\n0' "global all
    $at_both { all[usymname(uaddr()), 1]++ }
    probe end { foreach ([name+, n] in all) println(name == \"first\") }"

# ---- keys: three addresses of a function are one name ----

three="$at_both { for (i = 0; i < 3; i++) "
check 'what is added to by name' says $'first 9\nsecond 6' "global n
    $three n[usymname(uaddr() + i)]++ }
    probe end { foreach (name+ in n) println(name, \" \", n[name]) }"
check '... is asked by name' says $'9 6 1 0' "global n
    $three n[usymname(uaddr() + i)] += 1 }
    probe end {
        println(n[\"first\"], \" \", n[\"second\"], \" \", \"first\" in n, \" \", \"x\" in n)
    }"
check '... and in the kernel' says $'3\n3\n6\n6\n9' "global n
    $three n[usymname(uaddr() + i)]++ ; println(n[usymname(uaddr() + 1)]) }"
check '... counted' says $'9\n6' "global n $three n[usymname(uaddr() + i)] <<< i }
    probe end { println(@count(n[\"first\"])); println(@sum(n[\"second\"])) }"
check '... is set' says $'first 5\nsecond 4\n2' "global n, calls
    $three { n[usymname(uaddr() + i)] = calls + 1 } calls++ }
    probe end { foreach (name+ in n) { println(name, \" \", n[name]); k++ } println(k) }"
check '... is deleted' says $'second' "global n
    $three n[usymname(uaddr() + i)]++
    if (usymname(uaddr()) == \"first\") delete n[usymname(uaddr() + 1)] }
    probe end { foreach (name in n) println(name) }"
check '... seen once' says $'first\nsecond' "global seen
    $three if (!(usymname(uaddr() + i) in seen)) {
        seen[usymname(uaddr() + i)] = 1
        println(usymname(uaddr() + i))
    } }"

# What is only added to and walked through needs no names in the kernel.
stays() {
    trace -c "$scratch/fixed" --dump-ir -e "global n
        $at_both { n[usymname(uaddr())]++; printf(\"%9s\n\", usymname(uaddr())) }
        probe end { foreach (name in n-) println(name, n[name]) }" &&
        printed smark && ! printed handover
}
check 'the kernel adds and prints without them' stays

# ---- several processes, which lie elsewhere ----

# What is named after the handler has gone on is the process's own.
processes() {
    trace -c "sh -c '$scratch/moving; $scratch/other; $scratch/fixed'" -e "global n
        probe process(\"$scratch/moving\").function(\"first\"),
            process(\"$scratch/other\").function(\"first\"),
            process(\"$scratch/fixed\").function(\"first\")
        {
            n[usymname(uaddr() + 1)]++
            if (usymname(uaddr()) == \"first\")
                println(umodname(uaddr()), \" \", usymname(uaddr() + 2))
            if (n[usymname(uaddr())] == 9) println(\"nine\")
        }" && {
        for one in moving other fixed; do
            printf '%s first\n' "$one" "$one" "$one"
        done
        echo nine
    } | diff - "$scratch/out"
}
check 'other processes' processes

# ---- handlers in user space, the kernel's names ----

address=0x$(nm "$scratch/fixed" | awk '$3 == "second" { print $1 }')
check 'a handler in user space' says '6 <  second> sec 1' "probe timer.ms(100) {
    name = usymname($address)
    printf(\"%d <%s> %s %d\\n\", strlen(name), sprintf(\"%8s\", name), substr(name, 0, 3),
        name == \"second\")
    exit()
}"
kernel_names() {
    trace -c /bin/true -e 'probe kernel.trace("sched_process_exit") {
            name = symname(stack(0))
            printf("%d %s %s\n", strlen(name), name, substr(name, 0, 200))
            exit()
        }' && awk '{ exit !($1 == length($2) && $2 == $3 && $2 !~ /^0x/) }' "$scratch/out"
}
check "the kernel's names" kernel_names
finish
