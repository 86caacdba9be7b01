#!/bin/bash
#
# Whose Lua a tick is booked on: programs with several threads, several VMs, VMs that no variable
# leads to (tests/lua-states), judged by the threads' own CPU clocks; Lua in nginx's stream module
# and in ngx_lua's worker threads; what is said of ticks on threads that run no Lua, and of a
# process without Lua.
#
# Needs root, eBPF, a C compiler, NGSTAP_TARGETS (tests/targets/build.sh prints it). About 50 s.
# Prints TAP.

# shellcheck disable=SC2016,SC2317 # check calls the functions; awk and eval expand
:

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=shares.sh
. tests/shares.sh

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

# stacks ARGUMENT...: of the Lua in $pid, as long as a thousand ticks of one that is never idle
# take.
stacks() {
    trace samples/lj-lua-stacks.sxx --arg min=0 --arg time="$profile_seconds" "$@" -x "$pid"
}
warned='ticks were on threads that run no Lua'

compile() { # OUTPUT OPTION...
    # shellcheck disable=SC2086 # CC may hold words
    ${CC:-cc} -g -O2 -o "$1" "${@:2}" -lpthread
}
compile "$scratch/threads.so" -shared -fPIC tests/lua-states/threads.c
for variant in gc64 gc32; do
    lib=$NGSTAP_TARGETS/$variant/srv/openresty/luajit/lib
    compile "$scratch/threads-$variant" -DPROGRAM tests/lua-states/threads.c \
        "$lib/libluajit-5.1.so.2" -Wl,-rpath,"$lib"
done

# run COMMAND...: in the background; its pid is $pid, what it prints at its end $scratch/truth.
run() {
    "$@" >"$scratch/truth" 2>"$scratch/truth.err" &
    pid=$!
    pids+=("$pid")
    sleep 0.2
    how_long 100
}

# ended: it has been told to end, and what prints an account at its end has done so.
ended() {
    local status=0
    kill "$pid" 2>/dev/null || :
    wait "$pid" || status=$?
    ((status == 0 || status == 143)) || { cat "$scratch/truth.err"; return 1; }
}

# count REGEX: the samples of the stacks that hold such a frame.
count() {
    awk -v frame="$1" '
        /\t[0-9]+$/ { n = $0; sub(/.*\t/, "", n); if (seen) total += n; seen = 0; next }
        $0 ~ frame { seen = 1 }
        END { print total + 0 }' "$scratch/out"
}

# A VM that slept all the time was not seen at all.
elsewhere() { sed -nE "s/.*WARNING: ([0-9]+) ($warned|ticks, none in Lua).*/\1/p" "$scratch/err"; }

# of A B: the percentage of A in A + B.
of() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f\n", a + b ? 100 * a / (a + b) : -1 }'; }
cpu() { awk -v name="$1" '$1 == name { print $2 }' "$scratch/truth"; }

# ---- a thread in C, the VM's asleep ----

# judge_asleep WHAT LUA SPIN: the accounts' names of both threads.
judge_asleep() {
    local seen other
    seen=$(count .)
    other=$(elsewhere)
    ended
    check "$1: $seen samples in Lua, $(of "$seen" "${other:-0}") %; it took $(of "$(cpu "$2")" \
        "$(cpu "$3")") % of the time" \
        within "$(of "$seen" "${other:-0}")" "$(of "$(cpu "$2")" "$(cpu "$3")")" 2
    check "$1: ${other:-0} ticks on the other thread, and it is said" test "${other:-0}" -ge 200
}

for variant in gc64 gc32; do
    luajit=$NGSTAP_TARGETS/$variant/srv/openresty/luajit/bin/luajit
    run "$luajit" tests/lua-states/sleeps.lua "$scratch/threads.so" 60
    stacks
    judge_asleep "$variant, a thread in C, Lua asleep in the main thread" lua spin
    run "$scratch/threads-$variant" thread-sleeps 60
    stacks
    judge_asleep "$variant, the main thread in C, Lua asleep in a thread" asleep spin
done

run "$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit" tests/lua-states/sleeps.lua \
    "$scratch/threads.so" 60
trace samples/lj-vm-states.sxx --arg time=2 -x "$pid"
check 'lj-vm-states does not count the sleeping VM' \
    printed '^(No Lua-running samples|Observed [0-9]{1,2} Lua-running samples and ignored [0-9]{3})'
