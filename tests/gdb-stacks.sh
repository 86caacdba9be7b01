#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# Stacks of nginx are what gdb says, frame for frame: a worker that answers by TLS, compressed, by
# Lua, with the distribution's libssl, libcrypto, libpcre and libz, is stopped by gdb hundreds of
# times. ngstap sees the same moments: the worker leaves the CPU as one that is traced, with the
# registers that gdb reads. Where ngstap's stack ends before gdb's, the file's own tables must say
# why, and where it goes on behind compiled Lua, it must come to the outermost function
# (tests/ustack/stops_compare.py). Needs root, eBPF, gdb with Python, python3, binutils, wrk and
# NGSTAP_TARGETS (tests/targets/build.sh prints it). About 60 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ $(uname -m) = x86_64 ]] || skip_all 'stacks are walked on x86_64 alone'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'
for program in gdb python3 readelf wrk openssl; do
    command -v $program >/dev/null || skip_all "no $program"
done
gdb -batch -nx -ex 'python print(1)' >/dev/null 2>&1 || skip_all 'this gdb has no Python'

# stopped PID EXE STOPS: of all stops that both saw none may be wrong, and one in ten may end
# early.
stopped() {
    local stops same beyond ended wrong frames
    start_trace -T 100 -x "$1" tests/ustack/stops.stp
    timeout 100 gdb -batch -nx -ex 'set auto-load off' \
        -ex "python PID, STOPS, OUT = $1, $3, '$scratch/gdb'" -x tests/ustack/stops.py \
        >"$scratch/said" 2>&1 </dev/null || tail -n 5 "$scratch/said" | sed 's/^/# /'
    end_trace
    python3 tests/ustack/stops_compare.py "$scratch/gdb" "$scratch/out" "$2" \
        "$(realpath "${2%/*/*/*}/luajit/lib/libluajit-5.1.so.2")" >"$scratch/compared"
    sed '$d' "$scratch/compared"
    read -r stops same beyond ended wrong frames < <(tail -n 1 "$scratch/compared")
    echo "# $stops stops, $same the same, $beyond whole where gdb's are not, $ended ended early, $wrong wrong;" \
        "$frames frames the same"
    [[ $status = 0 ]] && ((stops >= $3 && wrong == 0 && ended * 10 <= stops && same * 4 >= stops))
}
in_nginx() { # VARIANT STOPS
    local name='' pid='' exe=''
    start_target nginx "$1" tls 120
    stopped "$pid" "$exe" "$2"
}
check 'nginx by TLS' in_nginx gc64 200
check 'nginx by TLS, stripped' in_nginx stripped 100

# Where Lua calls C, and C Lua, in twenty ways (tests/ustack/cross.lua).
in_lua() {
    local exe=$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit
    ${CC:-cc} -O2 -g -fPIC -shared -o "$scratch/cross.so" tests/ustack/cross.c
    "$exe" -joff tests/ustack/cross.lua "$scratch" loop 60 >/dev/null &
    pids+=("$!")
    stopped "$!" "$exe" 100
}
check 'C and interpreted Lua' in_lua
finish
