#!/bin/bash
# shellcheck disable=SC2154,SC2016,SC2317 # variables of tap.sh; awk's dollars; check
#
# Lua states that come later (tests/lua-states/later.c). Where types are known by layouts alone, a
# state must be there to show which: a command's (-c) and that of a process that has just begun are
# waited for, a program that makes none gets the error that it got before, and a command is not run
# twice. Whatever tells the types: Lua that begins to run while a session runs, in a state that a
# new thread makes, is seen within 100 ms.
#
# Needs root, eBPF, a C compiler and NGSTAP_TARGETS. About 40 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 && -n ${NGSTAP_TARGETS:-} ]] || skip_all 'needs root and NGSTAP_TARGETS'
command -v "${CC%% *}" >/dev/null || command -v cc >/dev/null || skip_all 'no C compiler'
export DEBUGINFOD_URLS='' XDG_CACHE_HOME=$scratch/cache

for variant in stripped gc64; do
    lib=$NGSTAP_TARGETS/$variant/srv/openresty/luajit/lib
    # shellcheck disable=SC2086 # CC may hold words
    ${CC:-cc} -O2 -o "$scratch/$variant" tests/lua-states/later.c "$lib/libluajit-5.1.so.2" \
        -Wl,-rpath,"$lib" -lpthread
done

waited='waited [0-9.]+ s for process [0-9]+ to make a Lua state'

# flame ARGUMENT...: the profile is $scratch/x.folded.
flame() {
    status=0
    rm -f "$scratch/x.folded"
    timeout 240 "$ngstap" flame -o "$scratch/x.folded" "$@" >"$scratch/out" 2>"$scratch/err" ||
        status=$?
}
# in_lua REGEX: four samples of five have such a frame.
in_lua() {
    [[ $status = 0 ]] && awk -v frame="$1" '
        { n = $NF; all += n } $0 ~ frame { seen += n }
        END { print "# " seen " of " all " samples"; exit !(all > 4 && seen > 0.8 * all) }
    ' "$scratch/x.folded"
}

# ---- a command

cat >"$scratch/busy.lua" <<'END'
local function busy(n) local s = 0 for i = 1, n do s = s + math.sin(i) end return s end
local from = os.clock()
while os.clock() - from < 1 do busy(10000) end
END
for variant in stripped headless; do
    luajit=$NGSTAP_TARGETS/$variant/srv/openresty/luajit/bin/luajit
    flame -c "$luajit $scratch/busy.lua"
    check "-c, $variant: its first state is waited for" said "^$waited"
    check '... and its stacks have their Lua' in_lua 'busy\.lua:busy'
done
trace_seconds=240 trace samples/lj-lua-stacks.sxx -c "$luajit $scratch/busy.lua"
check '... as those that a script prints' eval '[[ $status = 0 ]] && printed "busy\.lua:1$"'
flame -c "$luajit $scratch/busy.lua"
check '... also with an object out of the cache' in_lua 'busy\.lua:busy'
flame -c "$scratch/stripped first 700 1"
check 'a command makes its state after 0.7 s' in_lua 'busy'
check '... which is told' said "^$waited"

export RAN=$scratch/ran
: >"$RAN"
flame -c "$scratch/stripped never 0 1"
check 'a command that makes none: an error' eval \
    '[[ $status = 1 ]] && said "fits process .* within"'
check '... that says what can be done' said '^hint: --frames c '
check '... and it has run once' eval '[[ $(wc -l <"$RAN") = 1 ]]'
unset RAN
flame -c "$scratch/gc64 first 300 1"
check 'with debug information nothing is waited for' eval 'in_lua busy && ! said waited'

# ---- a process

run() { # COMMAND...: in the background, as $pid
    "$@" >"$scratch/told" 2>&1 &
    pid=$!
    pids+=("$pid")
    sleep 0.1 # its libraries are mapped
}
# How long ngstap takes until it looks for a state depends on what else the machine does.
for later in 400 800 1200 1600 2400 4000; do
    run "$scratch/stripped" first "$later" 5
    flame -x "$pid" -t 2
    ! said "^$waited" || break
done
check '-x: the state of a process that has just begun is waited for' said "^$waited"
check '... and its stacks have their Lua' in_lua 'busy'
run "$scratch/stripped" never 0 30
flame --frames lua -x "$pid" -t 1
check 'a process that makes none: an error, after a second' eval \
    '[[ $status = 1 ]] && said "fits process .* within 1\..* no Lua state was found"'

# ---- how soon it is seen

cat >"$scratch/first.sxx" <<'END'
@use nginx.lua
@use luajit
global seen, armed
probe timer.profile {
    if ($^pid_ok && !(pid() in seen)) {
        L = luajit_here()
        if (L && luajit_backtrace(L, luajit_G(L), 1) != "") {
            seen[pid()] = ktime_get_ns()
            printf("seen %d\n", seen[pid()])
        }
    }
}
probe timer.ms(100) { if (!armed++) { println("armed") } }
END

# in_time: from the moment that the program tells to the first tick that has a Lua stack.
in_time() {
    local lua seen
    lua=$(sed -n 's/^lua //p' "$scratch/told")
    seen=$(sed -n 's/^seen //p' "$scratch/out" | head -n 1)
    [[ -n $lua && -n $seen ]] || return
    echo "# seen after $(((seen - lua) / 1000)) us"
    ((seen - lua < 100000000))
}
again() { # VARIANT: a machine with other work may let the program wait for a processor
    for _ in 1 2 3; do
        run "$scratch/$1" more 3000 1
        start_trace "$scratch/first.sxx" -x "$pid"
        wait "$pid" || :
        end_trace
        ! in_time || return 0
    done
    return 1
}
for variant in stripped gc64; do
    check "$variant: Lua in a state that a thread makes is seen within 100 ms" again "$variant"
done
finish
