#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Stacks in which breakpoints have replaced addresses, ours or another's: callers' while .return
# probes wait (64 of a thread at most), the program's own while an instruction at a breakpoint runs
# in a copy, or on the way back. They are those without the probes: of C, where
# tests/ustack/probed.c is hit and at ticks, and of C and Lua that call each other
# (tests/ustack/cross.lua); in nginx they lead to main while its functions and LuaJIT's are probed.
# Needs root, eBPF, a C compiler, and for Lua NGSTAP_TARGETS (tests/targets/build.sh prints it).
# About 60 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ $(uname -m) = x86_64 ]] || skip_all 'stacks are walked on x86_64 alone'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

# returns_of FILE FUNCTION...: probe points
returns_of() { printf ", process(\"$1\").function(\"%s\").return" "${@:2}"; }

# ---- C ----

probed=$scratch/probed
${CC:-cc} -g -O2 -no-pie -o "$probed" tests/ustack/probed.c
all=(inner compare sorts jumped_to ends_in_jump deep on_signal signals leaves main)
hit="probe process(\"$probed\").function(\"hit\") { print(\"stack\n\"); print_ubacktrace() }"
# But for where libraries lie.
plain() { sed -E 's/0x7[0-9a-f]{8}([0-9a-f]{3}) :/\1/' "$scratch/out"; }

same() {
    local points
    trace -D MAXSTRINGLEN=16384 -c "$probed" -e "$hit"
    plain >"$scratch/without"
    points=$(returns_of "$probed" "${all[@]}")
    trace -v -D MAXSTRINGLEN=16384 -c "$probed" \
        -e "$hit probe ${points#, } { n++ } global n probe end { println(\"returns \", n) }"
    plain | diff "$scratch/without" - >"$scratch/differ" || :
    cat "$scratch/differ"
    [[ $(<"$scratch/differ") =~ ^'137a138'$'\n> returns '([0-9]+)$ ]] &&
        ((BASH_REMATCH[1] >= 64)) && said '^stacks of programs: 3 whole$'
}
check 'where the program is hit: as without the probes' same

