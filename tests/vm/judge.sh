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
make_module() { # SCRIPT NAME [RUNS]
    local run
    if ((running == 2)); then
        wait -n || :
        running=1
    fi
    compile "$1" "$2" &
    running=$((running + 1))
    for ((run = 1; run <= ${3:-1}; run++)); do
        echo "$2${3:+.$run} staprun -b 16 $scratch/ko/$2.ko" >>"$scratch/list"
    done
}

# random_script SEED...: programs in one script, which ends.
random_script() {
    echo "// options: $JUDGE_LIMITS"
    "$scratch/generate" "$@"
    echo 'probe begin(1) { exit() }'
}

for script in "$PWD"/tests/judge/*.stp; do
    make_module "$script" "judge_$(basename "$script" .stp | tr - _)"
done
"${CC:-cc}" -O1 -o "$scratch/generate" tests/judge/generate.c
mkdir "$scratch/random"
# shellcheck disable=SC2086 # words
set -- $JUDGE_SEEDS
while (($#)); do
    seeds=("${@:1:PER_MODULE}")
    shift ${#seeds[@]}
    random_script "${seeds[@]}" >"$scratch/random/${seeds[0]}.stp"
    # staprun loses output at times ("transport failure"): what one run lacks another has.
    make_module "$scratch/random/${seeds[0]}.stp" "random_${seeds[0]}" 2
done
wait
status=0
tests/vm/run.sh -k bookworm -t 120 -s "$scratch/ko" -l "$scratch/list" -d "$scratch/results" >"$scratch/vm" \
    2>"$scratch/err" || status=$?
((status != 77)) || skip_all "$(tail -n 1 "$scratch/err")"

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

# What is between the first and the last line of each program, when both are there.
mkdir "$scratch/want"
for result in "$scratch"/results/random_*.out; do
    awk -v dir="$scratch/want" '
        /^== [0-9]+$/ { seed = $2; text = "" }
        { text = text $0 "\n" }
        $0 == "-- " seed { printf "%s", text >(dir "/" seed); close(dir "/" seed) }' "$result"
done
agreed=0
for seed in $JUDGE_SEEDS; do
    random_script "$seed" >"$scratch/one.stp"
    run_ngstap "$scratch/one.stp"
    if [[ -e $scratch/want/$seed ]] && cmp -s "$scratch/want/$seed" "$scratch/got.out"; then
        agreed=$((agreed + 1))
    elif [[ ! -e $scratch/want/$seed ]]; then
        check "random program $seed: SystemTap ran it" false
    else
        check "random program $seed" same "$scratch/want/$seed" "$scratch/got.out"
    fi
done
check "random programs: $agreed agree" test "$agreed" = "$(wc -w <<<"$JUDGE_SEEDS")"
finish
