#!/bin/bash
#
# SystemTap as the judge of ngstap. Modules are made by stap here, run by staprun under Linux 6.1 in
# a VM, all in one boot; what they print must be what ngstap prints here, byte for byte:
#
# - each case of tests/judge/*.stp against what is recorded beside it (which make check compares
#   ngstap with); UPDATE_GOLDEN=1 records it anew instead;
# - random programs (judge/generate.c) of fixed seeds, many in a module: 50 in one take stap and gcc
#   40 s, as many small modules 5 to 8 s each;
# - the cases and every fourth of the programs once more, as modules of the stap back end: stap is
#   given what ngstap printed for it (--dump-stap). Errors are compared without their place, which
#   is in that text.
#
# Modules are kept in the cache (NGSTAP_CACHE, default ~/.cache/ngstap) by their content. Needs
# systemtap, gcc, qemu. Prints TAP.

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
PRINTED_SEEDS=${PRINTED_SEEDS:-$(seq 4 4 200)} PRINTED_PER_MODULE=25
JUDGE_LIMITS='-DMAXSTRINGLEN=128 -DMAXACTION=1000000'

headers=$(tests/vm/kernel.sh headers bookworm 2>"$scratch/err") ||
    skip_all "no headers: $(tail -n 1 "$scratch/err")"

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
mkdir -p "$JUDGE_MODULES/printed"
chmod 700 "$JUDGE_MODULES/printed"
top=$PWD

# The C that stap makes of odd expressions is not free of warnings, which the kernel has as errors.
gcc_flags='-O1'
for warning in bool-operation bool-compare int-in-bool-context overflow tautological-compare \
    shift-overflow \
    logical-not-parentheses; do
    gcc_flags+=" -Wno-$warning"
done

