#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# The time off the CPU of nginx: the worker's Lua code sleeps and waits for a socket in known
# functions (tests/targets/load/lua/mode/waits.lua), which book how long by their own clock. A
# flame graph of that time, of Lua frames and of all, gives each function what it booked, within
# 3 %. So does one of a program that waits for a lock and a disk, too (tests/ustack/waits.lua).
# Needs root, eBPF and NGSTAP_TARGETS (tests/targets/build.sh prints it). About 45 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ $(uname -m) = x86_64 ]] || skip_all 'stacks of C are walked on x86_64 alone'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'

get() { # PATH: from the worker
    (
        exec 3<>"/dev/tcp/127.0.0.1/$port"
        printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3
        timeout 20 cat <&3
    )
}

# profiled FRAMES: 25 requests, none before it traces, none after.
profiled() {
    local tracer
    : >"$scratch/err"
    (cd "$scratch" && exec "$ngstap" flame -x "$pid" -t 60 --off-cpu --frames "$1" \
        -o waits.folded) >"$scratch/out" 2>"$scratch/err" </dev/null &
    tracer=$!
    pids+=("$tracer")
    for _ in {1..400}; do # epoll_wait: it waits for what handlers send, so all is armed
        [[ $(cut -d ' ' -f 1 "/proc/$tracer/syscall" 2>/dev/null) != 232 ]] || break
        sleep 0.05
    done
    get /truth >"$scratch/before"
    for _ in {1..25}; do
        get /burn/waits >/dev/null
    done
    get /truth >"$scratch/after"
    kill -INT "$tracer" && wait "$tracer"
}

# Of FUNCTION, within 3 %.
near() {
    local truth got
    truth=$(awk -v name="$1" '$1 == "waits" && $2 == name { ns = $4 - ns }
        END { printf "%d\n", ns / 1000 }' "$scratch/before" "$scratch/after")
    got=$(awk -v name="$1" '!/^#/ && $0 ~ "[;/]waits.lua:" name ";" { us += $NF }
        END { printf "%d\n", us }' "$scratch/waits.folded")
    echo "# $got us, the function says $truth"
    ((truth > 100000 && got * 100 >= truth * 97 && got * 100 <= truth * 103))
}

pid='' port=''
start_target nginx gc64 idle 300
for frames in lua all; do
    check "$frames: a profile" profiled $frames
    for function in sleep socket twice; do
        check "... $function()" near $function
    done
done
check '... with the C and the kernel below' grep -qE \
    '^_start;.*;ngx_http_lua_[a-z_]*;.*waits.lua:sleep;.*_\[k\];off-cpu:voluntary [0-9]+$' \
    "$scratch/waits.folded"

# ---- a lock, a disk ----

# What sleeps, waits for a lock, a socket and a disk in a function each, and nothing else, while it
# is traced.
stand_alone() {
    local tracer target folder=$scratch/waits
    mkdir -p "$folder"
    : >"$scratch/err"
    "$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit" -joff tests/ustack/waits.lua "$folder" \
        100 >"$scratch/truth" &
    target=$!
    pids+=("$target")
    until [[ -e $folder/disk ]]; do sleep 0.05; done
    (cd "$scratch" && exec "$ngstap" flame -x "$target" -t 100 --off-cpu --frames lua \
        -o alone.folded) >"$scratch/out" 2>"$scratch/err" </dev/null &
    tracer=$!
    pids+=("$tracer")
    for _ in {1..800}; do # as above
        [[ $(cut -d ' ' -f 1 "/proc/$tracer/syscall" 2>/dev/null) != 232 ]] || break
        sleep 0.05
    done
    touch "$folder/go"
    for _ in {1..1600}; do
        ! grep -q '^truth' "$scratch/truth" || break
        sleep 0.05
    done
    kill -INT "$tracer" && wait "$tracer"
    touch "$folder/done"
    wait "$target"
}
alone_near() { # FUNCTION
    local truth got
    truth=$(awk -v name="$1" '$1 == "truth" && $2 == name { print $3 }' "$scratch/truth")
    got=$(awk -v name="$1" '!/^#/ && $0 ~ "[;/]waits.lua:" name ";" { us += $NF }
        END { printf "%d\n", us }' "$scratch/alone.folded")
    echo "# $got us, the function says $truth"
    ((truth > 10000 && got * 100 >= truth * 97 && got * 100 <= truth * 103))
}
check 'a program of its own: a profile' stand_alone
for function in sleep lock socket disk; do
    check "... $function()" alone_near $function
done
finish
