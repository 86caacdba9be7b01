#!/bin/bash
#
# The part of vm.sh that runs in the VM: a line for each way to run lj-lua-stacks, with the seconds from exec to its
# "Start tracing", then the ratios. The runtime and the cache with the module "bench" lie in $VM_SHARE.
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
    eval "$(tests/targets/target.sh start nginx gc64 interp "$((VM_LIMIT * 4))")"
    target=$pid
}

declare -A took
now() { date +%s%N; }

# first KEY LABEL COMMAND...: until the script says that it has begun; then it is ended.
first() {
    local key=$1 label=$2 from end
    shift 2
    : >"$scratch/out"
    from=$(now)
    end=$((SECONDS + VM_LIMIT))
    "$@" >"$scratch/out" 2>&1 </dev/null &
    running=$!
    until grep -qa 'Start tracing' "$scratch/out"; do
        if ! kill -0 "$running" 2>/dev/null; then
            printf '%-58s %11s\n' "$label" failed
            tail -n 5 "$scratch/out"
            running=''
            return
        elif ((SECONDS >= end)); then
            printf '%-58s %11s\n' "$label" "over $VM_LIMIT s"
            took[$key]='over'
            kill -INT "$running"
            sleep 5
            kill -KILL "$running" 2>/dev/null || :
            running=''
            return
        fi
        sleep 0.02
    done
    took[$key]=$(awk -v ns=$(($(now) - from)) 'BEGIN { printf "%.2f", ns / 1e9 }')
    printf '%-58s %9s s\n' "$label" "${took[$key]}"
    wait "$running" || :
    running=''
}

script=(-I tapset samples/lj-lua-stacks.sxx --arg time=3)
mkdir -m 700 "$scratch/bpf" "$scratch/stap"
target

export XDG_CACHE_HOME=$scratch/bpf
first bpf_cold 'eBPF, empty cache' "$ngstap" --backend=bpf "${script[@]}" -x "$target"
first bpf_warm 'eBPF, filled cache' "$ngstap" --backend=bpf "${script[@]}" -x "$target"
export XDG_CACHE_HOME=$VM_SHARE/cache
first stap_warm 'stap back end, module in the cache' "$ngstap" --backend=stap -m bench "${script[@]}" -x "$target"
export XDG_CACHE_HOME=$scratch/stap
first stap_cold 'stap back end, empty cache' "$ngstap" --backend=stap -m bench "${script[@]}" -x "$target"

# What stap++ does: expand, and run stap with a -d for each module.
export XDG_CACHE_HOME=$scratch/bpf SYSTEMTAP_DIR=$scratch/systemtap
mkdir "$scratch/library"
cp tapset/*.stp "$scratch/library"
cat >"$scratch/plain.sh" <<'END'
#!/bin/bash
# plain.sh NGSTAP PID FOLDER HEADERS
for library in luajit nginx/lua nginx/config; do
    "$1" --dump-src -I tapset "tapset/$library.sxx" -x "$2" >"$3/library/${library//\//_}.stp" || exit
done
"$1" --dump-src -I tapset samples/lj-lua-stacks.sxx -x "$2" --arg time=3 >"$3/script.stp" || exit
options=()
while read -r file; do
    options+=(-d "$file")
done < <(awk '$6 ~ /^\// && $2 ~ /x/ { print $6 }' "/proc/$2/maps" | sort -u)
exec stap -g -w --skip-badvars -DSTP_NO_OVERLOAD -DMAXACTION=100000 -DMAXSTRINGLEN=4097 -R "$VM_SHARE/runtime" -r "$4" \
    -I "$3/library" "${options[@]}" -x "$2" "$3/script.stp"
END
plain=(bash "$scratch/plain.sh" "$ngstap" "$target" "$scratch" "$headers")
first plain_cold 'plain stap, empty cache' "${plain[@]}"
first plain_warm 'plain stap, module in its cache' "${plain[@]}"

for slow in stap_cold stap_warm plain_cold plain_warm; do
    for fast in bpf_cold bpf_warm; do
        [[ ${took[$slow]:-over} != over && -n ${took[$fast]:-} ]] || continue
        awk -v slow="${took[$slow]}" -v fast="${took[$fast]}" -v label="$slow / $fast" \
            'BEGIN { printf "%-58s %9.1f    %s\n", label, slow / fast, slow / fast >= 50 ? ">= 50: yes" : ">= 50: no" }'
    done
done
