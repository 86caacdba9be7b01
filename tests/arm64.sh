#!/bin/bash
#
# Scripts for a program of another machine (AArch64), of which there is only the file: what
# variables and registers become (tests/arm64/*.stp, printed as their .out says, from a program with
# and one without optimization: the first tells where parameters are, of the second the calling
# convention does), what code reads of struct pt_regs, and that nothing of it runs here.
# UPDATE_GOLDEN=1 rewrites the files.
#
# Needs the compiler aarch64-linux-gnu-gcc (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross).
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

here=$PWD/tests
build=${top_builddir:-$PWD}
cross=aarch64-linux-gnu-gcc
command -v $cross >/dev/null || skip_all "no $cross"
[[ $(uname -m) != aarch64 ]] || skip_all 'this is such a machine'

cp "$here/arm64/target.c" "$scratch/"
for level in O0 O2; do
    (cd "$scratch" && $cross -g -$level -Wl,--build-id -o target target.c) || skip_all "$cross makes no programs"
    for script in "$here"/arm64/*.stp; do
        name=$(basename "$script" .stp)
        golden=${script%.stp}.out
        (cd "$scratch" && "$build/tests/unit/sema_print" -e "$scratch/target" "$script" 2>&1 || :) |
            sed -E -e "s#$scratch/##g" -e 's/module_address\(([0-9]+), 0x[0-9a-f]+\)/module_address(\1, ADDR)/g' \
                >"$scratch/out"
        [[ -z ${UPDATE_GOLDEN:-} ]] || cp "$scratch/out" "$golden"
        check "$name (-$level)" diff -u "$golden" "$scratch/out"
    done
done

# reads OFFSET SCRIPT: the code reads that word of the context.
dump() {
    "$ngstap" --dump-bpf --exec "$scratch/target" -e "$1" >"$scratch/dump" 2>"$scratch/err" || {
        sed 's/^/# /' "$scratch/err"
        return 1
    }
}
reads() {
    dump "$2" && grep -qF "(r6 +$1)" "$scratch/dump"
}
function='probe process.function("first")'
check 'the first argument is x0' reads 0 "$function { println(int_arg(1)) }"
check 'the eighth argument is x7' reads 56 "$function { println(long_arg(8)) }"
check 'the stack pointer' reads 248 "$function { println(u_register(\"sp\")) }"
check 'the program counter' reads 256 "$function { println(uaddr()) }"
check 'the link register' reads 240 "$function { println(u_register(\"lr\")) }"
check 'a result is in x0' reads 0 "$function.return { println(returnval()) }"
check 'a tick reads pstate' reads 264 'probe timer.profile { println(user_mode()) }'
check '... of which four bits tell the mode' grep -qE '&= 0?x?(15|f)$' "$scratch/dump"
check 'the registers of a program that is in the kernel' dump 'probe timer.profile { println(u_register("x19")) }'
check '... are 34 words' grep -qE '= 272$' "$scratch/dump"
check '... and of the tick itself' grep -qF '(r6 +152)' "$scratch/dump"

no_rax() { # names are the machine's own
    ! dump "$function { println(u_register(\"rax\")) }" &&
        grep -q "no register 'rax' on aarch64" "$scratch/err"
}
check 'registers of x86-64 are none of it' no_rax
nine() {
    ! dump "$function { println(int_arg(9)) }" && grep -q 'from 1 to 8' "$scratch/err"
}
check 'it has eight arguments in registers' nine
calls() { # its own numbers; the first argument is kept apart from the result
    dump 'probe kernel.syscall("openat").return { println($nr, int_arg(1), pp()) }' &&
        grep -q 'r3 += 280' "$scratch/dump" && grep -q 'r3 += 272' "$scratch/dump" &&
        ! dump 'probe kernel.syscall("open") { println($nr) }' &&
        grep -q "no system call of aarch64 is named 'open'" "$scratch/err"
}
check 'system calls by its table' calls
conditions() {
    "$ngstap" --dump-bpf --exec "$scratch/target" -e 'probe begin { %( arch == "arm64" %? println(1) %: no_such() %) }' \
        >/dev/null 2>"$scratch/err"
}
check 'conditions of a script know it as SystemTap does' conditions
c_of_stap() {
    "$ngstap" --dump-stap --exec "$scratch/target" -e "$function { println(@uregister(31), \$a) }" >"$scratch/dump" &&
        grep -qF 'case 30: STAP_RETVALUE = regs->regs[30];' "$scratch/dump" &&
        grep -qF 'case 31: STAP_RETVALUE = regs->sp;' "$scratch/dump" &&
        grep -qF 'default: STAP_RETVALUE = regs->pc;' "$scratch/dump"
}
check 'a script for stap reads its registers' c_of_stap

# --- nothing runs here --------------------------------------------------------------------------

refused() { # WORDS ARGUMENT...
    ! (cd "$scratch" && "$ngstap" "${@:2}" >"$scratch/out" 2>"$scratch/err") &&
        grep -q "$1" "$scratch/err"
}
check 'a script for it does not run here' refused 'is for aarch64, and this machine is' \
    --exec "$scratch/target" -e "$function { println(1) }"
objects() {
    (cd "$scratch" && "$ngstap" -p4 -m foreign --exec "$scratch/target" -e 'probe timer.profile { println(uaddr()) exit() }' \
        >/dev/null 2>err)
}
check 'an object is made' objects
if [[ $UID = 0 ]]; then
    check '... and does not run here' refused 'the object is for aarch64' foreign.bpf.o
else
    skip '... and does not run here' 'needs root'
fi
check 'a program of another machine than the script is refused' refused 'is for aarch64, the script for x86_64' \
    -p2 -e "probe process(\"$scratch/target\").function(\"first\") { println(\$a) }"
check "this kernel's types are none of it" refused 'no aarch64 one' -p2 --exec "$scratch/target" \
    -e 'probe timer.profile { println(@cast(0, "task_struct", "kernel")->pid) }'
finish
