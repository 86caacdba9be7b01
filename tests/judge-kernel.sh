#!/bin/bash
#
# Random programs (tests/judge/generate.c) print in a handler of the kernel, a uprobe's, what they
# print in a begin probe, which runs in user space and is judged by SystemTap in tests/vm/judge.sh:
# both those that run in the kernel to their end and those that go on in user space. And the cases
# of tests/judge that are one begin probe print there what SystemTap printed. Needs root. About 50
# s. Prints TAP.

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

point="process(\"$scratch/once\").function(\"once\")"

# made FILE WORD...: a program of the generator's in FILE
made() {
    echo "// options: -DMAXSTRINGLEN=128 -DMAXACTION=1000000 -c $scratch/once"
    "$scratch/generate" "${@:2}"
} >"$1"

# compare OPTION SEED: of the generator, which then makes programs of one kind or the other
compare() {
    made "$scratch/begin.stp" "$1" "$2"
    run_ngstap "$scratch/begin.stp"
    cp "$scratch/got.out" "$scratch/want"
    made "$scratch/kernel.stp" "$1" -p "$point" "$2"
    run_ngstap "$scratch/kernel.stp"
    check "program $1 $2" same "$scratch/want" "$scratch/got.out"
    grep -q "^-- $2\$" "$scratch/got.out" || check "program $1 $2 ran to its end" false
}

for seed in ${JUDGE_KERNEL_SEEDS:-$(seq 1 60)}; do
    compare -k "$seed" # in the kernel alone
    compare -f "$seed"
done

for script in tests/judge/*.stp; do
    name=$(basename "$script" .stp)
    [[ $(grep -c '^probe ' "$script") = 1 ]] || continue
    {
        echo "// options: -c $scratch/once"
        sed "s,^probe begin,probe $point," "$script"
    } >"$scratch/$name.stp"
    run_ngstap "$scratch/$name.stp"
    check "$name" same "tests/judge/$name.out" "$scratch/got.out"
    for file in "tests/judge/$name.err" "$scratch/got.err"; do # the place is another one
        sed -E 's/:[0-9]+:[0-9]+$//' "$file" >"$scratch/$(basename "$file").placeless"
    done
    check "$name: errors and warnings" same "$scratch/$name.err.placeless" \
        "$scratch/got.err.placeless"
done
finish
