#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Objects that are kept from one run to the next: what the second run prints is what the first did,
# another process of the same program shares the object, and each change of what it is made of (the
# script, a module, a tapset, options, the program, its debug file) makes another one, which says
# what is true then. What warned warns again. Damaged files are not believed.
#
# Needs a compiler, objcopy; root, eBPF. About 25 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
command -v objcopy >/dev/null || skip_all 'no objcopy'
export DEBUGINFOD_URLS='' XDG_CACHE_HOME=$scratch/cache XDG_DATA_HOME=$scratch/data
mkdir -p "$scratch/tapset"

build() { # VALUE PADDING: the member moves with the padding
    cat >"$scratch/one.c" <<END
#include <unistd.h>
struct of { char pad[$2]; long value; };
struct of of = {.value = $1};
__attribute__((noinline)) void visit(struct of *p) { __asm__ volatile("" : : "r"(p) : "memory"); }
int main(void)
{
    for (;;) {
        visit(&of);
        usleep(1000);
    }
}
END
    ${CC:-cc} -g -O1 -o "$scratch/fresh" "$scratch/one.c"
}
# What changed a moment ago is not kept.
settle() { sleep 2.2; }
run_program() { # the build that is there, or the one before
    if [[ -e $scratch/fresh ]]; then
        mv -f "$scratch/fresh" "$scratch/one"
        settle
    fi
    "$scratch/one" &
    pid=$!
    pids+=("$pid")
}
script='probe process.function("visit") { printf("%d\n", $p->value + add()) exit() }'
echo 'function add() { return 0 }' >"$scratch/tapset/add.stp"
ask() {
    run_once -v -I "$scratch/tapset" -x "$pid" -e "$script" "$@"
}
taken() { said 'took the object from the cache'; }
made() { ! taken; }

build 4711 8
run_program
ask
check 'a first run makes the object' made
check '... and says what is true' printed '^4711$'
ask
check 'a second takes it' taken
check '... and says the same' printed '^4711$'
run_program
ask -T 5
check 'so does one for another process, for another time' taken
check '... which says the same' printed '^4711$'

ask --disable-cache
check '--disable-cache makes it anew' made
ask -D MAXACTION=1000
check 'other limits make another' made
ask --no-feature=may_goto
check 'so does another kernel' made
run_once -v -I "$scratch/tapset" -x "$pid" -e "$script
"
check 'so does another text' made
ask --dump-ir
check '--dump-ir shows what it makes' printed 'visit'

echo 'function add() { return 100 }' >"$scratch/tapset/add.stp"
ask
check 'a tapset that changed makes another' made
check '... which says what it says now' printed '^4811$'
check 'it is not kept, as it changed just now' said 'not kept: .* a moment ago'
settle
ask
ask
check '... but is, when it is settled' taken
check '... with what it says' printed '^4811$'

build 815 64
run_program
ask
check 'another build of the program makes another' made
check '... which reads the member where it is' printed '^915$'

# ---- debug information beside
build 99 16
objcopy --only-keep-debug "$scratch/fresh" "$scratch/one.debug.kept"
objcopy --strip-debug "$scratch/fresh"
run_program
status=0
ask || status=$?
check 'without debug information it is refused' test "$status" != 0
cp "$scratch/one.debug.kept" "$scratch/one.debug"
settle
ask
check 'with a debug file it is made' printed '^199$'
ask
check '... and taken' taken
rm "$scratch/one.debug"
status=0
ask || status=$?
check 'without it nothing is taken' test "$status" != 0

# ---- what is said
build 7 8
run_program
script='probe process.function("visit") {
    if (never_set) println(1)
    printf("%d\n", $p->value)
    exit()
}'
ask
first=$(grep -c '^.*warning' "$scratch/err" || true)
ask
check 'what warned warns again' test "$(grep -c '^.*warning' "$scratch/err")" = "$first"
check '... it did warn' test "$first" -gt 0
ask -w
ask
check '... also after -w' said warning

# ---- damage
script='probe process.function("visit") { printf("%d\n", $p->value + add()) exit() }'
ask
ask
check 'it is kept once more' taken
for file in "$scratch"/cache/ngstap/objects/*; do
    printf x | dd of="$file" bs=1 seek=3000 conv=notrunc status=none
done
ask
check 'damaged files are not believed' made
check '... and it says what is true' printed '^107$'
finish
