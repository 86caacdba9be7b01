#!/bin/bash
#
# Bad input of every kind must end in a message that says what and what to do, exit status 1, and
# nothing left behind (what a kill -9 leaves: tests/cli.sh). What runs in the kernel needs root;
# what looks at a real target needs NGSTAP_TARGETS (tests/targets/build.sh prints it). About 40 s.
# Prints TAP.

set -euo pipefail

builddir=$(realpath "${top_builddir:-.}")
cd "${top_srcdir:-$(dirname "${BASH_SOURCE[0]}")/..}"
ngstap=$builddir/ngstap

scratch=$(mktemp -d)
name=''
clean() {
    [[ -z $name ]] || tests/targets/target.sh stop "$name"
    rm -rf "$scratch"
}
trap clean EXIT
trap 'exit 130' INT TERM

tests=0
failed=0
ok() { # ok STATUS NAME: what ngstap said is in $scratch/out
    tests=$((tests + 1))
    if [[ $1 = 0 ]]; then
        echo "ok $tests - $2"
    else
        echo "not ok $tests - $2"
        head -20 "$scratch/out" | cut -c1-300 | sed 's/^/# /'
        failed=1
    fi
}
skip() {
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

# says STATUS NAME PATTERNS -- COMMAND...: exit status, and each pattern (one a line, basic regular
# expressions) in what it prints.
says() {
    local want=$1 what=$2 patterns=$3 status=0 pattern missing=0
    shift 4
    timeout 60 "$@" >"$scratch/out" 2>&1 </dev/null || status=$?
    [[ $status = "$want" ]] || missing=1
    while IFS= read -r pattern; do
        grep -q -e "$pattern" "$scratch/out" ||
            { missing=1; echo "(no '$pattern', status $status)" >>"$scratch/out"; }
    done <<<"$patterns"
    ok "$missing" "$what"
}

# ---- functions that the dynamic linker chooses

cat >"$scratch/pick.c" <<'C'
#define KEPT __attribute__((noinline, noclone, used))
KEPT int __pick_fast(int x) { return x + 1; }
KEPT int __pick_slow(int x) { return x + 2; }
KEPT int pick_plain(int x) { return x + 3; }
KEPT int __pick_chk_fast(int x) { return x + 4; }
KEPT int pack(int x) { return x + 5; }
static int (*choose_pick(void))(int) { return __pick_fast; }
static int (*choose_chk(void))(int) { return __pick_chk_fast; }
int pick(int) __attribute__((ifunc("choose_pick")));
int __pick_chk(int) __attribute__((ifunc("choose_chk")));
int main(void) { return pick(-1) + __pick_chk(-4) + pack(-5); }
C
if ${CC:-cc} -g -o "$scratch/pick" "$scratch/pick.c" 2>/dev/null; then
    pick='probe process("'$scratch/pick'").function("pick") { exit() }'
    says 1 'a function that the dynamic linker chooses: what it chooses among' \
        $'-e:1:.*error: .pick. is no single function of .*(ifunc)\nhint: .*: __pick_fast, __pick_slow, pick_plain$' \
        -- "$ngstap" -p2 -e "$pick"
    ok "$(! grep -q 'did you mean\|chk' "$scratch/out"; echo $?)" '... and nothing else'
    says 1 'one of another name' 'hint: .*: __pick_chk_fast$' \
        -- "$ngstap" -p2 -e 'probe process("'"$scratch/pick"'").function("__pick_chk") { exit() }'
    if [[ $UID = 0 ]]; then
        says 0 'what is named can be probed: the chosen one is seen' '^__pick_fast$' -- "$ngstap" \
            -c "$scratch/pick" \
            -e 'probe process("'"$scratch/pick"'").function("__pick_[fs]*") {
                println(probefunc()) exit() }'
    else
        skip 'what is named can be probed: the chosen one is seen' 'needs root'
    fi
    objcopy --strip-all -K pick "$scratch/pick" "$scratch/pick.bare" 2>/dev/null
    says 1 'without their symbols' $'(ifunc)\nhint: .*has no symbols of .*' \
        -- "$ngstap" -p2 -e "${pick/pick\")./pick.bare\").}"
else
    skip 'a function that the dynamic linker chooses' 'needs a C compiler and ifunc'
fi

# ---- the command line and the target

says 1 'no such pid' 'no process with pid 4194303' -- "$ngstap" -x 4194303 \
    -e 'probe begin { exit() }'
