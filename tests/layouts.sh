#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2154 # dollars of scripts; check and start_target
#
# Layouts that are known of LuaJIT, for files without debug information. By a layout each of its
# types is what it is by DWARF; a state that is damaged in 10,000 ways is never taken for one of
# another layout; the shares of a profile are the true ones (shares.sh) of nginx and LuaJIT
# stripped, of both in one stripped program, with and without section headers, in a container, too.
# What is refused: other programs, files that are no layouts, cut or damaged, layouts of other
# versions.
#
# Needs python3, strip, objcopy; root, eBPF and NGSTAP_TARGETS. About 90 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=shares.sh
. tests/shares.sh
# shellcheck source-path=SCRIPTDIR source=as-built.sh
. tests/as-built.sh

for tool in python3 strip objcopy; do
    command -v "$tool" >/dev/null || skip_all "no $tool"
done
[[ $UID = 0 && -n ${NGSTAP_TARGETS:-} ]] || skip_all 'needs root and NGSTAP_TARGETS'
export DEBUGINFOD_URLS='' XDG_CACHE_HOME=$scratch/cache XDG_DATA_HOME=$scratch/data
check 'the lists of all layouts are those within their files' \
    eval 'scripts/make-layouts --lists | cmp - layouts/luajit/lists'
reads='println(@cast(0, "lua_State", "EXE")->cframe, &@cast(0, "GG_State", "EXE")->J,
    @defined(@cast(0, "global_State", "EXE")->nonesuch))'
ask() { trace -p2 "$without" "$@" -e "probe begin { ${reads//EXE/$exe} }"; }
for variant in gc64 gc32 nounwind; do
    start_target luajit "$variant" interp 600
    check "$variant: a damaged state is never taken for another layout's" fit_damaged
    check "$variant: all types are what they are by DWARF" as_dwarf
    ask -v -x "$pid"
    check "$variant: what a script reads is known" eval 'test "$status" = 0 &&
        said "LuaJIT 2.*: the layouts of .*-${variant/nounwind/gc64}.*\.debug, which fit its memory$"'
    stop_target
done

# ---- what is refused

start_target luajit gc64 interp 600
fit_damaged
ask --no-debuginfo=layout -x "$pid"
check 'layouts are forbidden: an error' eval 'test "$status" = 1 && said "no debug information"'
ask -x "$pid" -d layouts/luajit/20170501-gc32.debug
check 'a layout that does not fit: an error' test "$status" = 1
check '... that says what contradicts it' said 'none of 1 known layouts .* fits process'
check '... and the command that makes a pack' said "ngstap pack $exe -o luajit\.pack"
ask -x "$pid" -d "${fitting[0]}"
check 'one that fits' test "$status" = 0
# A reading that they do not agree on; where one alone fits there is none.
reads='println(@cast(0, "jit_State", "EXE")->chain[0])' ask -x "$pid"
check 'what those that fit do not agree on: an error' eval 'test "${#fitting[@]}" = 1 ||
    { test "$status" = 1 && said "both fit .* but do not agree on chain of .jit_State"; }'
types_fail() { ! types=jit_State types_of "$exe" "$without" -x "$pid" >"$scratch/out"; }
check '... also where types are printed' eval 'test "${#fitting[@]}" = 1 ||
    { types_fail && said "both fit .* but do not agree on"; }'

# ---- objects that are kept

