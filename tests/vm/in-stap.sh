#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Run in a VM by stap.sh: modules on the kernel that has been booted. stap.sh has made them, of the
# files in $VM_SHARE and for this kernel, in the cache $VM_SHARE/cache and beside them; no compiler
# runs here.
#
#   tests/vm/in-stap.sh HEADERS auto|asked
#       asked: eBPF would do here, so that stap has to be asked for
#
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
# shellcheck source-path=SCRIPTDIR/.. source=../shares.sh
. tests/shares.sh

trace_seconds=120
budget_of() { budget=(); } # the modules were made without: one with another option is another one
export XDG_CACHE_HOME=$VM_SHARE/cache
# Headers where a kernel's package would have put them.
rm "/lib/modules/$(uname -r)"
mkdir "/lib/modules/$(uname -r)"
ln -s "$1" "/lib/modules/$(uname -r)/build"
asked=()
[[ $2 = auto ]] || asked=(--backend=stap)

loaded() { lsmod | grep -qE '^(vm_|ngstap_)'; }
none_loaded() {
    for _ in {1..100}; do
        loaded || return 0
        sleep 0.2
    done
    lsmod | sed 's/^/# /'
    return 1
}
prints() { # LINE...: exactly these, ticks left out
    printf '%s\n' "$@" | cmp -s - <(grep -v '^tick$' "$scratch/out")
}

# start_module ARGUMENT...: ngstap in the background until its script ticks; $tracer is its pid.
start_module() {
    : >"$scratch/out"
    "$ngstap" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null &
    tracer=$!
    pids+=("$tracer")
    for _ in {1..300}; do
        ! grep -q tick "$scratch/out" || return 0
        kill -0 "$tracer" 2>/dev/null || return 1
        sleep 0.2
    done
    return 1
}
end_module() { # its status
    status=0
    wait "$tracer" 2>/dev/null || status=$?
}
staprun_pid() { pgrep -x stapio | head -1; }

# --- from the script to the module and its output ---------------------------------------------

trace "${asked[@]}" -v -m vm_script "$VM_SHARE/ticks.stp" -x $$ -T 2
check 'a script runs as a module' test "$status" = 0
check '... printed in order, to the end probe' prints "hello $$" bye
check '... made before, by what is the same here' said 'took the module from the cache'
if [[ $2 = auto ]]; then
    check '... chosen by itself, in one line that says why' said \
        '^ngstap: back end: stap, as the eBPF of Linux .* lacks '
fi
check '... and unloaded' none_loaded

cd "$VM_SHARE"
trace -x $$ -T 1 vm_ticks_module.ko
check 'NAME.ko by ngstap' test "$status" = 0
check '... prints' prints "hello $$" bye
status=0
timeout -s INT 8 staprun -x $$ vm_ticks_module.ko >"$scratch/out" 2>"$scratch/err" || status=$?
check 'NAME.ko by staprun' prints "hello $$" bye
trace -T 1 -o "$scratch/file" -x $$ vm_ticks_module.ko
check '-o' grep -qx bye "$scratch/file"
check '... and nothing beside' test ! -s "$scratch/out"
trace -c 'sh -c "echo from the command; sleep 1"' vm_ticks_module.ko
check '-c: its output' printed '^from the command$'
check '... its pid is the target' printed '^hello [1-9][0-9]*$'
check '... the script ends with it' printed '^bye$'
check '... well' test "$status" = 0
trace -c 'sh -c "exit 3"' vm_ticks_module.ko
check '-c: a command that fails is said' said 'exited with status 3'
trace vm_error.ko
check 'a run-time error: status 1' test "$status" = 1
check '... its text' said '^ERROR: as it must'
check 'nothing is left' none_loaded

# --- signals ------------------------------------------------------------------------------------

for signal in INT TERM HUP; do
    start_module -x $$ vm_ticks_module.ko
    kill "-$signal" "$tracer"
    end_module
    check "SIG$signal: the end probe runs" prints "hello $$" bye
    check '... status 0' test "$status" = 0
    check '... nothing is left' none_loaded
done

start_module -x $$ vm_ticks_module.ko
status=0
"$ngstap" -x $$ -T 1 vm_ticks_module.ko >"$scratch/second" 2>&1 </dev/null || status=$?
check 'two runs of a module at once' test "$status" = 0
kill -INT "$tracer"
end_module
check '... both end well' test "$status" = 0

start_module -x $$ vm_ticks_module.ko
kill -KILL "$tracer"
end_module
check 'ngstap is killed: the module goes' none_loaded
check '... after its end probe' printed '^bye$'
check '... and staprun with it' test -z "$(staprun_pid)"
start_module -x $$ vm_ticks_module.ko
kill -KILL "$(staprun_pid)"
end_module
check 'staprun is killed: the module goes' none_loaded
check '... status 137' test "$status" = 137