says 1 'unknown feature: the known ones are named' $'no such feature\nmay_goto' \
    -- "$ngstap" --no-feature=nonesuch -e 'probe begin { exit() }'
says 1 'a sysroot that is a file' 'Not a directory' -- "$ngstap" --sysroot "$ngstap" -x $$ \
    -e 'probe begin { exit() }'
says 1 'a sysroot that is not there' 'No such file or directory' \
    -- "$ngstap" --sysroot "$scratch/none" -x $$ -e 'probe begin { exit() }'
mkdir -p "$scratch/root/bin"
ln -s /../../../../../etc/passwd "$scratch/root/bin/out"
says 1 'a symbolic link that leads out of the sysroot is followed inside it' 'bin/out' \
    -- "$ngstap" --sysroot "$scratch/root" -e 'probe process("/bin/out").function("main") { }'
says 0 'a sysroot that is not the root of the process' \
    $'bash of process [0-9]* is not below\ndocker-root [0-9]*"' \
    -- "$ngstap" --sysroot "$scratch/root" -x $$ -e 'probe begin { exit() }'
if [[ $UID = 0 ]] && setpriv --bounding-set -sys_ptrace true; then
    sleep 20 &
    says 1 'root without CAP_SYS_PTRACE' \
        $'/exe: Permission denied\nroot without CAP_SYS_PTRACE.*--cap-add' \
        -- setpriv --bounding-set -sys_ptrace "$ngstap" -x $! -e 'probe begin { exit() }'
    kill $!
else
    skip 'root without CAP_SYS_PTRACE' 'not root, or may not drop a capability'
fi

# ---- the script

says 1 'several syntax errors, each with its place and a caret' \
    $'-e:1:19: error\n-e:2:1[0-9]: error\n\\^' \
    -- "$ngstap" -e $'probe begin { x = = 1 }\nprobe end { ( }'
says 1 'types, names and formats, several at once' $'foo()\n\\[type\\]\nmian' \
    -- "$ngstap" \
    -e 'probe begin { a = 1; a = "x"; foo(1) } probe process("/proc/self/exe").function("mian") { }'
says 1 'a probe point that is not known' $'nonesuch.x\\|nonesuch' -- "$ngstap" \
    -e 'probe nonesuch.x { }'
says 1 'what cannot run yet is said with its place' $'-e:1:' -- "$ngstap" \
    -e 'probe kernel.function("vfs_read") { }'

# ---- debug information

cat >"$scratch/t.c" <<'C'
#include <unistd.h>
struct point { int x, why; };
struct point origin = {1, 2};
int twice(int n) { return n * 2; }
int main(void) { int s = 0; for (int i = 0; i < 50; i++) { s += twice(i); usleep(10000); }
    return s == 1; }
C
${CC:-cc} -g -O0 -o "$scratch/t" "$scratch/t.c"
cp "$scratch/t" "$scratch/stripped"
strip "$scratch/stripped"
head -c 5000 "$scratch/t" >"$scratch/truncated"
says 1 'an unknown member: the near one is named' $'no member .xx.\ndid you mean .x.' \
    -- "$ngstap" --exec "$scratch/t" -e 'probe begin { println(@var("origin")->xx) exit() }'
says 1 'an unknown variable: the near one is named' 'origin' \
    -- "$ngstap" --exec "$scratch/t" -e 'probe begin { println(@var("orgin")->x) exit() }'
says 1 'an unknown type' "no type 'pont'" \
    -- "$ngstap" --exec "$scratch/t" -e 'probe begin { println(@cast(0, "pont")->x) exit() }'
says 1 'a function that is not there: the near one is named' 'twice' \
    -- "$ngstap" --exec "$scratch/t" -e 'probe process.function("twise") { }'
says 1 'no debug information: where it was looked for, how to get it' \
    $'no debug information\nlooked for\nbuild it with -g' \
    -- "$ngstap" --exec "$scratch/stripped" -e 'probe begin { println(@var("origin")->x) exit() }'
says 1 'a truncated file' 'error' -- "$ngstap" --exec "$scratch/truncated" \
    -e 'probe begin { println(@var("origin")->x) exit() }'

# ---- run-time errors, in user space

says 1 'division by zero' "division by 0 near operator '/' at -e:1:" -- "$ngstap" \
    -e 'probe begin { println(1 / 0) }'
says 0 'division by zero, caught' 'caught: division by 0' \
    -- "$ngstap" \
    -e 'probe begin { try { println(1 / 0) } catch (e) { println("caught: ", e) } exit() }'
