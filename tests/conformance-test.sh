#!/bin/bash
#
# tests/conformance.sh on folders of ours (tests/conformance), of which is known what becomes of
# each file. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

run() {
    V=${1:-0} timeout 100 tests/conformance.sh tests/conformance >"$scratch/out" 2>"$scratch/err"
}

check 'it comes to its end' run
check 'parseok: a script and a shell script parse, one does not; what calls no stap is left out' \
    printed '^parseok +2 of +3 parsed$'
check 'semko: one is refused, one is not, one that is killed does not count' \
    printed '^semko +1 of +3 refused$'
functions=''
[[ ! -r /sys/kernel/btf/vmlinux ]] || functions=', 1 more but for functions of this kernel'
check 'examples: what the .meta file says, else -p4; what this kernel lets nobody probe is apart' \
    printed "^systemtap\.examples +1 of +3 compiled$functions\$"
check 'reasons by count, without names' printed '^ +1 there is no function \.\.\.\(\)$'
check '... of what was to be taken only' eval '! printed "was not refused|ended by"'
run 1
check 'V=1: a line a file, with its first error' \
    printed $'^parseok/does_not\\.stp\tno\tunexpected .*$'
check '... of what was as expected without' printed $'^semko/undefined\\.stp\tyes\t$'
check '... of what was killed' printed $'^semko/dies\\.stp\tno\tended by status 137$'
check 'nothing is left in the folders' test -z "$(find tests/conformance -name '*.o')"
nothing() { ! tests/conformance.sh "$scratch" >"$scratch/out" 2>"$scratch/err"; }
check 'a folder without tests is an error' nothing
check '... that says so' said 'has none of parseok'

finish
