#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# A script as an object: -p4 -m NAME writes NAME.bpf.o; bpftool loads it; ngstap runs it against the
# process it was made for and another of the same build, when the script, its modules and the debug
# information are out of reach, and says so if the build is another one. Objects with bytes changed
# or cut off are refused or run; they never crash ngstap nor leave anything.
#
# Needs root, eBPF, a C compiler, strip; a check that needs bpftool, a BPF file system or
# NGSTAP_TARGETS (tests/targets/build.sh prints it) is skipped without. About 30 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

cat >"$scratch/target.c" <<'END'
#include <unistd.h>
struct node { struct node *next; long value; } node = {&node, 42};
long seen = SEEN;
__attribute__((noinline)) long visit(long n, struct node *list)
{
    __asm__ volatile("" ::: "memory");
    return n + list->value + seen;
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

build() { # SEEN: the program; its debug information lies beside it, where it can be taken away
    ${CC:-cc} -g -O1 -fPIE -pie -Wl,--build-id -DSEEN="$1" -o "$scratch/target" "$scratch/target.c"
    objcopy --only-keep-debug "$scratch/target" "$scratch/target.debug"
    strip --strip-all "$scratch/target"
    (cd "$scratch" && objcopy --add-gnu-debuglink=target.debug target)
}

run_target() {
    "$scratch/target" &
    pid=$!
    pids+=("$pid")
    # the shell's copy has become the program
    until [[ /proc/$pid/exe -ef $scratch/target ]]; do sleep 0.01; done
}

# runs TEXT OBJECT ARGUMENT...: ends well, and prints TEXT.
runs() {
    trace "${@:2}"
    [[ $status = 0 ]] && printed "$1"
}

# refuses WORDS OBJECT ARGUMENT...
refuses() {
    trace "${@:2}"
    [[ $status = 1 ]] && said "$1"
}

build 7
run_target
first=$pid
run_target
second=$pid

cat >"$scratch/script.sxx" <<'END'
@use lib
global calls
probe process("$^exec_path").function("visit") {
    if (pid() == target() && ++calls == 20) {
        printf("%d value %d seen %d more %d\n", target(), $list->value, @var("seen"), more(1))
        exit()
    }
}
probe begin { println("started") }
probe end { println("ended") }
END
mkdir "$scratch/modules"
echo 'function more(n) { return n + 1 }' >"$scratch/modules/lib.sxx"

wrote() { [[ $status = 0 && -s $scratch/named.bpf.o ]]; }
there=$PWD
cd "$scratch"
trace -I modules -p4 -m named script.sxx -x "$first"
cd "$there"
check '-p4 -m writes the object' wrote
check '... and says its name' printed '^named\.bpf\.o$'

if ! command -v bpftool >/dev/null; then
    skip 'bpftool loads it' 'no bpftool'
elif ! { mkdir "$scratch/bpf" && mount -t bpf bpf "$scratch/bpf"; } 2>/dev/null; then
    skip 'bpftool loads it' 'no BPF file system'
else
    load_all() { bpftool prog loadall "$scratch/named.bpf.o" "$scratch/bpf/all" >"$scratch/out" \
        2>"$scratch/err"; }
    check 'bpftool loads it' load_all
    umount "$scratch/bpf"
fi

check 'a script of begin alone knows where the variables lie' runs '^seen 7$' \
    -e 'probe begin { printf("seen %d\n", @var("seen")); exit() }' -x "$first"

before=$(held)
rm -r "$scratch/script.sxx" "$scratch/modules" "$scratch/target.debug" "$scratch/target.c"
check 'it runs without the script and the debug information' runs \
    "^$first value 42 seen 7 more 2$" \
    "$scratch/named.bpf.o" -x "$first"
check '... with its begin and end probes' printed '^ended$'
check 'it runs for another process of the build' runs "^$second value 42 seen 7 more 2$" \
    "$scratch/named.bpf.o" -x "$second"

# The same path, another build.
mkdir "$scratch/other"
mv "$scratch/target" "$scratch/other/first"
cat >"$scratch/target.c" <<'END'
#include <unistd.h>
struct node { struct node *next; long value; } node = {&node, 1};
long before, seen = 3;
__attribute__((noinline)) long visit(long n, struct node *list)
{
    __asm__ volatile("" ::: "memory"); /* or nobody calls it */
    return n * list->value + before;
}
int main(void) { for (;;) { visit(1, &node); usleep(2000); } }
END
build 3
run_target
third=$pid
check 'another build is refused, and both builds are named' refuses 'build' "$scratch/named.bpf.o" \
    -x "$third"

sleep 60 &
idle=$!
pids+=("$idle")
check 'a process without the module is refused' refuses 'target' "$scratch/named.bpf.o" -x "$idle"

# --- modules of which only types are used ----------------------------------------------------

library() { # SIZE FILE: a library whose struct kept has that size
    echo "struct kept { char bytes[$1]; } kept; int keep(void) { return kept.bytes[0]; }" \
        >"$scratch/kept.c"
    ${CC:-cc} -g -fPIC -shared -Wl,--build-id -o "$2" "$scratch/kept.c"
}
keeper() { # a process that maps $scratch/libkept.so
    ${CC:-cc} -o "$scratch/keeper" -xc - -xnone "$scratch/libkept.so" -Wl,-rpath,"$scratch" \
        <<<'#include <unistd.h>
            int keep(void); int main(void) { for (;;) usleep(1000 * (1 + keep())); }'
    "$scratch/keeper" &
    keeper=$!
    pids+=("$keeper")
    until grep -q "r-xp.*libkept" "/proc/$keeper/maps"; do sleep 0.01; done
}
library 24 "$scratch/libkept.so"
keeper
kept="probe begin { printf(\"%d\\n\", &@cast(0, \"struct kept\", \"$scratch/libkept.so\")[1]);
    exit() }"
