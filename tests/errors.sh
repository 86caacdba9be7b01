#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Bad input: what is wrong is said in the right words, the status is 1 (a target that ends is no error), and
# nothing is left: no process, and in the kernel no program, map or link.
#
# Needs root, eBPF, a C compiler, strip and objcopy; without bpftool it cannot see what is left in the kernel and
# skips those checks. About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
for tool in "${CC:-cc}" strip objcopy; do
    command -v "${tool%% *}" >/dev/null || skip_all "no $tool"
done

# A copy that others may run, and that tells this test's processes from all others.
cp "$ngstap" "$scratch/ngstap"
ngstap=$scratch/ngstap
target=$scratch/target

# --- the target: visit() is called 500 times a second ----------------------------

cat >"$scratch/target.c" <<'END'
#include <unistd.h>
struct node { struct node *next; long value; } node = {&node, 42};
__attribute__((noinline)) long visit(long n, struct node *list)
{
    __asm__ volatile("" ::: "memory");
    return n + list->value + EXTRA;
}
int main(void)
{
    long n = 0;
    for (;;) {
        n += visit(n, &node);
        usleep(2000);
    }
    return (int)n;
}
END

build() { # NAME EXTRA
    ${CC:-cc} -g -O1 -Wl,--build-id -DEXTRA="$2" -o "$scratch/$1" "$scratch/target.c"
}
build target 1
build other 2

run_target() { # PROGRAM
    "$1" &
    pid=$!
    pids+=("$pid")
}

stop_target() {
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || :
}

# --- how it is judged --------------------------------------------------------------

# refused NAME WORDS ARGUMENT...: status 1, and each line of WORDS, an extended expression, is in the messages.
refused() {
    local name=$1 words=$2
    shift 2
    trace "$@"
    check "$name" right_words "$words"
}

right_words() {
    local word
    if [[ $status != 1 ]]; then
        echo "# status $status"
        return 1
    fi
    while IFS= read -r word; do
        if ! said "$word"; then
            echo "# not said: $word"
            return 1
        fi
    done <<<"$1"
}

no_process() {
    local exe
    for exe in /proc/[0-9]*/exe; do
        [[ $(readlink "$exe" 2>/dev/null || :) != "$ngstap" ]] || return 1
    done
}

# nothing_left WHAT: since the last time.
nothing_left() {
    check "$1: no process is left" no_process
    if command -v bpftool >/dev/null; then
        check "$1: nothing is left in the kernel" as_before "$before"
        before=$(held)
    else
        skip "$1: nothing is left in the kernel" 'no bpftool'
    fi
}

before=$(held)
run_target "$target"
at="probe process(\"$target\").function(\"visit\")"

# --- the target and the machine -------------------------------------------------------

refused 'no such process' 'no process with pid 2147483647' -x 2147483647 -e 'probe begin { exit() }'

"$scratch/other" &
gone=$!
pids+=("$gone")
start_trace -x "$gone" -e 'global n
probe process("'"$scratch/other"'").function("visit") { n++ }
probe begin { println("armed") }
probe end { println(n > 0 ? "end ran" : "no hits") }'
kill -KILL "$gone"
wait "$gone" 2>/dev/null || :
status=0
wait "$tracer" || status=$?
check 'a process that ends while it is traced: status 0' test "$status" = 0
check '... and the end probe has run' printed '^end ran$'
check '... and it is said' said "process $gone exited"
refused 'a process that has just ended' "no process with pid $gone" -x "$gone" -e 'probe begin { exit() }'

if command -v setpriv >/dev/null; then
    status=0
    setpriv --reuid 65534 --regid 65534 --clear-groups "$ngstap" -e 'probe timer.profile { }' -T 1 \
        >"$scratch/out" 2>"$scratch/err" || status=$?
    check 'not root: the missing capability' right_words 'CAP_BPF'
else
    skip 'not root' 'no setpriv'
fi

