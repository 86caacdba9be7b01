#!/bin/bash
#
# The part of vm.sh that runs in the VM: a line for each way to run lj-lua-stacks, with the seconds
# from exec to its "Start tracing". In $VM_SHARE lie the cache with the module "bench", and
# plain.ko. VM_COMPILE: see vm.sh.
#
#   bench/in-vm.sh HEADERS NGSTAP

set -euo pipefail

headers=$1 ngstap=$2
scratch=$(mktemp -d)
name='' running=''
clean() {
    [[ -z $running ]] || kill -KILL "$running" 2>/dev/null || :
    [[ -z $name ]] || tests/targets/target.sh stop "$name"
    rm -rf "$scratch"
}
trap clean EXIT
export PATH=$PATH:/usr/sbin:/sbin

# Headers where a kernel's package would have put them.
rm "/lib/modules/$(uname -r)"
mkdir "/lib/modules/$(uname -r)"
ln -s "$headers" "/lib/modules/$(uname -r)/build"

target() {
    local pid
    eval "$(tests/targets/target.sh start nginx gc64 interp "$((VM_COMPILE * 3 + 500))")"
    target=$pid
}

limit=120
now() { date +%s%N; }

# first LABEL COMMAND...: until the script says that it has begun; then it is ended.
first() {
    local label=$1 from end
    shift
    : >"$scratch/out"
    from=$(now)
    end=$((SECONDS + limit))
    "$@" >"$scratch/out" 2>&1 </dev/null &
    running=$!
    until grep -qa 'Start tracing' "$scratch/out"; do
        if ! kill -0 "$running" 2>/dev/null; then
            printf '%-58s %11s\n' "$label" failed
            tail -n 5 "$scratch/out"
            running=''
            return
        elif ((SECONDS >= end)); then
            printf '%-58s %11s\n' "$label" "over $limit s"
            kill -INT "$running"
            sleep 5
            kill -KILL "$running" 2>/dev/null || :
            running=''
            return
        fi
        sleep 0.02
    done
    awk -v ns=$(($(now) - from)) -v label="$label" \
        'BEGIN { printf "%-58s %9.2f s\n", label, ns / 1e9 }'
    wait "$running" || :
    running=''
}

script=(-I tapset samples/lj-lua-stacks.sxx --arg time=3)
mkdir -m 700 "$scratch/bpf" "$scratch/stap"
target

echo '# in the VM'
export XDG_CACHE_HOME=$scratch/bpf
first 'eBPF, empty cache' "$ngstap" --backend=bpf "${script[@]}" -x "$target"
first 'eBPF, filled cache' "$ngstap" --backend=bpf "${script[@]}" -x "$target"
export XDG_CACHE_HOME=$VM_SHARE/cache
first 'stap back end, module in the cache' "$ngstap" --backend=stap -m bench "${script[@]}" -x \
    "$target"
first 'plain stap, loading its module alone' staprun -x "$target" "$VM_SHARE/plain.ko"
((VM_COMPILE)) || exit 0
limit=$VM_COMPILE
export XDG_CACHE_HOME=$scratch/stap SYSTEMTAP_DIR=$scratch/systemtap
first 'stap back end, empty cache' "$ngstap" --backend=stap -m bench "${script[@]}" -x "$target"
first 'plain stap, empty cache' bench/plain.sh "$ngstap" "$target" "$VM_SHARE" "$headers" 3
first 'plain stap, the same script again' bench/plain.sh "$ngstap" "$target" "$VM_SHARE" \
    "$headers" 3
