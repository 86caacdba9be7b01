#!/bin/bash
# shellcheck disable=SC2016,SC2317 # expressions have dollars of their own; check calls functions
#
# "ngstap flame" beyond the CPU time of Lua: the hits of a probe point and what is weighed there
# (--at, --weight), the time off the CPU (--off-cpu), and C and kernel frames (--frames c). The
# truth is what the programs say (tests/flame/known.c, wait.lua), the kernel's clocks, and other
# readers of what is written.
#
# Needs root, eBPF, x86_64, a C compiler; NGSTAP_TARGETS for Lua, python3 to read pprof files. About
# 60 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'
[[ $(uname -m) = x86_64 ]] || skip_all 'stacks of C are walked on x86_64 alone'

flame() {
    status=0
    (cd "$scratch" && timeout 60 "$ngstap" flame "$@") >"$scratch/out" 2>"$scratch/err" \
        </dev/null || status=$?
}

known=$scratch/known
${CC:-cc} -O1 -g -pthread -Wl,--build-id -o "$known" tests/flame/known.c
take="process(\"$known\").function(\"take\")"

# What FRAME has of FILE, in the unit: stacks in which FRAME, a regular expression, is a frame.
has() { # FILE FRAME
    awk -v frame="^($2)\$" '!/^#/ {
        count = $NF; sub(/ [0-9]+$/, ""); n = split($0, frames, ";")
        for (i = 1; i <= n; i++) if (frames[i] ~ frame) { sum += count; break }
    } END { printf "%d\n", sum }' "$1"
}

# mostly FILE PERCENT FRAME OF: of what stacks with the frame OF have, those with FRAME, too, have
# at least PERCENT.
mostly() {
    grep -E "(^|;)$4( |;)" "$1" >"$scratch/part"
    (($(has "$scratch/part" "$3") * 100 >= $(has "$scratch/part" "$4") * $2))
}

# near GOT WANT PERCENT LEAST: within so much of WANT, or LEAST.
near() {
    local most=$(($2 * $3 / 100))
    ((most >= $4)) || most=$4
    echo "# $1, the truth is $2"
    (($1 >= $2 - most && $1 <= $2 + most))
}

# ---- a probe point

flame -c "$known takes 50" --at "$take" --frames c -o hits.folded
check 'hits: status 0, and how many' eval \
    '[[ $status = 0 ]] && said "^hits.folded: 150 hits, 0 lost"'
check '... by stack' eval \
    '[[ $(has "$scratch/hits.folded" small) = 100 && $(has "$scratch/hits.folded" large) = 50 ]]'
check '... the unit' grep -qx '# unit: hits' "$scratch/hits.folded"
check '... outermost first, the function itself on top' grep -qE \
    '^_start;.*;main;small;take 100$' "$scratch/hits.folded"
flame -c "$known takes 50" --at "$take" --weight '$bytes' --frames c -o bytes.folded
check 'a weight' eval \
    '[[ $(has "$scratch/bytes.folded" small) = 1000 ]] &&
    [[ $(has "$scratch/bytes.folded" large) = 50000 ]]'
check '... is the unit' eval \
    'grep -qx "# unit: bytes" "$scratch/bytes.folded" && said "150 hits, counted in bytes, 0 lost"'
flame -c "$known takes 50" --at "$take" --weight '$kind == 2 ? -1 : 5' --frames c -o signs.folded
check 'weights below zero are left out, which is said' eval \
    '[[ $(has "$scratch/signs.folded" main) = 500 ]] && said "50 weights were below zero"'
flame -c "$known takes 50" --at "$take" -D MAXMAPENTRIES=2 --frames c -o one.folded
check 'where there is no room for a stack the others go on, which is said' eval '
    [[ $status = 0 && $(has "$scratch/one.folded" main) = 100 ]] &&
    said "50 hits are left out.*MAXMAPENTRIES="'
flame -c "$known takes 5" --at "$take" --weight '1 /* </text><b>;" */' --frames c -o unit.svg
check 'an expression is text where it is the unit' eval \
    'grep -qF "15 1 /* &lt;/text&gt;&lt;b&gt;;&quot; */" "$scratch/unit.svg" &&
    ! grep -qF "<b>" "$scratch/unit.svg"'

# ---- mistakes point at the option's text

