#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# Run in a VM by stap-probes.sh: its modules, on the target in $VM_SHARE. Prints TAP.

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
check 'every return knows its own entry, in recursion, threads, after longjmp' cmp -s "$scratch/truth" "$scratch/out"
cmp -s "$scratch/truth" "$scratch/out" || sed 's/^/# /' "$scratch/out" "$scratch/err"
finish