refused 'a kernel without BPF' "lacks 'bpf', which is there since Linux 5.5" --no-feature bpf -x "$pid" -e "$at { exit() }"
refused 'a kernel without the ring buffer' "lacks 'ringbuf'.*Linux 5.8" --no-feature=ringbuf -x "$pid" -e "$at { exit() }"
refused 'a kernel without atomics' "lacks 'atomics'.*Linux 5.12" --no-feature atomics -x "$pid" -e "$at { exit() }"
refused 'a kernel without any loop' "lacks '?(for_each_map|.*bpf_loop)" --no-feature may_goto --no-feature bpf_loop \
    --no-feature for_each_map -x "$pid" -e "global n $at { for (i = 0; i < pid(); i++) n += i; exit() }"
refused 'a kernel without perf events' "lacks 'perf_event'" --no-feature perf_event -e 'probe timer.profile { exit() }'
refused 'a kernel without uprobes' "lacks 'uprobe'" --no-feature uprobe -x "$pid" -e "$at { exit() }"
nothing_left 'the machine'

# --- the script ------------------------------------------------------------------------

printf '%s\n' 'probe begin ( { }' 'probe end { x = }' 'function f( { }' >"$scratch/syntax.stp"
refused 'syntax: three errors, each at its place' \
    'syntax.stp:1:15: error: .*\[syntax\]