compile() { (cd "$scratch" && "$ngstap" -p4 -m "$1" -e "$kept" -x "$2" >/dev/null); }
check 'an object that uses types alone' compile types "$keeper"
check '... runs on the process' runs '^24$' "$scratch/types.bpf.o" -x "$keeper"
check '... and on one that does not map the library' runs '^24$' "$scratch/types.bpf.o" -x "$idle"
compile idle "$idle"
mv "$scratch/libkept.so" "$scratch/other/"
library 40 "$scratch/libkept.so"
keeper
check '... not on one that has mapped another build of it' refuses 'libkept.so is not the build' \
    "$scratch/types.bpf.o" \
    -x "$keeper"
check 'a library that was never mapped may be another build now' runs '^24$' "$scratch/idle.bpf.o" \
    -x "$idle"

# --- objects that are not as they were written ---------------------------------------------

mv "$scratch/other/first" "$scratch/target"
size=$(stat -c %s "$scratch/named.bpf.o")

# Ends by itself with 0 or 1: no signal, no time-out.
sane() { ((status == 0 || status == 1)); }

bad=0
for ((i = 0; i < 24; i++)); do
    head -c "$((size * i / 24))" "$scratch/named.bpf.o" >"$scratch/cut.bpf.o"
    trace -T 1 "$scratch/cut.bpf.o" -x "$first"
    [[ $status = 1 ]] || bad=1
done
check 'objects that are cut off are refused' test "$bad" = 0

# Bytes at places spread over the file; a fixed series, so that a failure comes again.
bad=0
RANDOM=1
for ((i = 0; i < 60; i++)); do
    cp "$scratch/named.bpf.o" "$scratch/changed.bpf.o"
    for _ in 1 2 3 4; do
        printf '%b' "\\x$(printf %02x "$((RANDOM % 256))")" |
            dd of="$scratch/changed.bpf.o" bs=1 conv=notrunc \
                seek="$(((RANDOM * 32768 + RANDOM) % size))" status=none
    done
    TMPDIR=$scratch trace -T 0.2 "$scratch/changed.bpf.o" -x "$first"
    if ! sane; then
        echo "# status $status, change $i"
        cp "$scratch/changed.bpf.o" "${TMPDIR:-/tmp}/ngstap-changed-$i.bpf.o"
        bad=1
    fi
done
check 'objects with changed bytes are refused or run, and never crash' test "$bad" = 0
if command -v bpftool >/dev/null; then
    check '... and nothing is left in the kernel' as_before "$before"
else
    skip '... and nothing is left in the kernel' 'no bpftool'
fi

# --- what an object may do --------------------------------------------------------------------

# What wants -g in a script wants it in an object, in the kernel and in user space.
build 7
run_target
(cd "$scratch" && "$ngstap" -I "$there/tapset" -g -p4 -m signals -x "$pid" -e \
    'probe process.function("visit") { raise(18) println("sent") exit() }' >out 2>err) || :
(cd "$scratch" && "$ngstap" -I "$there/tapset" -g -p4 -m logs -e \
    'probe begin { printk(7, "ngstap: tests/object.sh") println("logged") exit() }' >out 2>err) || :