check '... and says where the ticks were' said '[0-9]{3} ticks'
"$ngstap" flame --frames lua -I tapset -x "$pid" -t 2 -F 500 -o "$scratch/out.svg" >"$scratch/out" \
    2>"$scratch/err" || :
check 'flame says so, too' said 'on threads that run no Lua|none was in Lua'
ended

# ---- VMs that no variable leads to ----

# judge_two WHAT COMMAND...
judge_two() {
    local left right
    run "${@:2}" two 60
    stacks
    left=$(count '^=left') right=$(count '^=right')
    ended
    check "$1, two VMs in two threads: $left to $right samples" test "$((left + right))" -ge 150
    check "... $(of "$left" "$right") %; the first took $(of "$(cpu left)" \
        "$(cpu right)") % of the time" \
        within "$(of "$left" "$right")" "$(of "$(cpu left)" "$(cpu right)")" 4
}
judge_two gc64 "$scratch/threads-gc64"
judge_two gc32 "$scratch/threads-gc32"
# No symbol, no debug information: in the program, and in a library that it opens.
archive=$NGSTAP_TARGETS/gc64/srv/openresty/luajit/lib/libluajit-5.1.a
compile "$scratch/threads-static" -s -DPROGRAM tests/lua-states/threads.c "$archive" -lm -ldl
judge_two 'LuaJIT in a stripped program' "$scratch/threads-static"
cp "$NGSTAP_TARGETS/stripped/srv/openresty/luajit/lib/libluajit-5.1.so.2" "$scratch"
compile "$scratch/within.so" -s -shared -fPIC -DPROGRAM tests/lua-states/threads.c \
    "$scratch/libluajit-5.1.so.2" -Wl,-rpath,"$scratch"
cat >"$scratch/opens.c" <<'END'
#include <dlfcn.h>
int main(int argc, char **argv)
{
    void *library = dlopen(argv[1], RTLD_NOW);
    int (*run)(int, char **) = library ? (int (*)(int, char **))dlsym(library, "main") : 0;
    return run ? run(argc - 1, argv + 1) : 1;
}
END
compile "$scratch/opens" -s "$scratch/opens.c" -ldl
judge_two 'LuaJIT in a stripped library that is opened' "$scratch/opens" "$scratch/within.so"

run "$scratch/threads-gc64" nested 60
stacks
inner=$(count '^=inner') outer=$(count '^=outer')
check "a VM below another: $outer to $inner samples, seven to three" \
    within "$(of "$outer" "$inner")" 70 4
check '... in one thread, which runs Lua' eval '! said "$warned"'
stacks --arg L=kept
check '--arg L names the one to look at by its variable' eval \
    '[[ $(count "^=outer") -ge 100 && $(count "^=inner") = 0 ]]'
address=$("$ngstap" -x "$pid" \
    -e "probe begin { printf(\"0x%x\", @var(\"kept\", \"$scratch/threads-gc64\")) exit() }")
stacks --arg L="$address"
check "--arg L=$address, its address" eval \
    '[[ $(count "^=outer") -ge 100 && $(count "^=inner") = 0 ]]'
stacks --arg L="$((address))"
check '... as a decimal number' eval '[[ $(count "^=outer") -ge 100 && $(count "^=inner") = 0 ]]'
stacks --arg L=0x1000
check 'an address without a state: nothing is seen, and why is said' \
    eval '[[ $(count .) = 0 ]] && said "No Lua stack was seen" && said "lost: read fault"'
ended

run "$scratch/threads-gc64" deep 60
stacks
check 'C below 3 MiB of C stack belongs to the Lua that called it' eval \
    '[[ $(count "^=deep:1") -ge 200 ]]'
ended

run "$scratch/threads-gc64" closed 60
stacks
check 'a VM that is closed: C goes on, and nothing is said to be lost' \
    eval '[[ $(count "^=closed") -ge 50 ]] && ! said "incomplete or lost"'
ended

# ---- a process without Lua ----

cat >"$scratch/idle.c" <<'END'
#include <time.h>
int main(void) { volatile long n = 0; time_t end = time(0) + 60; while (time(0) < end) n++;
    return 0; }
END
lib=$NGSTAP_TARGETS/gc64/srv/openresty/luajit/lib
compile "$scratch/idle" "$scratch/idle.c" -Wl,--no-as-needed "$lib/libluajit-5.1.so.2" \
    -Wl,-rpath,"$lib"
