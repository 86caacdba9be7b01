#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# Run in a VM by stap-probes.sh: its modules, on the target in $VM_SHARE, and on nginx in a
# container. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

trace_seconds=120
"$VM_SHARE/target" &
pid=$!
pids+=("$pid")
until [[ /proc/$pid/exe -ef $VM_SHARE/target ]]; do sleep 0.1; done

printf '%s\n' 'bad 0, few missed 1' 'jumped badly 0' 'depth '{1..8} main thread >"$scratch/truth"
trace -x "$pid" "$VM_SHARE/returns.ko"
check 'the module ends well' test "$status" = 0
check 'every return knows its own entry, in recursion, threads, after longjmp' cmp -s \
    "$scratch/truth" "$scratch/out"
cmp -s "$scratch/truth" "$scratch/out" || sed 's/^/# /' "$scratch/out" "$scratch/err"
kill "$pid"

if [[ -e $VM_SHARE/container.ko ]]; then
    all=$(tests/targets/container.sh start namespaces gc64 interp 100)
    eval "$all"
    trace -x "$pid" "$VM_SHARE/container.ko"
    check 'a profile of nginx in a container' test "$status" = 0
    # shellcheck disable=SC2016 # awk's dollars
    check '... finds the hot line' awk \
        'NR == 1 { hot = /interp\.lua:15$/ } END { exit !(hot && NR > 10) }' "$scratch/out"
    # shellcheck disable=SC2154 # container.sh says it
    tests/targets/target.sh stop "$name" 2>/dev/null
fi
finish