mkdir "$scratch/bin"
cp "$ngstap" "$scratch/bin"
cp -r layouts "$scratch/bin"
sleep 2.2 # what changed a moment ago is not kept
# keep: a script that runs in the kernel, with the layouts of that folder.
keep() {
    status=0
    timeout 60 "$scratch/bin/ngstap" -v -I tapset "$without" -x "$pid" -e "probe timer.profile {
        if (pid() == target()) { println(&@cast(0, \"GG_State\", \"$exe\")->J) exit() } }" \
        >"$scratch/out" 2>"$scratch/err" || status=$?
}
keep
cp "$scratch/out" "$scratch/made"
check 'an object by layouts is made' eval 'test "$status" = 0 && ! said "from the cache"'
keep
check '... and taken, where they still fit' said 'took the object from the cache'
check '... which says the same' cmp "$scratch/made" "$scratch/out"
cp "${fitting[0]}" "$scratch/bin/layouts/luajit/00000000-gc64.debug"
fits=$(basename "${fitting[0]}" .debug)
{
    echo 'layout 00000000-gc64'
    sed "1,/^layout $fits\$/d; /^layout /,\$d" layouts/luajit/lists
    cat layouts/luajit/lists
} >"$scratch/bin/layouts/luajit/lists"
keep
check 'another one fits besides: it is not taken' said 'not taken: its layouts fit no more'
check '... but made, and says the same' eval 'test "$status" = 0 && cmp "$scratch/made" "$scratch/out"'
rm "$scratch/bin/layouts/luajit"/*
keep
check 'no layouts: nothing is taken' eval 'test "$status" = 1 && ! said "from the cache"'

refused_or_read() { # FILE
    (
        ulimit -t 20
        grep -q __asan_init "$ngstap" || ulimit -v 1500000
        exec "$ngstap" -I tapset -p2 "$without" -x "$pid" -d "$1" \
            -e "probe begin { ${reads//EXE/$exe} }"
    ) >"$scratch/out" 2>"$scratch/err" </dev/null && return
    [[ $? = 1 ]] && said 'error:'
}
all_cuts() {
    local at size
    size=$(stat -c %s "${fitting[0]}")
    for at in 0 1 63 64 100 $((size / 2)) $((size - 1)); do
        head -c "$at" "${fitting[0]}" >"$scratch/cut.debug"
        refused_or_read "$scratch/cut.debug" && said 'error:' || return
    done
}
check 'layouts cut short, anywhere: refused' all_cuts
cat >"$scratch/damage.py" <<'END'
import random, sys
data = bytearray(open(sys.argv[1], "rb").read())
random.seed(int(sys.argv[3]))
for _ in range(random.choice([1, 1, 4, 64])):
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
open(sys.argv[2], "wb").write(data)
END
damaged() { # FILE
    local seed
    for seed in {1..12}; do
        python3 "$scratch/damage.py" "$1" "$scratch/bad.debug" "$seed"
        refused_or_read "$scratch/bad.debug" || return
    done
}
check 'bits that are turned over: an answer or an error' damaged "${fitting[0]}"
objcopy --decompress-debug-sections "${fitting[0]}" "$scratch/plain.debug"
check '... also where no checksum stands before them' damaged "$scratch/plain.debug"
stop_target

ask --exec "$exe" -d layouts/luajit/20170501-gc64.debug
check 'without a process the layout that is named is taken' test "$status" = 0
ask --exec "$exe"
check '... and without one: an error that says how to name one' \
    eval 'test "$status" = 1 && said "-x PID, or said by -d .*/luajit/NAME\.debug"'
exe=$(realpath "$BASH") ask --exec "$(realpath "$BASH")"
check 'a program that has no LuaJIT: nothing is said of layouts' \
    eval 'test "$status" = 1 && ! said "layouts"'

# ---- shares

judge() { # NAME KIND VARIANT
    start_profiled "$2" "$3" interp
    sysroot=() # debug files of the stripped one are out of reach
    take_profile --arg time="$profile_seconds"
    stop_target
    check_shares "$1, by layouts" interp
}
in_container() { # ENGINE VARIANT: nginx
    local told
    if ! told=$(tests/targets/container.sh start "$1" "$2" interp 60 2>"$scratch/err"); then
        skip "nginx in a container, $2" "$1 cannot run here: $(tail -n 1 "$scratch/err")"
        return
    fi
    eval "$told"
    export DOCKER_HOST
    names+=("$name")
    how_long 200
    PATH=$(dirname "$(tests/targets/container.sh which "$1")"):$PATH \
        take_profile --container "$name" --arg time="$profile_seconds"
    stop_target
    check_shares "nginx in a container by $1, $2, by layouts" interp
}
judge 'nginx and LuaJIT stripped' nginx stripped

# By what leads to LuaJIT within one program that has no names, and not even sections.
with_debug=$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit
for variant in static headless; do
    start_target luajit "$variant" interp 600
    check "$variant: a damaged state is never taken for another layout's" fit_damaged
    check "$variant: all types are what they are by DWARF" as_dwarf "$with_debug"
    check "$variant: built-in functions have their names" builtins "$with_debug" \
        "$root/srv/openresty/luajit/share"
    stop_target
    judge "LuaJIT in its $variant program" luajit "$variant"
    judge "nginx with LuaJIT within, $variant" nginx "$variant"
    in_container podman "$variant"
done
in_container docker headless
finish