run "$scratch/idle"
stacks
check 'a process that runs no Lua: it is told what was looked for' \
    said 'WARNING: [0-9]+ ticks, none in Lua. Looked for: a VM in the registers of each tick'
check '... by name' eval '[[ $status = 0 ]] && ! said error:'
ended
# PUC-Rio's Lua, so far as one sees from outside: its API without LuaJIT's own.
echo 'int lua_newstate(void) { return 0; } int lua_pcallk(void) { return 0; }' >"$scratch/puc.c"
compile "$scratch/liblua5.4.so.5" -shared -fPIC "$scratch/puc.c"
compile "$scratch/puc" "$scratch/idle.c" -Wl,--no-as-needed "$scratch/liblua5.4.so.5"
run "$scratch/puc"
stacks
check 'a process with another Lua is told so' said \
    "hint: the Lua of process $pid is PUC-Rio's, in .*liblua5.4.so.5"
ended

# ---- a stream module's VM ----

# Its configuration as nginx has it; the VM is idle, so that nothing but its configuration leads to
# it.
lib=$NGSTAP_TARGETS/gc64/srv/openresty/luajit/lib
compile "$scratch/stream" tests/lua-states/stream.c "$lib/libluajit-5.1.so.2" -Wl,-rpath,"$lib"
run "$scratch/stream" 60
trace samples/lj-gc.sxx -x "$pid"
check "ngx_stream_lua's VM is found by its main configuration" \
    eval '[[ $(sed -n "s/^Total GC count: //p" "$scratch/out") = "$(<"$scratch/truth") bytes" ]]'
ended

# ---- what objects take ----

# By the program's own account, collectgarbage("count").
for variant in gc64 gc32; do
    run "$NGSTAP_TARGETS/$variant/srv/openresty/luajit/bin/luajit" tests/lua-states/objects.lua 60
    trace -D MAXACTION=1000000 -x "$pid" tests/lua-states/objects.sxx
    walked=$(awk '$1 == "walked" { print $2 }' "$scratch/out")
    counted=$(<"$scratch/truth")
    check "$variant: all objects add up to ${walked:-0} bytes, LuaJIT counts $counted" \
        within "$((${walked:-0} * 1000 / counted))" 1000 1
    ended
done

# ---- ngx.run_worker_thread ----

# serve CONFIGURATION: a worker of the targets' nginx with it; its pid is $pid.
serve() {
    local port
    mkdir -p "$scratch/nginx/conf" "$scratch/nginx/logs"
    port=$((20000 + RANDOM % 20000))
    sed "s/PORT/$port/" >"$scratch/nginx/conf/nginx.conf"
    "$nginx" -p "$scratch/nginx" -g 'daemon off;' >"$scratch/truth.err" 2>&1 &
    master=$!
    pids+=("$master")
    for _ in {1..100}; do
        pid=$(cat "/proc/$master/task/$master/children" 2>/dev/null) || :
        [[ -z $pid ]] || break
        sleep 0.05
    done
    pid=${pid%% *}
    sleep 1
}

nginx=$NGSTAP_TARGETS/gc64/srv/openresty/nginx/sbin/nginx
mkdir -p "$scratch/nginx/lua"
cat >"$scratch/nginx/lua/burner.lua" <<'END'
return { run = function(seconds)
    local ffi = require "ffi"
    pcall(ffi.cdef, "long clock(void);")
    local till, s = ffi.C.clock() + seconds * 1e6, 0
    while ffi.C.clock() < till do
        for i = 1, 3000 do s = (s + i * 7) % 13 end
    end
    return s
end }
END
serve <<END
user root;
worker_processes 1;
thread_pool burners threads=2;
events { worker_connections 64; }
error_log logs/error.log;
pid logs/nginx.pid;
http {
    access_log off;
    lua_package_path '$scratch/nginx/lua/?.lua;$NGSTAP_TARGETS/gc64/srv/openresty/lualib/?.lua;;';
    init_worker_by_lua_block {
        ngx.timer.at(0, function()
            for _ = 1, 40 do
                local ok, why = ngx.run_worker_thread("burners", "burner", "run", 0.3)
                if not ok then ngx.log(ngx.ERR, why) end
            end
        end)
    }
    server { listen 127.0.0.1:PORT; }
}
END
how_long 100
stacks
check 'Lua in a worker thread of ngx_lua' eval '[[ $(count "/burner.lua:1$") -ge 200 ]]'
{ kill "$master" && wait "$master"; } || :
finish
