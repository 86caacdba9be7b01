#!/bin/bash
#
# Measures how long lj-lua-stacks takes from exec until it samples, on the nginx of tests/targets:
#
#   make bench-vm         or:  bench/vm.sh [path of ngstap]
#
# as eBPF, with an empty and a filled cache; by the stap back end, the same; as plain SystemTap, as
# people run stap++: the expanded script and libraries, debug information of the modules, a runtime
# that is mended for the kernel.
#
# This machine's kernel need not take modules, and to make one in a VM that emulates a processor
# takes 20 minutes. So modules are made here, and loaded in a VM with Debian's 6.1
# (tests/vm/run.sh), where eBPF is timed, too: ten times slower than here, but the same for both.
# The ratios at the end are of the making alone to eBPF's whole time, both here: loading comes on
# top. Plain stap makes the same script anew: its libraries lie in another temporary folder each
# time, as stap++'s do. BENCH_COMPILE=SECONDS makes them in the VM, too, for so long each. Needs
# stap, gcc, qemu, root, eBPF here. About 4 minutes.

set -euo pipefail
ngstap=$(realpath -e "${1:-./ngstap}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${NGSTAP_TARGETS:=$(tests/targets/build.sh)}"
export NGSTAP_TARGETS VM_COMPILE=${BENCH_COMPILE:-0}
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
    ! patch -s -d "$share/runtime" -p1 --dry-run <"$patch" >/dev/null ||
        patch -s -d "$share/runtime" -p1 <"$patch"
done

eval "$(tests/targets/target.sh start nginx gc64 interp 900)"
script=(-I "$PWD/tapset" "$PWD/samples/lj-lua-stacks.sxx")
declare -A took

# made KEY LABEL COMMAND...: seconds until it ends.
made() {
    local from status=0
    from=$(date +%s%N)
    (cd "$share" && "${@:3}") >"$share/log" 2>&1 </dev/null || status=$?
    ((status == 0)) || { cat "$share/log" >&2; exit 1; }
    took[$1]=$(awk -v ns=$(($(date +%s%N) - from)) 'BEGIN { printf "%.2f", ns / 1e9 }')
    printf '%-58s %9s s\n' "$2" "${took[$1]}"
}
# armed KEY LABEL empty|filled: what -v says of the time from exec until the first probe is armed;
# the median of five.
armed() {
    for _ in {1..5}; do
        [[ $3 = filled ]] || rm -rf "$share/bpf"
        mkdir -p "$share/bpf"
        # shellcheck disable=SC2154 # pid: of the target
        XDG_CACHE_HOME=$share/bpf "$ngstap" -v --backend=bpf "${script[@]}" -x "$pid" --arg time=1 \
            >"$share/log" 2>&1
        grep -oE 'armed [0-9.]+ s' "$share/log" | grep -oE '[0-9.]+'
    done | sort -n >"$share/times"
    took[$1]=$(sed -n 3p "$share/times")
    printf '%-58s %9s s\n' "$2" "${took[$1]}"
}

mkdir -m 700 "$share/cache"
echo '# on this machine'
armed bpf_empty 'eBPF, empty cache: exec to armed' empty
armed bpf_filled 'eBPF, filled cache: exec to armed' filled
back_end=(env XDG_CACHE_HOME="$share/cache" "$ngstap" --backend=stap -p4 -m bench -r "$headers" \
    "${script[@]}" -x "$pid")
made stap_empty 'stap back end, empty cache: exec to module' "${back_end[@]}" --arg time=2
made stap_another 'stap back end, another script: exec to module' "${back_end[@]}" --arg time=3
made stap_cached 'stap back end, module in the cache: exec to module' "${back_end[@]}" --arg time=3
plain() { # TIME
    SYSTEMTAP_DIR=$share/systemtap "$here/bench/plain.sh" "$ngstap" "$pid" "$share" "$headers" \
        "$1" -p4 -m plain
}
here=$PWD
made plain_empty 'plain stap, empty cache: exec to module' plain 2
made plain_another 'plain stap, another script: exec to module' plain 3
made plain_again 'plain stap, the same script again: exec to module' plain 3
tests/targets/target.sh stop "$name"
name=''

tests/vm/run.sh -k bookworm -t "$((VM_COMPILE * 3 + 600))" -m 3072 -s "$share" bench/in-vm.sh \
    "$headers" "$ngstap"

echo '# making the module / eBPF from exec to armed, on this machine; the target is 50'
for slow in stap_empty stap_another stap_cached plain_empty plain_another plain_again; do
    for fast in bpf_empty bpf_filled; do
        awk -v slow="${took[$slow]}" -v fast="${took[$fast]}" -v label="$slow / $fast" \
            'BEGIN { printf "%-58s %9.1f   %s\n", label, slow / fast,
                (slow / fast >= 50 ? "reached" : "not reached") }'
    done
done