check 'an object that sends signals wants -g' refuses 'signals.bpf.o writes to programs, or sends' \
    "$scratch/signals.bpf.o" -x "$pid"
check '... which is said' said '^hint: -g turns guru mode on'
check '... and runs with it' runs '^sent$' -g "$scratch/signals.bpf.o" -x "$pid"
check 'in user space, too' refuses '-g is not given' "$scratch/logs.bpf.o"
check '... and runs with it' runs '^logged$' -g "$scratch/logs.bpf.o"
# An object can do no more than a script, so it does not matter whose it is.
(cd "$scratch" && "$ngstap" -I "$there/tapset" -p4 -m foreign -x "$pid" -e \
    'probe process.function("visit") { println("visited") exit() }' >out 2>err) || :
chown nobody "$scratch/foreign.bpf.o"
check "another user's object runs" runs '^visited$' "$scratch/foreign.bpf.o" -x "$pid"
# ... but at places where no instruction begins, which would break the program: the number of bytes
# is changed that it is behind the function's start.
if [[ $(uname -m) = x86_64 ]]; then
    cat >"$scratch/long.c" <<'END'
#include <unistd.h>
void ten(void);
__asm__(".globl ten\n.type ten,@function\nten: movabs $0x1122334455667788,%rax\n"
        "nop\nret\n.size ten,.-ten\n");
int main(void) { alarm(600); for (;; usleep(1000)) ten(); }
END
    ${CC:-cc} -g -O1 -Wl,--build-id -o "$scratch/long" "$scratch/long.c"
    "$scratch/long" &
    long=$!
    pids+=("$long")
    (cd "$scratch" && "$ngstap" -I "$there/tapset" -p4 -m ten -x "$long" -e \
        'probe process.function("ten") { println("ten") exit() }' >out 2>err) || :
    address=$(nm "$scratch/long" | sed -n 's/ T ten$//p')
    moved() { # BYTES: an object whose probe is so far behind the function's start
        python3 - "$scratch/ten.bpf.o" "$scratch/moved.bpf.o" "$address" "$1" <<'END'
import struct, sys
old, new = (struct.pack("<Q", int(sys.argv[3], 16) + n) for n in (0, int(sys.argv[4])))
data = open(sys.argv[1], "rb").read()
assert data.count(old) > 0
open(sys.argv[2], "wb").write(data.replace(old, new))
END
    }
    if command -v python3 >/dev/null; then
        for n in 1 5 9; do
            moved "$n"
            check "an object's probe $n bytes into an instruction is refused" refuses \
                'no instruction begins at address' "$scratch/moved.bpf.o" -x "$long"
        done
        check '... and the program runs on' kill -0 "$long"
        moved 10
        check 'at the next instruction it runs' runs '^ten$' "$scratch/moved.bpf.o" -x "$long"
    else
        skip 'probes in the middle of an instruction' 'needs python3'
    fi
fi
# A module is part of the kernel, and can do what no script can: whoever wrote it is asked for.
echo none >"$scratch/foreign.ko"
chown nobody "$scratch/foreign.ko"
check "another user's module is refused" refuses 'becomes part of the kernel, and the file is user' \
    "$scratch/foreign.ko"
chown root "$scratch/foreign.ko"
chmod 666 "$scratch/foreign.ko"
check '... and one that everyone can write to' refuses 'everyone can write to the file' \
    "$scratch/foreign.ko"

# --- a profile --------------------------------------------------------------------------------

if [[ -z ${NGSTAP_TARGETS:-} ]]; then
    skip 'lj-lua-stacks as an object' 'NGSTAP_TARGETS is not set'
    finish
fi
start() {
    name='' pid=''
    start_target nginx gc64 interp 40
}
start
(cd "$scratch" && "$ngstap" -I "$there/tapset" -p4 -m stacks "$there/samples/lj-lua-stacks.sxx" -x \
    "$pid" --arg time=1 \
    --arg min=0 >out 2>err) || :
hot='^@.*/lua/mode/interp\.lua:15$'
check 'lj-lua-stacks as an object' runs "$hot" "$scratch/stacks.bpf.o" -x "$pid"
start
check '... for another nginx of the build' runs "$hot" "$scratch/stacks.bpf.o" -x "$pid"
name='' pid=''
start_target nginx gc32 interp 20
# Both nginx are one build; only libluajit, of which the script uses types alone, differs.
check '... and one with another libluajit is refused, which is named' refuses \
    'libluajit.* is not the build' \
    "$scratch/stacks.bpf.o" -x "$pid"
finish
