#!/bin/bash
#
# Random programs (tests/judge/generate.c -k) print in a handler of the kernel, a uprobe's, what
# they print in a begin probe, which runs in user space and is judged by SystemTap in
# tests/vm/judge.sh. Needs root. About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=judge/common.sh
. tests/judge/common.sh

((UID == 0)) || skip_all 'needs root'
${CC:-cc} -O1 -o "$scratch/generate" tests/judge/generate.c
cat >"$scratch/once.c" <<'END'
__attribute__((noinline)) void once(void) { __asm__ volatile(""); }
int main(void) { once(); return 0; }
END
${CC:-cc} -g -O1 -o "$scratch/once" "$scratch/once.c"

# made FILE WORD...: a program of the generator's in FILE
made() {
    echo "// options: -DMAXSTRINGLEN=128 -DMAXACTION=1000000 -c $scratch/once"
    "$scratch/generate" -k "${@:2}"
} >"$1"

for seed in ${JUDGE_KERNEL_SEEDS:-$(seq 1 60)}; do
    made "$scratch/begin.stp" "$seed"
    run_ngstap "$scratch/begin.stp"
    cp "$scratch/got.out" "$scratch/want"
    made "$scratch/kernel.stp" -p "process(\"$scratch/once\").function(\"once\")" "$seed"
    run_ngstap "$scratch/kernel.stp"
    check "program $seed" same "$scratch/want" "$scratch/got.out"
    grep -q "^-- $seed\$" "$scratch/got.out" || check "program $seed ran to its end" false
done
finish
