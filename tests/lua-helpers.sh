#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# Stacks in those parts of LuaJIT's assembly of which its own unwind table says the wrong frame
# (src/arch/x86_64_luajit.c): instructions of helpers that are called (lj_vm_floor), of where C
# enters the interpreter (lj_vm_call) and leaves it (lj_vm_leave_unw) are probed. How far the return
# address is from the stack pointer there, objdump's listing tells: the second frame must be what
# lies there, and the stack lead to the start; from where traces end it must lead there, too. Needs
# root, eBPF, binutils and NGSTAP_TARGETS (tests/targets/build.sh prints it). About 60 s. Prints
# TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ $(uname -m) = x86_64 ]] || skip_all 'stacks are walked on x86_64 alone'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'
command -v objdump >/dev/null || skip_all 'no objdump'

called='lj_vm_floor lj_vm_ceil lj_vm_trunc lj_vm_mod lj_vm_next'
entered='lj_vm_call'

# places PROGRAM: lines "FUNCTION ADDRESS WORDS", WORDS between the stack pointer and the return
# address; -1: that is not known.
places() {
    objdump -d --no-show-raw-insn "$1" | awk -v called="$called" -v entered="$entered" '
        function say(words) { sub(":", "", $1); print name, "0x" $1, words }
        function some(words) { if (k++ % 16 == 0) say(words) }
        BEGIN {
            split(called, v); for (i in v) is_called[v[i]] = 1
            split(entered, v); for (i in v) is_entered[v[i]] = 1
        }
        /^[0-9a-f]+ <.*>:$/ {
            name = substr($2, 2, length($2) - 3)
            words = name == "lj_vm_ffi_callback" ? 1 : 0
            starts = name in is_entered || name == "lj_vm_ffi_callback"
            ends = name == "lj_vm_leave_unw"
            if (ends) words = 9
            k = 0
            next
        }
        NF < 2 { next }
        name in is_called { some(0); next }
        name == "lj_vm_exit_handler" { some(-1); next }
        starts || ends {
            say(words)
            if ($2 == "push") words++
            if ($2 == "pop") words--
            if ($2 == "sub") { words += 5; starts = 0 }
            if ($2 == "add") words -= 5
            if ($2 == "ret") ends = 0
        }'
}

# Each place that is hit is looked at a hundred times.
in_assembly() { # VARIANT [OPTION]
    local program=$NGSTAP_TARGETS/$1/srv/openresty/luajit/bin/luajit hits wrong short functions
    places "$program" >"$scratch/places"
    {
        printf '%s\n' 'global hits, wrong, short, n
            function look(words) {
                if (n[uaddr()]++ >= 100) { return 0 }
                name = usymname(uaddr())
                hits[name]++
                if (words >= 0 && ustack(1) != user_uint64(u_register("rsp") + 8 * words)) {
                    wrong[usymdata(uaddr())]++
                }
                if (!isinstr(sprint_ubacktrace(), "_start+")) { short[usymdata(uaddr())]++ }
            }
            probe end {
                foreach (name in hits) { printf("hits %s %d\n", name, hits[name]) }
                foreach (place in wrong) { printf("wrong %s %d\n", place, wrong[place]) }
                foreach (place in short) { printf("short %s %d\n", place, short[place]) }
            }'
        # One probe for all places of a kind: the kernel takes those out at once.
        awk -v program="$program" '
            { of[$3] = of[$3] (of[$3] == "" ? "probe " : ", ") \
                sprintf("process(\"%s\").statement(%s)", program, $2) }
            END { for (words in of) printf "%s { look(%d) }\n", of[words], words }' \
            "$scratch/places"
    } >"$scratch/look.stp"
    trace_seconds=150 trace -g -D MAXSTRINGLEN=4096 \
        -c "$program ${2:-} tests/ustack/helpers.lua 2" "$scratch/look.stp"
    awk '$1 == "hits" { n += $3; f++ } $1 == "wrong" { w += $NF } $1 == "short" { s += $NF }
        END { print n + 0, w + 0, s + 0, f + 0 }' "$scratch/out" >"$scratch/sums"
    read -r hits wrong short functions <"$scratch/sums"
    echo "# $hits stacks in $functions functions, $(wc -l <"$scratch/places") places:" \
        "$wrong with another caller, $short that do not lead to the start"
    [[ $status = 0 ]] && ((hits > 500 && functions >= $3 && wrong == 0 && short == 0))
}
for variant in gc64 gc32; do
    if [[ ! -d $NGSTAP_TARGETS/$variant ]]; then
        skip "$variant" "no such target: tests/targets/build.sh makes it"
        continue
    fi
    check "$variant, compiled" in_assembly "$variant" '' 6
    check "$variant, interpreted" in_assembly "$variant" -joff 4
done
finish
