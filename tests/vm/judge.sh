#!/bin/bash
#
# SystemTap as the judge of ngstap. Modules are made by stap here, run by staprun under Linux 6.1 in a VM, all in one
# boot; what they print must be what ngstap prints here, byte for byte:
#
# - each case of tests/judge/*.stp against what is recorded beside it (which ngstap is compared with by make check);
#   UPDATE_GOLDEN=1 records it anew instead.
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

# compile SCRIPT NAME: NAME.ko in $scratch/ko, from the cache if it is there. stap's words go to NAME.log.
compile() {
    local key kept
    key=$({ stap --version 2>&1 | head -n 1; echo "$headers $1 $2"; cat "$1" patches/runtime/*; } | sha256sum | cut -c 1-24)
    kept=$JUDGE_MODULES/$key.ko
    if [[ ! -e $kept ]]; then
        # shellcheck disable=SC2046 # words
        (cd "$scratch/ko" && nice stap -p4 -R "$scratch/runtime" -r "$headers" -m "$2" $(case_words "$1" options) \
            "$1" $(case_words "$1" arguments) >"$2.log" 2>&1 && cp "$2.ko" "$kept.$$" && mv "$kept.$$" "$kept") || :
    fi
    [[ ! -e $kept ]] || cp "$kept" "$scratch/ko/$2.ko"
}

mend_runtime
mkdir "$scratch/ko" "$scratch/results"
: >"$scratch/list"
for script in "$PWD"/tests/judge/*.stp; do
    name=judge_$(basename "$script" .stp | tr - _)
    compile "$script" "$name" &
    while (($(jobs -rp | wc -l) >= 2)); do wait -n || :; done
    echo "$name staprun -b 16 $scratch/ko/$name.ko" >>"$scratch/list"
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
finish