syntax.stp:2:17: error: .*\[syntax\]
syntax.stp:3:1[0-9]: error: .*\[syntax\]
^    probe begin \( \{ \}$
^                  \^' "$scratch/syntax.stp"
printf '%s\n' 'probe begin {' '    y = "a" + 1' '    g()' '    println(strlen(1))' '    z[1] = 2' '    next_one++' '}' \
    'probe begn { }' >"$scratch/names.stp"
refused 'names and types: all at once, with carets' \
    'names.stp:2:[0-9]+: error: .*string
names.stp:3:5: error: there is no function g
names.stp:4:[0-9]+: error:
names.stp:8:7: error:
^ +\^
did you mean .?begin' "$scratch/names.stp"
refused 'an unknown macro variable' 'arg_time|\$\^' -e 'probe begin { println($^arg_time) }'
refused 'a function that is not there: the nearest' "no function is named 'vist'
did you mean 'visit'" -x "$pid" -e 'probe process("'"$target"'").function("vist") { }'
refused 'a module that is not there: the nearest' "no such file: '/no/targt'
mapped 'target'" -x "$pid" -e 'probe process("/no/targt").function("visit") { }'
refused 'a type that is not there: the nearest' "no type 'nod'
did you mean 'node'" -x "$pid" -e "$at { println(@cast(\$list, \"nod\")->value) }"
refused 'a member that is not there: the nearest' "no member 'valu'
did you mean 'value'" -x "$pid" -e "$at { println(\$list->valu) }"
refused 'a variable that is not there: the nearest' 'no parameter or variable of that name
did you mean \$list' -x "$pid" -e "$at { println(\$lst) }"
nothing_left 'scripts'

# --- debug information --------------------------------------------------------------------

mkdir -p "$scratch/root/bin" "$scratch/root/usr/lib/debug"
strip -o "$scratch/root/bin/stripped" "$target"
id=$(readelf -n "$target" | sed -n 's/.*Build ID: //p')
refused 'no debug information: what, where, how' "no debug information for .*/bin/stripped \(build-id $id\)
looked for .*/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug
install its -dbg" --exec "$scratch/root/bin/stripped" \
    -e "probe process(\"$scratch/root/bin/stripped\").function(\"visit\") { println(\$n) }"

# The debug file lies where this build's belongs, and is another's.
mkdir -p "$scratch/root/usr/lib/debug/.build-id/${id:0:2}"
objcopy --only-keep-debug "$scratch/other" "$scratch/root/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
refused "another build's debug file" 'another build|differ|does not match|build-id' --sysroot "$scratch/root" --exec /bin/stripped \
    -e 'probe process("/bin/stripped").function("visit") { println($n) }'
check '... and no such file is believed' said 'no debug information'

# --- the root --------------------------------------------------------------------------------

refused 'a root that is a file' 'root: Not a directory' --sysroot "$target" -x "$pid" -e "$at { }"
refused 'a root that is missing' 'root: No such file' --sysroot "$scratch/nowhere" -x "$pid" -e "$at { }"
ln -s "../../../../../../../..$target" "$scratch/root/bin/out"
ln -s "$target" "$scratch/root/bin/absolute"
for link in out absolute; do
    refused "a symbolic link that leads out of the root: $link" "no such file: '/bin/$link' under the sysroot|not found|No such" \
        --sysroot "$scratch/root" -d "/bin/$link" -e "probe process(\"/bin/$link\").function(\"visit\") { exit() }"
done
ln -s loop "$scratch/root/bin/loop"
refused 'a symbolic link to itself' "/bin/loop" \
    --sysroot "$scratch/root" -e 'probe process("/bin/loop").function("visit") { exit() }'
size=$(stat -c %s "$target")
for cut in 40 200 3000 $((size / 2)) $((size - 100)); do
    head -c "$cut" "$target" >"$scratch/root/bin/cut"
    refused "an ELF file cut at $cut bytes" '/bin/cut' --sysroot "$scratch/root" \
        -e 'probe process("/bin/cut").function("visit") { println($n) exit() }'
done
nothing_left 'files'

# --- while it runs --------------------------------------------------------------------------

trace -D MAXSTRINGLEN=64 -x "$pid" -e "$at { s = \"0123456789abcdef\" s = s . s . s . s . s println(strlen(s)) exit() }"
check 'a string over the limit: it goes on' printed '^6[34]$'
check '... and is counted' said 'strings? cut at MAXSTRINGLEN \(64'
refused 'a full map' 'Array overflow, check MAXMAPENTRIES near identifier .a. at .*:1:' \
    -D MAXMAPENTRIES=5 -x "$pid" -e "global a $at { for (i = 0; i < 10; i++) a[i] = 1 }"
refused 'a full map, in begin' 'Array overflow, check MAXMAPENTRIES near identifier .a. at .*:1:' \
    -D MAXMAPENTRIES=5 -e 'global a probe begin { for (i = 0; i < 10; i++) a[i] = 1 }'
refused 'an endless loop in begin' 'MAXACTION exceeded at .*:1:' -e 'probe begin { while (1) x++ }'
refused 'an endless loop in timer.profile' 'MAXACTION exceeded at .*:1:' -e 'probe timer.profile { while (1) x++ }'
refused 'an endless loop at a function' 'MAXACTION exceeded at .*:1:' -x "$pid" -e "$at { while (1) x++ }"
f='function f(n) { if (n == 0) return 0; return f(n - 1) + 1 }'
refused 'a deep recursion in begin' 'MAXNESTING exceeded' -e "$f probe begin { println(f(10)) println(f(1000)) }"
check '... the shallow one is right' printed '^10$'
refused 'a deep recursion at a function' 'MAXNESTING exceeded' -x "$pid" -e "$f $at { println(f(10)) println(f(1000)) }"
check '... the shallow one is right' printed '^10$'
refused 'a division by zero' 'division by 0 near operator ./. at .*:1:' -x "$pid" -e "$at { println(1 / (target() * 0)) }"
refused 'a fault' 'read fault .* at 0x8 at .*:1:' -x "$pid" -e "$at { println(@cast(0, \"node\")->value) }"
trace -x "$pid" -e "$at {
    try { println(1 / (target() * 0)) } catch (m) { println(\"caught \", m) }
    try { println(@cast(0, \"node\")->value) } catch (m) { println(\"caught \", m) }
    println(\$list->value)
    exit()
}"
check 'caught: division by zero' printed '^caught division by 0'
check 'caught: a fault' printed '^caught read fault .* at 0x8'
check '... and the handler goes on' printed '^42$'
check '... and the status is 0' test "$status" = 0
nothing_left 'run-time errors'

start_trace -x "$pid" -e "global n $at { n++ } probe timer.profile { n++ } probe begin { println(\"armed\") }"
if command -v bpftool >/dev/null; then
    check 'while it runs, something is in the kernel' test -n "$(comm -13 <(echo "$before") <(held))"
fi
kill -KILL "$tracer"
wait "$tracer" 2>/dev/null || :
nothing_left 'kill -9'
check '... and the target goes on' kill -0 "$pid"
stop_target
finish
