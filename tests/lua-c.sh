#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# Lua, C and the kernel in one stack (lua_backtrace() of tapset/luajit.sxx): a program that calls
# Lua from C and C from Lua in twenty ways, and knows the order (tests/ustack/cross.lua); where C is
# probed, and at ticks, interpreted and compiled, with references of 64 and 32 bits, and where the
# interpreter has no table but for debuggers, or none. A chain of C frames that lies ends nothing.
# In nginx the Lua frames are those of the Lua stack alone, and the C frames lead to main. Needs
# root, eBPF, a C compiler and NGSTAP_TARGETS (tests/targets/build.sh prints it). About 140 s.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ $(uname -m) = x86_64 ]] || skip_all 'stacks are walked on x86_64 alone'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'

${CC:-cc} -O2 -g -fPIC -shared -o "$scratch/cross.so" tests/ustack/cross.c

# start_cross VARIANT LEAF [OPTION]: $cross is its pid, once it has its module. A VARIANT with a
# slash is the program itself.
start_cross() {
    local luajit=$1
    [[ $luajit = */* ]] || luajit=$NGSTAP_TARGETS/$1/srv/openresty/luajit/bin/luajit
    # shellcheck disable=SC2086 # there may be no option
    "$luajit" ${3:-} tests/ustack/cross.lua "$scratch" \
        "$2" 40 >"$scratch/said" &
    cross=$!
    pids+=("$cross")
    for _ in {1..200}; do
        ! grep -q 'case20$' "$scratch/said" || return 0
        sleep 0.05
    done
    return 1
}
# So many stacks, or what comes within 20 s; ticks: 1, they may come between two calls; c: 1, those
# of ubacktrace() are looked at.
stacks_at() { # POINT STACKS [TICKS [C]]
    local also=''
    [[ -z ${4:-} ]] || also='print("c\n" . sprint_ubacktrace())'
    cat >"$scratch/stacks.sxx" <<END
@use luajit
global n
probe $1 {
    print("stack\n" . lua_backtrace())
    $also
    if (++n == $2) { exit() }
}
probe timer.s(20) { exit() }
END
    trace -D MAXSTRINGLEN=4096 -x "$cross" "$scratch/stacks.sxx"
    kill "$cross"
    read -r right early wrong cases < <(awk -v ticks="${3:-0}" -v c="${4:-0}" \
        -f tests/ustack/cross.awk "$scratch/said" "$scratch/out" 2>"$scratch/wrong")
    cat "$scratch/wrong"
    echo "# $right stacks as the program says, $early before the innermost call, $wrong not," \
        "in $cases cases"
    [[ $status = 0 ]]
}
leaf="process(\"$scratch/cross.so\").function(\"x_leaf\")"

at_leaf() { # VARIANT LEAF [OPTION]: all of them
    start_cross "$@" && stacks_at "$leaf" 5000 && ((right > 100 && wrong == 0 && cases == 20))
}
# 99.5 %, as for stacks of C; one case has no time of its own.
at_ticks() { # VARIANT LEAF [OPTION]
    start_cross "$@" && stacks_at timer.profile 1000 1 &&
        ((right > 300 && cases >= 18 && wrong * 200 <= right && early * 20 <= right))
}
# C alone, by ubacktrace(), which asks no state: the program's C functions, and on to its start.
c_at_leaf() {
    start_cross "$@" && stacks_at "$leaf" 3000 0 1 && ((right > 100 && wrong == 0 && cases == 20))
}
c_at_ticks() {
    start_cross "$@" && stacks_at timer.profile 600 1 1 &&
        ((right > 200 && cases >= 18 && wrong * 200 <= right && early * 20 <= right))
}
for variant in gc64 gc32 nounwind; do
    if [[ ! -d $NGSTAP_TARGETS/$variant ]]; then
        skip "$variant" "no such target: tests/targets/build.sh makes it"
        continue
    fi
    check "$variant: ubacktrace() beyond compiled Lua" c_at_leaf "$variant" ffi
    check "$variant: ubacktrace(), ticks in compiled code" c_at_ticks "$variant" loop
    check "$variant: ubacktrace(), ticks in the interpreter" c_at_ticks "$variant" loop -joff
    check "$variant: C that Lua calls" at_leaf "$variant" hit
    check "$variant: C that compiled Lua calls" at_leaf "$variant" ffi
    check "$variant: C that interpreted Lua calls by FFI" at_leaf "$variant" ffi -joff
    check "$variant: ticks in compiled code" at_ticks "$variant" loop
    check "$variant: ticks in the interpreter" at_ticks "$variant" loop -joff
done
check 'gc64: ticks in C' at_ticks gc64 spin

# Without types there is no lua_backtrace(): C functions, each stack up to the program's start.
no_table() { # [OPTION]
    start_cross "$scratch/luajit" ffi "$@"
    cat >"$scratch/whole.stp" <<END
global n
probe $leaf {
    print("stack\n" . sprint_ubacktrace())
    if (++n == 3000) { exit() }
}
probe timer.s(20) { exit() }
END
    trace -D MAXSTRINGLEN=8192 -x "$cross" "$scratch/whole.stp"
    kill "$cross"
    awk 'function judge() { if (stacks && last ~ /^_start\+/) whole++ }
        /^stack/ { judge(); stacks++; next }
        { last = $0 }
        END { judge(); print "#", whole + 0, "of", stacks + 0, "lead to the start"
            exit !(stacks > 100 && whole == stacks) }' "$scratch/out"
}
if [[ -d $NGSTAP_TARGETS/nounwind ]]; then
    objcopy --strip-unneeded "$NGSTAP_TARGETS/nounwind/srv/openresty/luajit/bin/luajit" \
        "$scratch/luajit"
    check 'nounwind, stripped: compiled' no_table
    check 'nounwind, stripped: interpreted' no_table -joff
else
    skip 'nounwind, stripped' 'no such target: tests/targets/build.sh makes it'
fi

# Where it sleeps: the kernel's frames come first, and lead to C.
asleep() {
    start_cross gc64 wait && stacks_at 'kernel.trace("sched_switch")' 1000 1 &&
        ((right > 300 && cases >= 18 && wrong * 200 <= right && early * 20 <= right))
    awk '/^stack/ { n++; last = ""; next }
        /_\[k\]$/ { if (last != "" && last !~ /_\[k\]$/) bad = 1; if (last == "") kernel++ }
        { last = $0 }
        END { print "#", kernel, "of", n, "in the kernel"; exit bad || kernel < 0.99 * n }' \
        "$scratch/out"
}
check 'gc64: on its way to sleep' asleep

# As a key; only some kinds of frames.
kinds() { # FRAMES WANTED UNWANTED: regular expressions
    cat >"$scratch/kinds.sxx" <<END
@use luajit
global counts
probe $leaf { counts[lua_backtrace()] <<< 1 }
probe timer.s(1) { exit() }
probe end { foreach (bt in counts-) { print(bt, @count(counts[bt]), "\n") } }
END
    trace -D MAXSTRINGLEN=4096 --arg frames="$1" -x "$cross" "$scratch/kinds.sxx"
    [[ $status = 0 ]] && printed "$2" && ! printed "$3"
}
some_kinds() {
    start_cross gc64 hit
    kinds all '^x_hit$' '^lj_BC_' && printed '^@.*cross.lua:' && printed '^[0-9]{2,}$' &&
        kinds lua '^@.*cross.lua:' '^(x_hit|main)$' && kinds c '^main$' '^@'
    kill "$cross"
}
check 'keys, kinds of frames' some_kinds

# Lua's own frames are there, whatever the chain says.
lies() {
    start_cross gc64 lie && stacks_at "$leaf" 5000
    awk '/^stack/ { n++; case_ = 0 } /^x_lie$/ { lied++ }
        END { exit !(n > 100 && lied > 100) }' "$scratch/out" && ! said 'ERROR|skipped'
}
check 'chains that lie' lies

# ---- nginx ----

# The Lua frames of each stack are those of the Lua stack, or begin with them where a coroutine was
# resumed, and the outermost frame is where the program begins.
in_nginx() { # MODE
    local ticks same whole name='' pid=''
    cat >"$scratch/nginx.sxx" <<'END'
@use luajit
probe timer.profile {
    if (luajit_here()) {
        alone = luajit_print_backtrace(1)
        if (alone != "") { print("lua\n" . alone . "all\n" . lua_backtrace()) }
    }
}
END
    start_target nginx gc64 "$1" 20
    trace -T 5 -D MAXSTRINGLEN=4096 -x "$pid" "$scratch/nginx.sxx"
    tests/targets/target.sh stop "$name"
    read -r ticks same whole < <(awk '
        function judge() {
            if (ticks && alone == substr(lua, 1, length(alone))) same++
            if (last == "_start" || last ~ /^__libc_start_main/) whole++
        }
        /^lua$/ { judge(); ticks++; all = 0; alone = lua = last = ""; next }
        /^all$/ { all = 1; next }
        !all { alone = alone $0 "\n"; next }
        { last = $0 }
        /^(T:|C:|builtin#|@|=|\[string )/ || /_by_lua/ { lua = lua $0 "\n" }
        END { judge(); print ticks + 0, same + 0, whole + 0 }' "$scratch/out")
    echo "# $ticks stacks in Lua, $same with its frames, $whole up to the outermost one"
    ((ticks > 100 && same * 200 >= ticks * 199 && whole * 200 >= ticks * 199))
}
for mode in jit interp gsub coroutine; do
    check "nginx, $mode" in_nginx "$mode"
done
finish