ticks='probe timer.profile { if (pid() == target()) { print("tick\n" . sprint_ubacktrace()) } }'
busy=(leaf middle outer)
# Nearly all ticks are in the loop, or at its breakpoints; those while the program starts are not.
# There is a moment in which the kernel has replaced an address and not noted it: with 55,000
# returns a second 1 tick in 1,000.
judge_ticks() {
    awk 'function judge() {
            if (!ticks++) return
            if (s ~ /^([^ ]*clock[^ ]* |0x[^ ]* )*main __libc_start_call_main / ||
                s ~ /^((leaf )?middle )?outer main __libc_start_call_main /) good++
            else if (s ~ /leaf|middle|outer|^0x/ && bad++ < 5) print "# " substr(s, 1, 200)
        }
        /^tick/ { judge(); s = ""; next }
        { sub(/\+.*/, "", $1); s = s $1 " " }
        END { judge(); ticks--; print "#", good + 0, "of", ticks, "as the program calls,",
                bad + 0, "not"
            exit !(ticks > 50 && good * 100 >= ticks * 95 && bad * 50 <= ticks) }' "$scratch/out"
}
at_ticks() {
    local points
    points=$(returns_of "$probed" "${busy[@]}")
    trace -v -c "$probed 3" -e "$ticks probe ${points#, } { n++ } global n
        probe end { printf(\"%d returns\\n\", n) }"
    sed -n 's/^stacks of programs: /# /p' "$scratch/err"
    sed -n 's/ returns$/ returns/p' "$scratch/out" | sed 's/^/# /'
    sed -i '/ returns$/d' "$scratch/out"
    judge_ticks
}
check 'at ticks' at_ticks

# A program whose functions begin with an instruction that is run in a copy.
if ${CC:-cc} -g -O2 -no-pie -fcf-protection=full -o "$probed" tests/ustack/probed.c 2>/dev/null; then
    check 'at ticks, -fcf-protection' at_ticks
fi

# They are another's, as those of perf or bpftrace: noticed within a second.
of_another() {
    local points
    points=$(returns_of "$probed" "${busy[@]}")
    "$probed" 60 &
    pids+=("$!")
    start_trace -T 12 -x "$!" -e "probe ${points#, } { n++ } global n
        probe timer.ms(50) { println(\"armed\") }"
    sleep 0.2
    timeout 60 "$ngstap" -I tapset -D STP_NO_OVERLOAD -T 5 -x "${pids[0]}" -e "
        probe timer.profile { if (started) { print(\"tick\n\" . sprint_ubacktrace()) } }
        global started probe timer.s(1) { started = 1 }" >"$scratch/ticks" </dev/null
    end_trace
    mv "$scratch/ticks" "$scratch/out"
    kill "${pids[0]}"
    judge_ticks
}
check "at ticks, another's probes" of_another

if [[ -z ${NGSTAP_TARGETS:-} ]]; then
    skip 'Lua' 'NGSTAP_TARGETS is not set'
    finish
fi

# ---- C and Lua ----

${CC:-cc} -O2 -g -fPIC -shared -o "$scratch/cross.so" tests/ustack/cross.c
# cross VARIANT LEAF STACKS POINT TICKS [OPTION]: as in tests/lua-c.sh, with probes.
cross() {
    local luajit=$NGSTAP_TARGETS/$1/srv/openresty/luajit/bin/luajit program right early wrong cases
    # shellcheck disable=SC2086 # there may be no option
    "$luajit" ${6:-} tests/ustack/cross.lua "$scratch" "$2" 40 >"$scratch/said" &
    program=$!
    pids+=("$program")
    for _ in {1..200}; do
        ! grep -q 'case20$' "$scratch/said" || break
        sleep 0.05
    done
    cat >"$scratch/stacks.sxx" <<END
@use luajit
global n
probe $4 {
    print("stack\n" . lua_backtrace())
    if (++n == $3) { exit() }
}
probe process.function("lua_call").return, process.function("lua_pcall").return,
    process.function("lua_resume").return, process.function("lj_cf_*").return,
    process("$scratch/cross.so").function("x_*").return {}
probe timer.s(20) { exit() }
END
    trace -D MAXSTRINGLEN=4096 -x "$program" "$scratch/stacks.sxx"
    kill "$program"
    read -r right early wrong cases < <(awk -v ticks="$5" -f tests/ustack/cross.awk \
        "$scratch/said" "$scratch/out" 2>"$scratch/wrong")
    cat "$scratch/wrong"
    echo "# $right stacks as the program says, $early before the innermost call, $wrong not," \
        "in $cases cases"
    [[ $status = 0 ]] && ((right > 100 && cases >= 18 && wrong * 200 <= right * $5))
}
leaf="process(\"$scratch/cross.so\").function(\"x_leaf\")"
check 'C and compiled Lua' cross gc64 ffi 3000 "$leaf" 0
check 'C and interpreted Lua' cross gc64 hit 3000 "$leaf" 0 -joff
check 'C and interpreted Lua, at ticks' cross gc64 loop 600 timer.profile 1 -joff

# ---- nginx ----

# lead_to_main: of the samples of a profile of nginx, while another has probes there.
in_nginx() {
    local name='' pid='' exe='' points
    start_target nginx gc64 jit 60
    points=$(returns_of "$exe" ngx_http_lua_run_thread ngx_http_lua_content_handler \
        ngx_http_core_content_phase ngx_http_core_run_phases ngx_http_process_request \
        ngx_http_process_request_line ngx_epoll_process_events ngx_process_events_and_timers)
    points+=$(returns_of "$(realpath "${exe%/*/*/*}/luajit/lib/libluajit-5.1.so.2")" \
        lua_resume lua_pcall lua_call lj_cf_string_gsub)
    start_trace -T 25 -x "$pid" -e "probe ${points#, } { n++ } global n
        probe timer.ms(50) { println(\"armed\") } probe end { printf(\"%d returns\n\", n) }"
    sleep 0.2
    timeout 60 "$ngstap" flame -x "$pid" -t 5 -F 499 --frames c -o "$scratch/stacks.folded" \
        >"$scratch/said" 2>&1 </dev/null || cat "$scratch/said"
    end_trace
    tests/targets/target.sh stop "$name"
    sed -n 's/ returns$/ returns/p' "$scratch/out" | sed 's/^/# /'
    awk '!/^#/ { all += $NF; if (/^_start;/) whole += $NF
            else if (other++ < 5) print "# " substr($0, 1, 200) }
        END { print "#", whole + 0, "of", all + 0, "samples lead to where nginx begins"
            exit !(all > 200 && whole * 200 >= all * 199) }' "$scratch/stacks.folded"
}
check "nginx's and LuaJIT's functions" in_nginx
finish