# --- Lua stacks ----------------------------------------------------------------------------------

cd - >/dev/null
if [[ -n ${NGSTAP_TARGETS:-} ]]; then
    target_seconds=300 start_profiled luajit gc64 interp # a module takes a minute on a busy machine
    trace "${asked[@]}" -v -m vm_stacks samples/lj-lua-stacks.sxx -x "$pid" --arg time=3
    check 'lj-lua-stacks runs as a module' test "$status" = 0
    check '... out of the cache' said 'took the module from the cache'
    check '... and finds the loop' printed 'interp\.lua'
    check '... nothing is left' none_loaded
    stop_target
else
    skip 'lj-lua-stacks runs as a module' 'NGSTAP_TARGETS is not set'
fi

# --- whose hits
# ------------------------------------------------------------------------------------

# start_family: $master, ${workers[@]}.
start_family() {
    "$VM_SHARE/family" 4 </dev/null >/dev/null 2>&1 &
    master=$!
    pids+=("$master")
    for _ in {1..100}; do
        read -r -a workers <"/proc/$master/task/$master/children" || :
        ((${#workers[@]} < 4)) || break
        sleep 0.1
    done
    pids+=("${workers[@]}")
}

# counted WORKER...: ticks and calls are those of each of these, and of no other; each is the
# target. SystemTap may skip some and says how many (man stap, MAXTRYLOCK).
counted() {
    local skipped
    skipped=$(sed -nE 's/.*skipped probes: ([0-9]+).*/\1/p' "$scratch/err")
    awk -v workers="$*" -v skipped="${skipped:-0}" '
        BEGIN { split(workers, list); for (i in list) { is[list[i]] = 1; many++ } }
        /^n=/ { split($0, f, /[= ]/); n = f[2]; mine = f[4]; calls = f[6] }
        /^of / { if (is[$2] && $3 > 10) good++; else bad++ }
        /^called / { if (is[$2] && $3 <= 100 && $3 + skipped >= 100) called++; else bad++ }
        END { exit !(n > 100 && n == mine && calls <= 100 * many &&
            calls + skipped >= 100 * many && good == many && called == many && !bad) }
    ' "$scratch/out"
}

start_family
master_a=$master workers_a=("${workers[@]}")
start_family
start_module "${asked[@]}" -m vm_scope "$VM_SHARE/scope.stp" "$VM_SHARE/family" -x "${workers_a[1]}"
sleep 4
kill -USR1 "${workers_a[@]}" "${workers[@]}"
sleep 2
kill -INT "$tracer"
end_module
check '-x: ticks and calls of one of eight workers' counted "${workers_a[1]}"
start_module "${asked[@]}" -m vm_master "$VM_SHARE/scope.stp" "$VM_SHARE/family" --master \
    "$master_a"
sleep 6
kill -USR1 "${workers_a[@]}" "${workers[@]}"
sleep 2
kill -INT "$tracer"
end_module
check '--master: of its four workers, each of them the target' counted "${workers_a[@]}"
kill "$master_a" "${workers_a[@]}" "$master" "${workers[@]}"
check '... nothing is left' none_loaded

# --- what staprun and the kernel refuse
# -------------------------------------------------------------

cd "$VM_SHARE"
# Without room for a pid in its name a module cannot be loaded twice.
start_module -x $$ vm_t.ko
trace -x $$ -T 1 vm_t.ko
check 'a module that is loaded: refused' test "$status" = 1
check '... what to do' said '^hint: a module of that name is loaded already: .*-m'
kill -INT "$tracer"
end_module
check '... the first one is none the worse' test "$status" = 0
check '... nothing is left' none_loaded

status=0
setpriv --reuid=65534 --regid=65534 --clear-groups timeout 60 "$ngstap" vm_ticks_module.ko \
    >"$scratch/out" 2>"$scratch/err" || status=$?
check 'not root: refused' test "$status" = 1
check '... what to do' said 'run ngstap as root'

# From here on this kernel takes no module.
mount -t securityfs securityfs /sys/kernel/security 2>/dev/null || :
if echo integrity >/sys/kernel/security/lockdown 2>/dev/null; then
    trace vm_ticks_module.ko
    check 'lockdown: refused' test "$status" = 1
    check '... what to do' said '^hint: the kernel is locked down .*sign'
else
    skip 'lockdown: refused' 'this kernel has none'
fi
echo 1 >/proc/sys/kernel/modules_disabled
trace vm_ticks_module.ko
check 'modules_disabled: refused' test "$status" = 1
check '... what to do' said '^hint: '

finish
