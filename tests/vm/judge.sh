#!/bin/bash
#
# SystemTap as the judge of ngstap. Modules are made by stap here, run by staprun under Linux 6.1 in a VM, all in one
# boot; what they print must be what ngstap prints here, byte for byte:
#
# - each case of tests/judge/*.stp against what is recorded beside it (which ngstap is compared with by make check);
#   UPDATE_GOLDEN=1 records it anew instead;
# - random programs (judge/generate.c) of fixed seeds, many in a module: 50 in one take stap and gcc 40 s, as many small
#   modules 5 to 8 s each.
#
# Modules are kept in the cache (NGSTAP_CACHE, default ~/.cache/ngstap) by their content. Needs systemtap, gcc, qemu.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
# shellcheck source-path=SCRIPTDIR source=../judge/common.sh
. tests/judge/common.sh
# shellcheck source-path=SCRIPTDIR source=../targets/common.sh
. tests/targets/common.sh

command -v stap >/dev/null && command -v staprun >/dev/null || (need_packages systemtap gcc make) ||
    skip_all 'systemtap cannot be installed'
JUDGE_SEEDS=${JUDGE_SEEDS:-$(seq 1 200)} PER_MODULE=50
JUDGE_LIMITS='-DMAXSTRINGLEN=128 -DMAXACTION=1000000'

headers=$(tests/vm/kernel.sh headers bookworm 2>"$scratch/err") || skip_all "no headers: $(tail -n 1 "$scratch/err")"

# The installed runtime with our mends, where they apply: SystemTap 4.8 needs them for this kernel.
mend_runtime() {
    local patch
    cp -r /usr/share/systemtap/runtime "$scratch/runtime"
    for patch in patches/runtime/*.patch; do
        patch -s -d "$scratch/runtime" -p1 --dry-run <"$patch" >/dev/null &&
            patch -s -d "$scratch/runtime" -p1 <"$patch"
    done
}

: "${JUDGE_MODULES:=$NGSTAP_CACHE/judge}"
mkdir -p "$JUDGE_MODULES"

# The C that stap makes of odd expressions is not free of warnings, which the kernel has as errors.
gcc_flags='-O1'
for warning in bool-operation bool-compare int-in-bool-context overflow tautological-compare shift-overflow \
    logical-not-parentheses; do
    gcc_flags+=" -Wno-$warning"
done

# compile SCRIPT NAME: NAME.ko in $scratch/ko, from the cache if it is there. stap's words go to NAME.log.
compile() {
    local key kept
    key=$({ stap --version 2>&1 | head -n 1; echo "$headers $1 $2"; cat "$1" patches/runtime/*; } | sha256sum | cut -c 1-24)
    kept=$JUDGE_MODULES/$key.ko
    if [[ ! -e $kept ]]; then
        # shellcheck disable=SC2046 # words
        (cd "$scratch/ko" && nice stap -p4 -R "$scratch/runtime" -r "$headers" -m "$2" $(case_words "$1" options) \
            -B KCFLAGS="$gcc_flags" \
            "$1" $(case_words "$1" arguments) >"$2.log" 2>&1 && cp "$2.ko" "$kept.$$" && mv "$kept.$$" "$kept") || :
    fi
    [[ ! -e $kept ]] || cp "$kept" "$scratch/ko/$2.ko"
}

mend_runtime
mkdir "$scratch/ko" "$scratch/results"
: >"$scratch/list"
running=0
make_module() { # SCRIPT NAME
    if ((running == 2)); then
        wait -n || :
        running=1
    fi
    compile "$1" "$2" &
    running=$((running + 1))
}

# run_modules NAME...: in one boot; NAME.out and NAME.err in $scratch/results.
run_modules() {
    local name status=0
    for name in "$@"; do
        echo "$name staprun -b 16 $scratch/ko/$name.ko"
    done >"$scratch/list"
    tests/vm/run.sh -k bookworm -t 120 -s "$scratch/ko" -l "$scratch/list" -d "$scratch/results" >"$scratch/vm" \
        2>"$scratch/err" || status=$?
    ((status != 77)) || skip_all "$(tail -n 1 "$scratch/err")"
}

# random_script SEED...: programs in one script, which ends.
random_script() {
    echo "// options: $JUDGE_LIMITS"
    "$scratch/generate" "$@"
    echo 'probe begin(1) { exit() }'
}

modules=()
for script in "$PWD"/tests/judge/*.stp; do
    modules+=("judge_$(basename "$script" .stp | tr - _)")
    make_module "$script" "${modules[-1]}"
done
"${CC:-cc}" -O1 -o "$scratch/generate" tests/judge/generate.c
mkdir "$scratch/random"
# What is between the first and the last line of each program, when both are there, is in $scratch/want/SEED. A module
# can stop printing at a histogram ("transport failure"), always at the same: the programs that it lost are put together
# to other modules.
mkdir "$scratch/want"
unseen() {
    local seed
    for seed in $JUDGE_SEEDS; do
        [[ -e $scratch/want/$seed ]] || echo "$seed"
    done
}
for round in 1 2 3 4; do
    # shellcheck disable=SC2046 # words
    set -- $(unseen)
    while (($#)); do
        seeds=("${@:1:PER_MODULE}")
        shift ${#seeds[@]}
        module=random_${round}_${seeds[0]}
        random_script "${seeds[@]}" >"$scratch/random/$module.stp"
        make_module "$scratch/random/$module.stp" "$module"
        modules+=("$module")
    done
    wait
    running=0
    ((${#modules[@]})) || break
    run_modules "${modules[@]}"
    for module in "${modules[@]}"; do
        [[ $module == random_* && -e $scratch/results/$module.out ]] || continue
        awk -v dir="$scratch/want" '
            /^== [0-9]+$/ { seed = $2; text = "" }
            { text = text $0 "\n" }
            $0 == "-- " seed { printf "%s", text >(dir "/" seed); close(dir "/" seed) }' "$scratch/results/$module.out"
    done
    modules=()
    echo "# run $round: $(find "$scratch/want" -type f | wc -l) random programs seen"
done

for script in tests/judge/*.stp; do
    name=$(basename "$script" .stp)
    result=$scratch/results/judge_${name//-/_}
    said_at_run_time <"$result.err" >"$scratch/said"
    if [[ ${UPDATE_GOLDEN:-} == 1 ]]; then
        cp "$result.out" "tests/judge/$name.out"
        cp "$scratch/said" "tests/judge/$name.err"
    fi
    check "$name: SystemTap prints what is recorded" same "tests/judge/$name.out" "$result.out"
    check "$name: ... and the errors" same "tests/judge/$name.err" "$scratch/said"
done

agreed=0 lost=0
for seed in $JUDGE_SEEDS; do
    if [[ ! -e $scratch/want/$seed ]]; then
        lost=$((lost + 1))
        continue
    fi
    random_script "$seed" >"$scratch/one.stp"
    run_ngstap "$scratch/one.stp"
    if cmp -s "$scratch/want/$seed" "$scratch/got.out"; then
        agreed=$((agreed + 1))
    else
        check "random program $seed" same "$scratch/want/$seed" "$scratch/got.out"
    fi
done
all=$(wc -w <<<"$JUDGE_SEEDS")
check "random programs: $agreed agree, $lost lost by SystemTap" test "$((agreed + lost))" = "$all"
check '... enough of them were seen' test "$((lost * 10))" -le "$all"
finish
