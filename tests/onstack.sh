#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Small handlers keep their frame on BPF's stack (src/cg/onstack.c): what they count is what the
# program says it did, their errors name the place, catch blocks and MAXACTION work; a loop beside
# puts the same body into a frame of the map, and the answers are the same. And which files of the
# library are parsed (src/sema/declared.c): those where a name stands as it may be declared.
#
# Needs root, eBPF, a C compiler. Half a minute. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

# hit(0) to hit(9), ten times.
cat >"$scratch/calls.c" <<'C'
__attribute__((noinline)) long hit(long n) { __asm__ volatile("" : : "r"(n)); return n; }
int main(void) { for (long i = 0; i < 100; i++) hit(i % 10); return 0; }
C
${CC:-cc} -g -O1 -o "$scratch/calls" "$scratch/calls.c"

globals='global n, sum, c, h, two[2]'
in_frame='for (i = 0; i < 1; i++) { sum += 0 }'
body() { echo "$globals probe process(\"$scratch/calls\").function(\"hit\") { $1 }"; }

# answers WANT BODY END [OPTION...]: WANT is the errors, without their column, and the first line of
# what the end handler prints.
answers() {
    run_once "${@:4}" -e "$(body "$2") probe end { $3 }" -c "$scratch/calls" || :
    [[ $(sed -nE 's/^(ERROR: .*):[0-9]+$/\1/p' "$scratch/err" | sort | uniq -c | tr -s ' ')$(
        head -n 1 "$scratch/out") = "$1" ]]
}
# both NAME WANT BODY END [OPTION...]
both() {
    check "$1" answers "${@:2}"
    check "$1, in a frame of the map" answers "$2" "$in_frame $3" "${@:4}"
}
# frames BODY: how often its program looks for a frame of the map.
frames() {
    run_once --dump-bpf -e "$(body "$1")" -c "$scratch/calls"
    sed -n '/p0:/,/^$/p' "$scratch/out" | grep -c 'map ngs_frames' || :
}
takes() { [[ $(frames "$2") = "$1" ]]; }

check 'a counter needs no frame' takes 0 'n++'
check 'a histogram needs none' takes 0 'h <<< $n'
check 'an array by pid needs none' takes 0 'c[pid()]++'
check 'a loop has one' takes 4 "$in_frame n++"
check 'a string has one' takes 4 'c[execname()]++'

# A tick's registers may be the task's, which are copied as a whole.
sh -c 'ulimit -t 30; while :; do :; done' >"$scratch/busy" 2>&1 &
pids+=("$!")
check 'registers of a tick' last_line_is '0 1' -x "$!" -e 'global n, ticks
    probe timer.profile { x = uaddr(); y = u_register("rip"); if (x != y) n++; ticks++ }
    probe timer.s(1) { exit() }
    probe end { println(n, " ", ticks > 0) }'

both 'numbers' '100 450' 'n++; sum += $n' 'println(n, " ", sum)'
both 'locals and branches' '50 225 -100' \
    'x = $n; if (x % 2 == 0) { y = x * 3; n++ } else y = -2
     if (y < 0) c[0] += y; if (n > 0) sum = 225' \
    'println(n, " ", sum, " ", c[0])'
both 'arrays' '100 10 45' 'c[$n, 1]++; c[99, 0]++; if ([$n, 2] in c) n++; c[$n, 2] = $n' \
    'foreach ([a, b] in c) if (b == 2) { sum += c[a, b]; m++ } println(c[99, 0], " ", m, " ", sum)'
both 'aggregates' '100 450 0 9' 'h <<< $n' \
    'println(@count(h), " ", @sum(h), " ", @min(h), " ", @max(h))'
both 'a deleted element' '0' 'c[1] = 5; delete c[1]; n = c[1]' 'println(n)'
both 'an error is told, and ends the handler alone' \
    " 10 ERROR: division by 0 near operator '/' at -e:1100 90" \
    'n++; sum += 5 / $n; c[1]++' 'println(n, " ", c[1])' -DMAXERRORS=50
both 'an error is caught' '100 10' 'try { n++; x = 1 / $n } catch { sum++ }' 'println(n, " ", sum)'
both 'an array that is full' '2 80' 'try { two[$n] = 1 } catch { sum++ }' \
    'foreach (k in two) n++; println(n, " ", sum)'
both 'MAXACTION' '0 100' 'try { n++; n++; n++; n++; n++; n++; n++; n++ } catch { } sum++' \
    'println(n > 800, " ", sum)'

# ---- what of the library is parsed ----

mkdir "$scratch/lib"
cat >"$scratch/lib/odd.stp" <<'STP'
/* function commented() { } */
# function commented() { return 1 }
@define twice(name) %( function @name(x) { return 2 * x } %)
@twice(by_macro)
function plain:long(first, second) { local = "function in_string() {"; return first - second }
global one_global = 3, other_global
private global hidden = 4
function reads() { return hidden + one_global }
STP
cat >"$scratch/lib/broken.stp" <<'STP'
function broken( { commented() }
STP
cat >"$scratch/lib/braces.stp" <<'STP'
%( 1 == 1 %? function either() { %: function neither() { %) return 6 }
STP
check 'functions by themselves, by a macro, with braces in both branches; a global' \
    last_line_is '8 1 7 3 6' -I "$scratch/lib" -e 'probe begin {
        println(by_macro(4), " ", plain(3, 2), " ", reads(), " ", one_global, " ", either())
        exit() }'
check 'no function of a comment' fails_with 'commented' -I "$scratch/lib" \
    -e 'probe begin { commented() }'
check 'nor of a string' fails_with 'in_string' -I "$scratch/lib" -e 'probe begin { in_string() }'
check 'a broken file is named' fails_with 'broken.stp has syntax errors' -I "$scratch/lib" \
    -e 'probe begin { broken() }'
echo 'function added() { return 9 }' >"$scratch/lib/more.stp"
check 'a file that was added' last_line_is 9 -I "$scratch/lib" \
    -e 'probe begin { println(added()); exit() }'
echo 'function added() { return 10 }' >"$scratch/lib/more.stp"
check 'and changed' last_line_is 10 -I "$scratch/lib" \
    -e 'probe begin { println(added()); exit() }'
rm "$scratch/lib/more.stp"
check 'and removed' fails_with 'added' -I "$scratch/lib" -e 'probe begin { println(added()) }'

echo "1..$tests"
exit "$failed"