says 1 'a read fault' 'read fault .* at 0x8 near' -- "$ngstap" \
    -e 'probe begin { println(user_int32_error(8)) }'
says 1 'an endless loop' 'MAXACTION exceeded' -- "$ngstap" -e 'probe begin { while (1) { } }'
# As in SystemTap's translate.cxx (visit_try_block): to catch costs an action, and there is none
# left.
spin='function spin() { while (1) { } return 1 } function tries() { try { spin() } catch {
    println("caught 1") } return 1 }'
caught='{ try { try { tries() } catch (e) { println("caught 2") } } catch (e) {
    println("caught ", e) } println("after") }'
says 1 'an endless loop in a function, which no try catches' 'MAXACTION exceeded.* at -e:2:' \
    -- "$ngstap" -e "$spin probe begin $caught"
ok "$(! grep -q 'caught\|after' "$scratch/out"; echo $?)" '... not even once'
says 0 'a deep recursion, caught' $'^caught MAXNESTING exceeded\n^after' -- "$ngstap" \
    -e 'function f(n) { return f(n + 1) } probe begin { try { f(1) } catch (e) {
        println("caught ", e) } println("after"); exit() }'
says 0 'exit() is no error that try could catch' '^on$' \
    -- "$ngstap" -e 'probe begin { try { exit(); println("on") } catch { println("caught") } }'
says 1 'a deep recursion' 'MAXNESTING exceeded' -- "$ngstap" \
    -e 'function f(n) { return f(n + 1) } probe begin { f(1) }'
says 1 'a full array' 'Array overflow, check size limit (3)' \
    -- "$ngstap" -e 'global m[3] probe begin { for (i = 0; i < 10; i++) m[i] = 1 }'
says 0 'a long string is cut, and that is said' 'strings cut at MAXSTRINGLEN (63 bytes)' \
    -- "$ngstap" -DMAXSTRINGLEN=64 \
    -e 'probe begin { s = "0123456789"; for (i = 0; i < 5; i++) s .= s; exit() }'
says 1 "error()" 'ERROR: enough' -- "$ngstap" -e 'probe begin { error("enough") }'

# ---- output that cannot be written

full='probe begin { println("hi") exit() }'
for format in '' '--format json'; do
    # shellcheck disable=SC2016
    says 1 "a full disk ($format)" 'cannot write the output: No space left' \
        -- sh -c '"$0" $1 -e "$2" >/dev/full' "$ngstap" "$format" "$full"
    says 1 "a full disk, with -o ($format)" 'cannot write the output: No space left' \
        -- sh -c '"$0" $1 -o /dev/full -e "$2"' "$ngstap" "$format" "$full"
done
# shellcheck disable=SC2016
says 1 'a closed standard output' 'cannot write the output' -- sh -c 'exec "$0" -e "$1" >&-' \
    "$ngstap" "$full"
# shellcheck disable=SC2016
says 0 'a closed standard input and error stream' '^hi$' -- sh -c 'exec "$0" -e "$1" <&- 2>&-' \
    "$ngstap" "$full"
says 0 'a reader who goes ends the session quietly' '^x$' -- \
    bash -c 'set -o pipefail; "$0" -e "probe timer.ms(10) { println(\"x\") }" | head -1' "$ngstap"

# ---- in the kernel

if [[ $UID != 0 ]]; then
    skip 'errors of kernel handlers' 'needs root'
