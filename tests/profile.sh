#!/bin/bash
#
# Judges profiles of each kind of code by what the target says of itself (shares.sh), in luajit and
# nginx, GC64 and GC32, stripped, and at a depth of 100 frames.
#
# Needs root, eBPF, and NGSTAP_TARGETS (tests/targets/build.sh prints it). About 45 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=shares.sh
. tests/shares.sh

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'

for target in 'luajit gc64' 'luajit gc32' 'nginx gc64'; do
    for mode in interp jit gsub coroutine; do
        # shellcheck disable=SC2086 # two words
        judge_shares $target "$mode"
    done
done
judge_shares nginx gc32 interp
judge_shares nginx stripped interp
judge_depth
finish
