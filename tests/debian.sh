#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Debian's own nginx with the Lua module, luajit and luajit2, stripped, as apt installs them, and
# not one debug package: the shares of a profile are those that the target counts, a flame graph
# shows the hot function, and the module's variables are found in the file that nginx loads; the
# same of workers in containers.
#
# Needs root, eBPF, the packages (tests/targets/debian.sh fetches them), wrk; podman and
# docker for containers. About 150 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=shares.sh
. tests/shares.sh

[[ $UID = 0 ]] || skip_all 'needs root'
[[ $(dpkg --print-architecture 2>/dev/null) = amd64 ]] || skip_all 'needs Debian, x86-64'
NGSTAP_TARGETS=$(tests/targets/debian.sh) || skip_all "Debian's packages cannot be fetched"
export NGSTAP_TARGETS DEBUGINFOD_URLS='' XDG_CACHE_HOME=$scratch/cache XDG_DATA_HOME=$scratch/data

# judge KIND VARIANT MODE: of target.sh; it runs on.
judge() {
    start_profiled "$1" "$2" "$3"
    take_profile --arg time="$profile_seconds"
    check_shares "$1 of $2, $3" "$3"
    check '... with a flame graph' run_once flame -x "$pid" -t 1s -o "$scratch/flame.svg"
    check '... of Lua frames' shows_lua "$3"
}
shows_lua() { # MODE
    ! said 'frames of C and the kernel alone' && grep -q "mode/$1.lua" "$scratch/flame.svg"
}

judge nginx luajit2 interp
number_at() { # FILE VARIABLE OFFSET: 8 bytes of the process
    local start vaddr
    start=$(awk -v file="$1" '$6 == file && $3 == "00000000" { sub(/-.*/, "", $1); print $1; exit }' \
        "/proc/$pid/maps")
    vaddr=$(nm -D "$1" | awk -v name="$2" '$3 == name { print $1; exit }')
    dd if="/proc/$pid/mem" bs=8 count=1 iflag=skip_bytes \
        skip=$((16#$start + 16#$vaddr + $3)) 2>/dev/null | od -An -tu8 | tr -d ' '
}
module=$root/usr/lib/nginx/modules/ngx_http_lua_module.so
printf '%s %s\n' "$(number_at "$module" ngx_http_lua_module 0)" \
    "$(number_at "$exe" ngx_cycle 0)" >"$scratch/truth"
trace -x "$pid" -e 'probe begin {
    println(@var("ngx_http_lua_module", @1)->ctx_index, " ",
        @var("ngx_cycle", @1))
    exit()
}' "$exe"
if said 'no debug information for .*/nginx '; then
    skip 'variables of nginx and its modules' "nobody knows nginx's types"
else
    check "variables of the module that nginx loads, and of nginx: $(<"$scratch/truth")" \
        diff "$scratch/truth" "$scratch/out"
fi
stop_target

judge nginx luajit2 jit
stop_target
judge luajit luajit2 interp
stop_target
judge luajit luajit coroutine
stop_target

# Two masters of four workers each, in containers: what one does is not the other's.
in_container() { # ENGINE MODE: sets name; DOCKER_HOST, for docker
    local all
    all=$(tests/targets/container.sh start "$1" luajit2 "$2" 200 4 2>"$scratch/err") || return
    eval "$all"
    names+=("$name")
}
judge_container() { # ENGINE
    local how=$1 idle path=$PATH DOCKER_HOST=${DOCKER_HOST:-}
    export DOCKER_HOST
    if ! in_container "$how" idle || ! { idle=$name && in_container "$how" interp; }; then
        skip "workers in containers, $how" "$how cannot run here: $(tail -n 1 "$scratch/err")"
        return
    fi
    PATH=$(dirname "$(tests/targets/container.sh which "$how")"):$PATH
    check "$how: four workers in a container: a flame graph" run_once flame --container "$name" \
        -t 1s -o "$scratch/flame.svg"
    check '... of Lua frames' shows_lua interp
    check '... and none of those of another container' \
        fails_with 'it never ran when a sample was due' flame --container "$idle" -t 1s \
        -o "$scratch/idle.svg"
    tests/targets/target.sh stop "$name"
    tests/targets/target.sh stop "$idle"
    PATH=$path
}
judge_container podman
judge_container docker
finish
