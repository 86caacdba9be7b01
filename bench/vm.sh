#!/bin/bash
#
# Measures, in one VM with Debian's 6.1 (tests/vm/run.sh), how long lj-lua-stacks takes from exec until it samples, on the
# nginx of tests/targets:
#
#   make bench-vm         or:  bench/vm.sh [path of ngstap]
#
# as eBPF, with an empty and a filled cache; by the stap back end, with an empty cache and with the module in it; as plain
# SystemTap, as people run stap++: the expanded script and libraries, debug information of the modules, a runtime
# that is mended for this kernel. The VM emulates a processor: seconds there are not seconds of this machine, but
# their ratios hold, as all is run in it. What takes longer than BENCH_LIMIT seconds (1200) is ended and said to. Needs
# stap, gcc, qemu (run.sh), root. 15 to 60 minutes.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ngstap=$(realpath "${1:-./ngstap}")
: "${NGSTAP_TARGETS:=$(tests/targets/build.sh)}"
export NGSTAP_TARGETS VM_LIMIT=${BENCH_LIMIT:-1200}
headers=$(tests/vm/kernel.sh headers bookworm)

share=$(mktemp -d)
name=''
clean() {
    [[ -z $name ]] || tests/targets/target.sh stop "$name"
    rm -rf "$share"
}
trap clean EXIT
trap 'exit 130' INT TERM

cp -r /usr/share/systemtap/runtime "$share/runtime"
for patch in patches/runtime/*.patch; do
    ! patch -s -d "$share/runtime" -p1 --dry-run <"$patch" >/dev/null || patch -s -d "$share/runtime" -p1 <"$patch"
done

# The module for the run out of the cache is made here, so that it is there even where the VM is too slow to make one.
mkdir -m 700 "$share/cache"
eval "$(tests/targets/target.sh start nginx gc64 interp 900)"
from=$(date +%s%N)
# shellcheck disable=SC2154 # pid: of the target
(cd "$share" && XDG_CACHE_HOME=$share/cache "$ngstap" --backend=stap -p4 -m bench -r "$headers" -I "$OLDPWD/tapset" \
    "$OLDPWD/samples/lj-lua-stacks.sxx" -x "$pid" --arg time=3 >"$share/log" 2>&1) || { cat "$share/log" >&2; exit 1; }
awk -v ns=$(($(date +%s%N) - from)) \
    'BEGIN { printf "%-58s %9.2f s\n", "module of the stap back end, made on this machine", ns / 1e9 }'
tests/targets/target.sh stop "$name"
name=''

tests/vm/run.sh -k bookworm -t "$((VM_LIMIT * 4))" -m 3072 -s "$share" bench/in-vm.sh "$headers" "$ngstap"