# compile SCRIPT NAME: NAME.ko in $scratch/ko, from the cache if it is there. stap's words go to
# NAME.log.
compile() {
    local key kept
    key=$({ stap --version 2>&1 | head -n 1; echo "$headers $2 $gcc_flags"; cat "$1" \
        patches/runtime/*; } | sha256sum | cut -c 1-24)
    kept=$JUDGE_MODULES/$key.ko
    if [[ ! -e $kept ]]; then
        # shellcheck disable=SC2046 # words
        (cd "$scratch/ko" && nice stap -p4 -R "$scratch/runtime" -r "$headers" -m "$2" \
            $(case_words "$1" options) \
            -B KCFLAGS="$gcc_flags" \
            "$1" $(case_words "$1" arguments) >"$2.log" 2>&1 && cp "$2.ko" "$kept.$$" &&
            mv "$kept.$$" "$kept") || :
    fi
    [[ ! -e $kept ]] || cp "$kept" "$scratch/ko/$2.ko"
}

# compile_printed SCRIPT NAME: the same by the stap back end, which has a cache of its own.
compile_printed() {
    # shellcheck disable=SC2046 # words
    (cd "$scratch/ko" && XDG_CACHE_HOME=$JUDGE_MODULES/printed timeout 900 nice "$ngstap" \
        --backend=stap -p4 -m "$2" \
        -r "$headers" -I "$top/tapset" $(case_words "$1" options) "$1" \
        $(case_words "$1" arguments) >"$2.log" 2>&1) ||
        tail -n 4 "$scratch/ko/$2.log" | sed "s/^/# $2: /"
}

mend_runtime
mkdir "$scratch/ko" "$scratch/results"
: >"$scratch/list"
running=0
make_module() { # SCRIPT NAME: by name, as both come to it
    if ((running == 2)); then
        wait -n || :
        running=1
    fi
    if [[ $2 == printed_* ]]; then
        compile_printed "$1" "$2" &
    else
        compile "$1" "$2" &
    fi
    running=$((running + 1))
}

# run_modules NAME...: in one boot; NAME.out and NAME.err in $scratch/results.
run_modules() {
    local name status=0
    for name in "$@"; do
        echo "$name staprun -b 16 $scratch/ko/$name.ko"
    done >"$scratch/list"
    tests/vm/run.sh -k bookworm -t 120 -s "$scratch/ko" -l "$scratch/list" -d "$scratch/results" \
        >"$scratch/vm" \
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
    for kind in judge printed; do
        modules+=("${kind}_$(basename "$script" .stp | tr - _)")
        make_module "$script" "${modules[-1]}"
    done
done
${CC:-cc} -O1 -o "$scratch/generate" tests/judge/generate.c
mkdir "$scratch/random"
# What is between the first and the last line of each program, when both are there, is in
# $scratch/want/SEED, and in $scratch/printed/SEED. What a module lost all the same
# (patches/runtime/relay-drain.patch) is put together to other modules.
mkdir "$scratch/want" "$scratch/printed"
unseen() { # FOLDER SEED...
    local seed
    for seed in "${@:2}"; do
        [[ -e $scratch/$1/$seed ]] || echo "$seed"
    done
}
make_random() { # PREFIX PER-MODULE SEED...
    local prefix=$1 per=$2 seeds module
    shift 2
    while (($#)); do
        seeds=("${@:1:per}")
        shift ${#seeds[@]}
        module=${prefix}_${round}_${seeds[0]}
        random_script "${seeds[@]}" >"$scratch/random/$module.stp"
        make_module "$scratch/random/$module.stp" "$module"
        modules+=("$module")
    done
}
for round in 1 2 3 4; do
    # shellcheck disable=SC2046,SC2086 # words
    make_random random "$PER_MODULE" $(unseen want $JUDGE_SEEDS)
    # shellcheck disable=SC2046,SC2086 # words
    make_random printed_random "$PRINTED_PER_MODULE" $(unseen printed $PRINTED_SEEDS)
    wait
    running=0
    ((${#modules[@]})) || break
    made=$SECONDS
    run_modules "${modules[@]}"
    for module in "${modules[@]}"; do
        case $module in
            random_*) folder=want ;;
            printed_random_*) folder=printed ;;
            *) continue ;;
        esac
        [[ -e $scratch/results/$module.out ]] || continue
        awk -v dir="$scratch/$folder" '
            /^== [0-9]+$/ { seed = $2; text = "" }
            { text = text $0 "\n" }
            $0 == "-- " seed { printf "%s", text >(dir "/" seed); close(dir "/" seed) }' \
                "$scratch/results/$module.out"
    done
    modules=()
    echo "# run $round: modules by $made s, run by $SECONDS s:" \
        "$(find "$scratch/want" -type f | wc -l) random programs seen," \
        "$(find "$scratch/printed" -type f | wc -l) as the stap back end prints them"
done

without_place() { sed -E 's, at [^ ]+\.stp:[0-9:]+$,,' "$1"; }
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
    result=$scratch/results/printed_${name//-/_}
    said_at_run_time <"$result.err" >"$scratch/said"
    check "$name: a module of the stap back end prints the same" same "tests/judge/$name.out" \
        "$result.out"
    check "$name: ... and the errors" same <(without_place "tests/judge/$name.err") \
        <(without_place "$scratch/said")
done

declare -A agreed=([want]=0 [printed]=0) lost=([want]=0 [printed]=0) \
    all=([want]=$(wc -w <<<"$JUDGE_SEEDS")
    [printed]=$(wc -w <<<"$PRINTED_SEEDS"))
includes() { # WORD WORDS
    [[ " ${2//$'\n'/ } " == *" $1 "* ]]
}
judge() { # FOLDER SEED WHAT: what ngstap has printed is in got.out
    if [[ ! -e $scratch/$1/$2 ]]; then
        lost[$1]=$((lost[$1] + 1))
    elif cmp -s "$scratch/$1/$2" "$scratch/got.out"; then
        agreed[$1]=$((agreed[$1] + 1))
    else
        check "$3 $2" same "$scratch/$1/$2" "$scratch/got.out"
    fi
}
# shellcheck disable=SC2013 # words
for seed in $(sort -nu <(tr ' ' '\n' <<<"$JUDGE_SEEDS") <(tr ' ' '\n' <<<"$PRINTED_SEEDS")); do
    random_script "$seed" >"$scratch/one.stp"
    run_ngstap "$scratch/one.stp"
    ! includes "$seed" "$JUDGE_SEEDS" || judge want "$seed" 'random program'
    ! includes "$seed" "$PRINTED_SEEDS" || judge printed "$seed" \
        'random program by the stap back end'
done
summary() { # FOLDER WHAT
    check "$2: ${agreed[$1]} agree, ${lost[$1]} lost by SystemTap" test \
        "$((agreed[$1] + lost[$1]))" = "${all[$1]}"
    check '... enough of them were seen' test "$((lost[$1] * 10))" -le "${all[$1]}"
}
summary want 'random programs'
summary printed 'random programs by the stap back end'
finish