else
    says 1 'without root: the capabilities are named' 'CAP_' -- setpriv --reuid=65534 \
        --regid=65534 --clear-groups \
        "$ngstap" -e 'probe timer.profile { exit() }'
    for feature in bpf ringbuf perf_event; do
        says 1 "a kernel without $feature" "lacks '$feature'" \
            -- "$ngstap" --backend=bpf --no-feature="$feature" -e 'probe timer.profile { exit() }'
    done
    for features in '' '--no-feature=may_goto' '--no-feature=may_goto --no-feature=bpf_loop'; do
        # shellcheck disable=SC2086 # words
        says 1 "an endless loop in the kernel ($features)" 'MAXACTION exceeded at -e:1:' \
            -- "$ngstap" $features \
            -e 'probe timer.profile { for (;;) { } } probe timer.s(10) { exit() }'
        # shellcheck disable=SC2086
        says 1 "... in a function, which no try catches ($features)" 'MAXACTION exceeded' \
            -- "$ngstap" $features -e "$spin probe timer.profile $caught"
        ok "$(! grep -q 'caught\|after' "$scratch/out"; echo $?)" "... not even once ($features)"
        says 1 "a deep recursion in the kernel ($features)" 'MAXNESTING exceeded' -- "$ngstap" \
            $features -e \
            'function f(n) { return n > 1000 ? 0 : 1 + f(n + 1) } probe timer.profile { f(1) }
                probe timer.s(10) { exit() }'
    done
    says 1 'a read fault in the kernel' "read fault .* at 0x8 near identifier 'user_int32_error'" \
        \
        -- "$ngstap" -e 'probe timer.profile { user_int32_error(8) }'
    says 0 'a read fault in the kernel, caught' 'caught: read fault' \
        -- "$ngstap" -e \
        'probe timer.profile { try { user_int32_error(8) } catch (e) { println("caught: ", e);
            exit() } }'
    says 1 'a full array in the kernel' 'Array overflow, check size limit (3)' \
        -- "$ngstap" -e 'global m[3] probe timer.profile { for (i = 0; i < 10; i++) m[i] = 1 }'
    says 0 'a long string in the kernel is cut, and that is said' \
        'strings cut at MAXSTRINGLEN (63 bytes)' -- "$ngstap" \
        -DMAXSTRINGLEN=64 -e \
        'probe timer.profile { s = "0123456789"; for (i = 0; i < 5; i++) s .= s; println(s);
            exit() }'
    says 0 'the command ends: so does the script' '^50$' -- "$ngstap" -c "$scratch/t" \
        -e 'global n probe process.function("twice") { n++ } probe end { println(n) }'
    "$scratch/t" &
    pid=$!
    # the shell's copy has become the program
    until [[ /proc/$pid/exe -ef $scratch/t ]]; do sleep 0.01; done
    says 0 'the target ends: so does the script, and says so' 'target process .* exited' \
        -- "$ngstap" -x "$pid" -e 'probe timer.profile { }'
    wait "$pid" || :

    says 0 'a script for one process, and no process: that is said' 'asks for target.*-x PID' \
        -- "$ngstap" -T 0.1 -e 'probe timer.profile { if (pid() == target()) println("seen") }'

    "$scratch/t" &
    pid=$!
    # the shell's copy has become the program
    until [[ /proc/$pid/exe -ef $scratch/t ]]; do sleep 0.01; done
    says 1 'a process without LuaJIT' "process $pid maps no libluajit" -- "$ngstap" \
        samples/lj-gc.sxx -x "$pid"
    (cd "$scratch" && "$ngstap" -p4 -m t -x "$pid" \
        -e 'probe timer.profile { if (pid() == target()) { println(@var("origin")->x); exit() }
            }') >/dev/null 2>&1
    (while ((SECONDS < 60)); do :; done) & # runs, so that it is sampled
    other=$!
    says 1 'an object of another program' $'does not map .*/t\nread fault' -- "$ngstap" \
        "$scratch/t.bpf.o" -x "$other"
    kill "$other" "$pid" 2>/dev/null || :
    wait "$other" "$pid" 2>/dev/null || :

    cat >"$scratch/threads.c" <<'C'
#include <pthread.h>
#include <unistd.h>
static void *wait(void *arg) { (void)arg; sleep(30); return 0; }
int main(void) { pthread_t t; pthread_create(&t, 0, wait, 0); pthread_join(t, 0); return 0; }
C
    ${CC:-cc} -o "$scratch/threads" "$scratch/threads.c" -lpthread
    "$scratch/threads" &
    pid=$!
    until [[ $(echo "/proc/$pid/task"/*) == *' '* ]]; do sleep 0.01; done
    thread=$(cd "/proc/$pid/task" && ls | grep -vx "$pid")
    says 1 'a thread: its process is named' "$thread is a thread of process $pid.*-x $pid" \
        -- "$ngstap" -x "$thread" -e 'probe timer.profile { }'
    kill "$pid"
    wait "$pid" 2>/dev/null || :

    for signal in INT TERM; do
        "$ngstap" -e 'global n probe timer.profile { n++ } probe end {
            printf("ended after %d\n", n) }' >"$scratch/out" 2>&1 &
        pid=$!
        sleep 1
        kill -"$signal" "$pid"
        status=0
        wait "$pid" || status=$?
        ok "$([[ $status = 0 ]] && grep -q '^ended after [1-9]' "$scratch/out"; echo $?)" \
            "SIG$signal runs the end probes"
    done
fi

echo "1..$tests"
exit $failed