caret() { # PLACE MESSAGE COLUMN
    said "^$1: (error|note): .*$2" && grep -qE "^ {$((3 + $3))}\\^" "$scratch/err"
}
flame -c "$known takes 1" --at "$take" --weight '1 + $bites' --frames c
check 'no such variable' eval 'caret --weight:1:5 "bites" 5 && said "did you mean .bytes"'
flame -c "$known takes 1" --at "process(\"$known\").function(\"tkae\")" --frames c
check 'no such function' caret "--at:1:$((${#known} + 22))" tkae $((${#known} + 22))
flame -c "$known takes 1" --at 'nosuch.point' --frames c
check 'no such probe point' caret --at:1:1 nosuch 1
flame -c "$known takes 1" --at "$take" --weight 'pp()' --frames c
check 'a weight that is text' caret --weight:1:1 'string' 1
flame -c "$known takes 1" --at '' --frames c
check 'no probe point' said '^error: --at takes a probe point, not an empty text'
flame -c "$known takes 1" --at "$take" --weight ' ' --frames c
check 'no weight' said '^error: --weight takes an expression, not an empty text'
flame -c "$known takes 1" --at "$take" --weight '2 *' --frames c
check 'a weight that ends too early' caret --weight:1:3 'after what ends here' 3
check '... no file is left' test ! -e "$scratch/flame.svg"
refused() { # MESSAGE OPTION...
    flame -c "$known takes 1" "${@:2}"
    [[ $status = 1 ]] && said "$1"
}
check 'a weight without a point' refused '--weight is of the hits of --at' --weight 1
check 'a point and time' refused 'which\?' --off-cpu --at "$take"
check 'samples and hits' refused '-F is of samples' --at "$take" -F 99
check 'frames of no kind' refused '--frames takes lua or c' --frames d
check 'a point that is not hit' refused 'it did not hit' --frames c \
    --at "process(\"$known\").function(\"hang\")"
check 'no Lua there: what to do' refused '--frames c takes the stacks' --frames lua --at "$take"

# ---- off the CPU

off_cpu() { # NAME: of $scratch/NAME.folded, what known.c says
    local name us
    while read -r name us; do
        check "$1: $name" near "$(has "$scratch/$1.folded" "$name")" "$us" 3 3000
    done <"$scratch/out"
}
flame -c "$known waits 25" --off-cpu --frames c -o waits.folded
check 'waits: the unit' grep -qx '# unit: microseconds' "$scratch/waits.folded"
[[ $(wc -l <"$scratch/out") = 4 ]] || check 'waits: the program runs' false
off_cpu waits
for place in wait_sleep wait_lock wait_socket; do
    check "... $place is voluntary" mostly "$scratch/waits.folded" 95 off-cpu:voluntary "$place"
done
check '... with the kernel'\''s frames below' grep -qE \
    'wait_sleep;.*;[a-z_0-9]*nanosleep_\[k\];.*schedule_\[k\].*;off-cpu:voluntary' \
    "$scratch/waits.folded"
flame -c "$known share 2" --off-cpu --frames c -o share.folded
grep -v ';burn_beside;' "$scratch/share.folded" >"$scratch/parent.folded"
off_cpu parent
check '... it is involuntary' mostly "$scratch/parent.folded" 95 off-cpu:involuntary burn

"$known" hangs 100 & # 4 s, then for good
hanging=$!
pids+=("$hanging")
flame -x "$hanging" -t 8 --off-cpu --frames c -o hangs.folded
check 'a thread that does not come back is counted up to the end' eval \
    'us=$(has "$scratch/hangs.folded" hang); echo "# hang: $us"; ((us > 1000000 && us < 8300000))'
check '... which is said' said 'still off the CPU at the end, counted up to it: 1'

# ---- C and the kernel

flame -c "$known works 3" -F 499 --frames c -o works.folded
read -r utime stime < <(awk '{ t[$1] = $2 } END { print t["utime"], t["stime"] }' "$scratch/out")
all=$(has "$scratch/works.folded" main)
check 'the kernel has its share' near $((100 * $(has "$scratch/works.folded" '.*_\[k\]') / all)) \
    $((100 * stime / (utime + stime))) 10 10
check '... below the function that asks for it' mostly "$scratch/works.folded" 80 in_kernel \
    'entry_SYSCALL_64[a-z_]*_\[k\]'
"$ngstap" convert "$scratch/works.folded" -o "$scratch/again.folded"
check 'folded lines keep the kinds' cmp -s "$scratch/works.folded" "$scratch/again.folded"
"$ngstap" convert "$scratch/works.folded" -o "$scratch/works.svg"
check 'a picture has a legend of them' eval \
    'grep -qE "</tspan> C [0-9.]+ %" "$scratch/works.svg" &&
    grep -qE "</tspan> kernel [0-9.]+ %" "$scratch/works.svg"'
hues() { # KIND
    grep -oE "\($1\).*fill=\"hsl\([0-9]+" "$scratch/works.svg" | sed 's/.*(//' | sort -u
}
check '... and a colour each' eval '[[ $(hues kernel) = 354 && $(hues C) = 208 ]]'
"$ngstap" convert "$scratch/waits.folded" -o "$scratch/waits.svg"
check '... also of how a thread left' grep -qE 'off the CPU, voluntary [0-9.]+ %' \
    "$scratch/waits.svg"
check '... in microseconds' grep -qE '>main \(C\): [0-9]+ microseconds, ' "$scratch/waits.svg"

# ---- what other formats say

flame -c "$known takes 50" --at "$take" --weight '$bytes' --frames c -o bytes.pb.gz
flame -c "$known takes 50" --at "$take" --weight '$bytes' --frames c -o bytes.speedscope.json
if command -v python3 >/dev/null; then
    id=$(readelf -n "$known" | sed -n 's/.*Build ID: //p')
    line=$(addr2line -e "$known" "$(nm "$known" | awk '$3 == "large" { print $1 }')" |
        sed 's/.*://; s/ .*//')
    check 'pprof: unit, mapping, build-id, function, line' python3 tests/flame/pprof.py \
        "$scratch/bytes.pb.gz" "$known" "$id" large known.c "$line" bytes 50000
    check 'speedscope: unit, kind and line' python3 -c '
import json, sys
p = json.load(open(sys.argv[1]))
one = p["profiles"][0]
large = {f["name"]: f for f in p["shared"]["frames"]}["large"]
assert one["unit"] == "bytes" and one["endValue"] == 51000, one
assert large["kind"] == "C" and large["line"] == int(sys.argv[2]), large
' "$scratch/bytes.speedscope.json" "$line"
else
    skip 'pprof: unit, mapping, build-id, function, line' 'no python3'
fi

# ---- hostile names

evil=$'a;b<script>alert(1)</script>\nT:c _[k]'
objcopy --redefine-sym "large=$evil" "$known" "$scratch/evil"
flame -c "$scratch/evil takes 50" --at "process(\"$scratch/evil\").function(\"take\")" --frames c \
    -o evil.folded
check 'a hostile name is one frame of one line' grep -qF \
    ';main;a:b<script>alert(1)</script>\x0aT:c _[k];take 50' "$scratch/evil.folded"
check '... and no line is more' test "$(wc -l <"$scratch/evil.folded")" = 3
flame -c "$scratch/evil takes 50" --at "process(\"$scratch/evil\").function(\"take\")" --frames c \
    -o evil.svg
check '... text in a picture, of the kind that it is' eval '
    [[ $(grep -c "<script" "$scratch/evil.svg") = 1 ]] &&
    grep -qF "T:c _[k], " "$scratch/evil.svg" && ! grep -qF "(kernel)" "$scratch/evil.svg"'

head -c 4000 /dev/urandom >"$scratch/random"
objcopy --update-section .debug_line="$scratch/random" "$known" "$scratch/broken" 2>/dev/null
flame -c "$scratch/broken takes 50" --at "process(\"$scratch/broken\").function(\"take\")" \
    --frames c -o broken.svg
check 'lines that make no sense take nothing away' eval \
    '[[ $status = 0 ]] && grep -qE ">large[^<]* \(C\): 50 hits" "$scratch/broken.svg"'

# ---- Lua

if [[ -n ${NGSTAP_TARGETS:-} ]]; then
    luajit=$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit
    cp tests/flame/wait.lua "$scratch"
    for jit in on off; do
        flame -c "$luajit -j$jit wait.lua 3 waited" --off-cpu --frames lua -o lua.folded
        while read -r name us; do
            check "Lua off the CPU, jit $jit: $name" near \
                "$(has "$scratch/lua.folded" "wait.lua:$name")" "$us" 3 5000
        done <"$scratch/waited"
    done
    flame -c "$luajit wait.lua 2 waited" --at 'kernel.trace("sched_switch")' --frames lua \
        -o at.folded
    check 'the Lua that leads to an event' grep -qE ';wait.lua:sleep;.*sched_switch [0-9]+$' \
        "$scratch/at.folded"
    flame -c "$luajit wait.lua 2 waited" --off-cpu --frames all -o all.folded
    while read -r name us; do
        check "all frames: $name" near "$(has "$scratch/all.folded" "wait.lua:$name")" "$us" 3 5000
    done <"$scratch/waited"
    if command -v python3 >/dev/null; then
        flame -c "$luajit wait.lua 2 waited" --off-cpu --frames all -o all.pb.gz
        line=$(addr2line -e "$luajit" "$(nm "$luajit" | awk '$3 == "lua_pcall" { print $1 }')" |
            sed 's/.*://; s/ .*//')
        check 'pprof: files and places of C frames among others' python3 tests/flame/pprof.py \
            "$scratch/all.pb.gz" "$(readlink -f "$luajit")" \
            "$(readelf -n "$luajit" | sed -n 's/.*Build ID: //p')" lua_pcall lj_api.c "$line" \
            microseconds
    else
        skip 'pprof: files and places of C frames among others' 'no python3'
    fi
    check '... C within Lua within C, and the kernel within' grep -qE \
        'main;.*;lua_pcall;.*;wait.lua:call;builtin:os.execute;.*;do_system;.*_\[k\];off-cpu' \
        "$scratch/all.folded"
else
    skip 'Lua off the CPU' 'NGSTAP_TARGETS is not set'
fi
finish
