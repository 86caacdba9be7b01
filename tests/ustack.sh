#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Stacks of programs: at random ticks the walked stack is what the program itself keeps
# (tests/ustack/corpus.c), for compilers and their ways to lay out frames; at a breakpoint it is
# what gdb says; a stack that is too deep is cut; what has no table ends it. Needs root, eBPF,
# x86_64 and a C compiler; gdb and clang where they are asked. About 60 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'
[[ $(uname -m) = x86_64 ]] || skip_all 'tables are read for x86_64 alone'

# ---- at random ticks ----

# 99.5 % of ticks and more; a moment in which the kernel sets a signal's registers back is no stack.
# What the program does is seen: but for what a compiler, or a libc, does not have.
at_ticks() { # COMPILER OPTION...
    local ticks exact early wrong tails cut coroutines lazy
    "$@" -g -pthread -Wl,-z,lazy -o "$scratch/corpus" tests/ustack/corpus.c 2>"$scratch/err" ||
        return
    trace_seconds=150 trace -v -D MAXSTRINGLEN=16384 -D MAXACTION=10000 \
        -c "$scratch/corpus ${seconds:-2} ${plugins:-}" tests/ustack/whole.stp "$scratch/corpus"
    read -r ticks exact early wrong tails cut coroutines lazy < <(awk -v bare="${bare:-0}" \
        -f tests/ustack/compare.awk "$scratch/out" 2>"$scratch/wrong")
    cat "$scratch/wrong"
    sed -n 's/^stacks of programs: /# all walks: /p' "$scratch/err"
    [[ -z ${plugins:-} ]] || ((early * 20 > ticks)) || exact=$((exact + early))
    ((ticks > ${least:-100} && exact * 1000 >= ticks * 995 && wrong * 200 <= ticks)) &&
        ((cut > 0 && (tails > 0 || ${no_tails:-0}) && (lazy > 0 || ${no_lazy:-0}))) &&
        ((coroutines > 0 || ${bare:-0}))
}
# Debian's musl has no tables, so what it calls has no caller; it binds all calls at the start, and
# has no coroutines.
if command -v musl-gcc >/dev/null; then
    bare=1 no_lazy=1 seconds=4 least=50 check 'musl-gcc' at_ticks musl-gcc -O2 \
        -finstrument-functions
else
    skip 'musl-gcc' 'no musl-gcc'
fi
no_tails=1 check 'gcc -O0' at_ticks ${CC:-cc} -finstrument-functions -O0
no_tails=1 check 'gcc -O1' at_ticks ${CC:-cc} -finstrument-functions -O1
no_lazy=1 check 'gcc -O2 -static-pie' at_ticks ${CC:-cc} -finstrument-functions -O2 -static-pie
for options in -O2 '-O3 -fomit-frame-pointer' '-O2 -fno-omit-frame-pointer' \
    '-Os -fcf-protection=full'; do
    # shellcheck disable=SC2086 # several options
    check "gcc $options" at_ticks ${CC:-cc} -finstrument-functions $options
done
for options in -O0 -O1 -O2 -O3; do
    if command -v clang >/dev/null; then
        no_tails=$([[ $options = -O[01] ]] && echo 1 || echo 0) check "clang $options" at_ticks \
            clang -finstrument-functions-after-inlining "$options"
    else
        skip "clang $options" 'no clang'
    fi
done

# Two libraries that come and go: their code is known a moment after they have come.
for n in 1 2; do
    ${CC:-cc} -O2 -fPIC -shared -finstrument-functions -o "$scratch/plugin$n.so" \
        tests/ustack/corpus_plugin.c
done
plugins="$scratch/plugin1.so $scratch/plugin2.so" seconds=4 check 'gcc -O2, libraries come and go' \
    at_ticks ${CC:-cc} -finstrument-functions -O2 -rdynamic

# Tables that are there for debuggers alone: of the program's code, libc's being as ever.
debug_only='-O2 -g -fno-asynchronous-unwind-tables -fno-unwind-tables'
# shellcheck disable=SC2086 # several options
check 'gcc, .debug_frame alone' at_ticks ${CC:-cc} -finstrument-functions $debug_only
# shellcheck disable=SC2086 # likewise
check 'gcc, .debug_frame alone, compressed' at_ticks ${CC:-cc} -finstrument-functions \
    $debug_only -gz=zlib

# ---- tables in other places ----

cat >"$scratch/plain.c" <<'END'
static volatile long sink;
__attribute__((noinline)) static void spin(void)
{
    for (long i = 0; i < 1000000; i++)
        sink += i;
}
__attribute__((noinline)) static int chain(int n)
{
    if (n)
        return chain(n - 1) + 1;
    spin();
    return 1;
}
int main(void)
{
    for (int i = 0; i < 300; i++)
        sink += chain(5);
}
END
# So many frames of the program's own code a tick: spin, six times chain, main, _start.
frames_of() { # PROGRAM
    trace -c "$1" -e 'probe timer.profile {
        if (user_mode()) { print("tick\n" . sprint_ubacktrace()) } }'
    awk -v name="$(basename "$1")" '
        function judge() { if (ticks && n == 9) whole++; if (ticks && n > 9) more++ }
        /^tick/ { judge(); ticks++; n = 0; next }
        index($1, name "+") == 1 || /^(spin|chain|main|_start)\+/ { n++ }
        END { judge(); print "#", whole + 0, "of", ticks + 0, "ticks are whole"
            exit !(ticks > 30 && whole > 0.9 * ticks && !more) }' "$scratch/out"
}
# shellcheck disable=SC2086 # several options
${CC:-cc} $debug_only -Wl,--build-id -fno-optimize-sibling-calls -fno-ipa-cp -o "$scratch/plain" \
    "$scratch/plain.c"
objcopy --only-keep-debug --compress-debug-sections=zlib-gabi "$scratch/plain" \
    "$scratch/apart.debug"
objcopy --strip-debug "$scratch/plain" "$scratch/apart"
check '.debug_frame in a separate debug file' frames_of "$scratch/apart"
if objcopy --compress-debug-sections=zlib-gnu "$scratch/plain" "$scratch/old" 2>/dev/null &&
    readelf -SW "$scratch/old" | grep -q '\.zdebug_frame'; then
    check '.zdebug_frame' frames_of "$scratch/old"
else
    skip '.zdebug_frame' 'objcopy makes none'
fi
${CC:-cc} -O1 -fno-optimize-sibling-calls -o "$scratch/headless" "$scratch/plain.c"
strip "$scratch/headless"
python3 - "$scratch/headless" <<'END'
import sys
with open(sys.argv[1], 'r+b') as f:
    f.seek(40)  # e_shoff
    f.write(bytes(8))
    f.seek(60)  # e_shnum, e_shstrndx
    f.write(bytes(4))
END
check 'a file without section headers' frames_of "$scratch/headless"

# ---- at a breakpoint ----

cat >"$scratch/chain.c" <<'END'
#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) void hit(volatile char *p) { p[0] = 1; }
static int compare(const void *a, const void *b)
{
    char p[4];
    hit(p);
    return *(const char *)a - *(const char *)b;
}
__attribute__((noinline)) static int chain(int n)
{
    char text[] = "ba";
    if (n)
        return chain(n - 1) + 1;
    qsort(text, 2, 1, compare);
    return text[0];
}
int main(int argc, char **argv) { return chain(argc > 1 ? atoi(argv[1]) : 3) == 0; }
END
${CC:-cc} -O1 -fno-optimize-sibling-calls -o "$scratch/chain" "$scratch/chain.c"
once="probe process(\"$scratch/chain\").function(\"hit\")"

# The addresses but for what the place in memory decides; gdb shows none for the innermost frame.
as_gdb() {
    trace -c "$scratch/chain 3" -e "$once"' { print_ubacktrace(); exit() }'
    gdb -batch -nx -ex 'set debug-file-directory /nowhere' -ex 'break *hit' -ex 'run 3' -ex bt \
        "$scratch/chain" 2>/dev/null </dev/null |
        sed -nE 's/^#[0-9]+ +0x[0-9a-f]+([0-9a-f]{3}) in .*/\1/p' >"$scratch/gdb"
    [[ $(wc -l <"$scratch/gdb") -gt 6 ]] &&
        sed -nE 's/^ 0x[0-9a-f]+([0-9a-f]{3}) :.*/\1/p' "$scratch/out" |
        head -n "$(wc -l <"$scratch/gdb")" | diff "$scratch/gdb" -
}
if command -v gdb >/dev/null; then
    check 'a breakpoint: what gdb says' as_gdb
else
    skip 'a breakpoint: what gdb says' 'no gdb'
fi

parts() {
    last_line_is 'same 127 0' -c "$scratch/chain 400" -e "$once"' {
        three = sprintf("0x%x 0x%x 0x%x", ustack(0), ustack(1), ustack(2))
        same = ucallers(3) == three && isinstr(ubacktrace(), three . " ") == 1 &&
            ucallers(0) == "" && ustack(0) == uaddr() && ustack(-1) == 0 && ustack(127) == 0
        all = ucallers(-1)
        while (strlen(tokenize(all, " "))) { n++; all = "" }
        println(same ? "same" : "not", " ", n, " ", ustack(1000))
        exit()
    }' -D MAXSTRINGLEN=4096
}
check 'all frames, the first ones, one; 400 are cut at 127' parts

# More stacks than their map has room for (8,192): all have their numbers, and the first is known
# when all have come.
cat >"$scratch/paths.c" <<'END'
#include <unistd.h>
__attribute__((noinline)) void hit(void) { __asm__ volatile(""); }
static void walk(unsigned path, int depth);
__attribute__((noinline)) static void left(unsigned path, int depth) { walk(path, depth); }
__attribute__((noinline)) static void right(unsigned path, int depth) { walk(path, depth); }
static void walk(unsigned path, int depth)
{
    if (depth)
        (path & 1 ? right : left)(path >> 1, depth - 1);
    else
        hit();
}
int main(void)
{
    for (unsigned path = 0; path < 1 << 14; path++) {
        walk(path, 14);
        if (path % 64 == 0)
            usleep(4000);
    }
    return 0;
}
END
${CC:-cc} -O1 -fno-optimize-sibling-calls -fno-inline -o "$scratch/paths" "$scratch/paths.c"
many_stacks() {
    trace -v -c "$scratch/paths" -e "probe process(\"$scratch/paths\").function(\"hit\") {"'
        last = sprint_ubacktrace()
        if (n++ == 0) { first = last }
    }
    global n, first, last
    probe end { print(first); println("last"); print(last); println(n) }'
    read -r lefts rights < <(awk '/^last/ { exit } /^left\+/ { l++ } /^right\+/ { r++ }
        END { print l + 0, r + 0 }' "$scratch/out")
    echo "# $(tail -n 1 "$scratch/out") hits, $lefts and $rights functions in the first stack"
    [[ $status = 0 && $(tail -n 1 "$scratch/out") = 16384 ]] && ((lefts == 14 && rights == 0)) &&
        ! said 'ERROR'
}
check 'more stacks than their map holds' many_stacks

# The same walk from a system call, from a tick in the kernel: by the task's registers.
in_kernel() {
    trace -c "$scratch/chain 3" -e 'probe syscall.exit_group { print_ubacktrace() }'
    printed '^ 0x[0-9a-f]+ : _Exit\+' && printed ' : __libc_start_call_main\+'
}
check 'a system call' in_kernel

# A program that a child of the target runs: its libraries are mapped after its exec.
in_child() {
    local whole all
    trace -c "sh -c 'sleep 0.2; $scratch/corpus 2; true'" -e '
        probe timer.profile {
            if (execname() == "corpus" && user_mode()) {
                all++
                whole += ustack(3) != 0
            }
        }
        global whole, all
        probe end { println(whole, " ", all) }'
    read -r whole all < <(tail -n 1 "$scratch/out")
    ((all > 30 && whole * 10 > all * 9))
}
check 'a program that is run later' in_child

# ---- code that is mapped later, or that no file has ----

cat >"$scratch/plugin.c" <<'END'
__attribute__((noinline)) long NAME(long (*spin)(void)) { return spin() + 1; }
END
cat >"$scratch/host.c" <<'END'
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static volatile long sink;
static long spin(void)
{
    for (long i = 0; i < 1000000; i++)
        sink += i;
    return sink;
}
static void run(const char *path, const char *name, double seconds)
{
    void *plugin = dlopen(path, RTLD_NOW);
    long (*through)(long (*)(void)) = (long (*)(long (*)(void)))dlsym(plugin, name);
    clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);

    while (clock() < end)
        sink += through(spin);
    dlclose(plugin);
}
__attribute__((noinline)) static long ask(void)
{
    struct timespec t;

    for (int i = 0; i < 1000000; i++)
        clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_nsec;
}
int main(int argc, char **argv)
{
    sleep(1);
    if (argc == 1)
        return (int)(ask() + ask() + ask()) == 1;
    run(argv[1], "first", 0.5);
    run(argv[2], "second", 1.5);
}
END
${CC:-cc} -O1 -fomit-frame-pointer -o "$scratch/host" "$scratch/host.c"
for plugin in first second; do
    ${CC:-cc} -O1 -fno-optimize-sibling-calls -fPIC -shared -DNAME=$plugin \
        -o "$scratch/$plugin.so" "$scratch/plugin.c"
done

# Whole stacks have main; the library is noticed within a second, its name known, and so is the one
# that comes in its place.
in_plugins() {
    trace -c "$scratch/host $scratch/first.so $scratch/second.so" -e '
        probe timer.profile { print("tick\n" . sprint_ubacktrace()) }'
    awk 'function judge() { if (name != "") { all[name]++; if (whole) good[name]++ } }
        /^tick/ { judge(); name = ""; whole = 0 }
        /^(first|second)\+.*\.so\]$/ { name = substr($1, 1, index($1, "+") - 1) }
        /^main\+/ { whole = 1 }
        END {
            judge()
            for (name in all)
                print "# " name ": " good[name] + 0 " of " all[name] " ticks"
            exit !(good["first"] > 20 && good["second"] > 200 &&
                good["second"] > 0.9 * all["second"])
        }' "$scratch/out"
}
check 'libraries that are loaded later, one in the place of another' in_plugins

in_vdso() {
    trace -c "$scratch/host" -e '
        probe timer.profile { if (user_mode()) print("tick\n" . sprint_ubacktrace()) }'
    awk 'function judge() { if (vdso) { all++; if (whole) good++ } }
        /^tick/ { judge(); getline; vdso = /vdso/ || /^0x/; whole = 0 }
        /^main\+/ { whole = 1 }
        END { judge(); print "#", good + 0, "of", all + 0, "ticks in the vdso"
            exit !(all > 20 && good > 0.99 * all) }' "$scratch/out"
}
check 'the vdso' in_vdso

# As OpenSSL's assembly aligns its stack: the caller's stack pointer lies in the frame.
cat >"$scratch/aligned.c" <<'END'
__attribute__((noinline)) void hit(void) { __asm__ volatile(""); }
__asm__(".text\n.type aligned, @function\naligned: .cfi_startproc\n"
        " mov %rsp, %rax\n .cfi_def_cfa_register %rax\n"
        " push %rbx\n .cfi_offset %rbx, -16\n push %rbp\n .cfi_offset %rbp, -24\n"
        " sub $64, %rsp\n and $-64, %rsp\n mov %rax, 40(%rsp)\n"
        " .cfi_escape 0x0f, 5, 0x77, 40, 0x06, 0x23, 0x08\n" // CFA: *(rsp + 40) + 8
        " xor %ebp, %ebp\n call hit\n mov 40(%rsp), %rsi\n .cfi_def_cfa %rsi, 8\n"
        " mov -16(%rsi), %rbp\n mov -8(%rsi), %rbx\n"
        " mov %rsi, %rsp\n .cfi_def_cfa_register %rsp\n ret\n .cfi_endproc\n"
        " .size aligned, . - aligned\n");
void aligned(void);
__attribute__((noinline)) static int framed(int n)
{
    volatile char room[n];
    room[0] = 1;
    aligned();
    return room[0];
}
int main(int argc, char **argv) { return framed(argc) == 0; }
END
${CC:-cc} -O1 -fno-omit-frame-pointer -o "$scratch/aligned" "$scratch/aligned.c"
in_aligned() {
    trace -c "$scratch/aligned" -e "probe process(\"$scratch/aligned\").function(\"hit\") {
        print_ubacktrace(); exit() }"
    [[ $(sed -nE 's/.* : ([a-z_]+)\+.*/\1/p' "$scratch/out" | head -n 4 | tr '\n' ' ') = \
        'hit aligned framed main ' ]]
}
check "a stack that assembly aligns" in_aligned

# CFAs by other registers: what is hit is a place where assembly has its caller's in r10 (as gcc
# where it aligns a stack), below code that has it in rbx (as the dynamic linker, over a call),
# below code that relies on what it calls for rax (as OpenSSL's AES-GCM).
cat >"$scratch/registers.c" <<'END'
__asm__(".text\n.type by_rax, @function\nby_rax: .cfi_startproc\n"
        " mov %rsp, %rax\n .cfi_def_cfa_register %rax\n"
        " sub $64, %rsp\n and $-64, %rsp\n call by_rbx\n"
        " mov %rax, %rsp\n .cfi_def_cfa_register %rsp\n ret\n .cfi_endproc\n"
        ".size by_rax, . - by_rax\n"
        ".type by_rbx, @function\nby_rbx: .cfi_startproc\n"
        " push %rbx\n .cfi_def_cfa_offset 16\n .cfi_offset %rbx, -16\n"
        " mov %rsp, %rbx\n .cfi_def_cfa_register %rbx\n"
        " sub $100, %rsp\n and $-64, %rsp\n call inner\n"
        " mov %rbx, %rsp\n .cfi_def_cfa_register %rsp\n pop %rbx\n .cfi_def_cfa_offset 8\n"
        " ret\n .cfi_endproc\n.size by_rbx, . - by_rbx\n"
        ".type inner, @function\ninner: .cfi_startproc\n"
        " push %rbx\n .cfi_def_cfa_offset 16\n .cfi_offset %rbx, -16\n xor %ebx, %ebx\n"
        " lea 16(%rsp), %r10\n .cfi_def_cfa %r10, 0\n and $-32, %rsp\n"
        ".type by_r10, @function\nby_r10: nop\n.size by_r10, . - by_r10\n"
        " lea -16(%r10), %rsp\n .cfi_def_cfa %rsp, 16\n pop %rbx\n .cfi_def_cfa_offset 8\n"
        " ret\n .cfi_endproc\n.size inner, . - inner\n");
void by_rax(void);
__attribute__((noinline)) static int framed(int n)
{
    volatile char room[n];
    room[0] = 1;
    by_rax();
    return room[0];
}
int main(int argc, char **argv) { return framed(argc) == 0; }
END
${CC:-cc} -O1 -fno-omit-frame-pointer -o "$scratch/registers" "$scratch/registers.c"
by_registers() {
    trace -c "$scratch/registers" -e "probe process(\"$scratch/registers\").function(\"by_r10\") {
        print_ubacktrace(); exit() }"
    [[ $(sed -nE 's/.* : ([a-z_0-9]+)\+.*/\1/p' "$scratch/out" | head -n 5 | tr '\n' ' ') = \
        'by_r10 by_rbx by_rax framed main ' ]]
}
check 'frames by r10, rbx, rax' by_registers

# A coroutine of glibc's, which goes on elsewhere at its end: where it begins nobody called it.
cat >"$scratch/coroutine.c" <<'END'
#include <ucontext.h>
static ucontext_t outer, inner;
static char stack[65536];
__attribute__((noinline)) void hit(void) { __asm__ volatile(""); }
static void begins(void) { hit(); __asm__ volatile(""); }
int main(void)
{
    getcontext(&inner);
    inner.uc_stack.ss_sp = stack;
    inner.uc_stack.ss_size = sizeof(stack);
    inner.uc_link = &outer;
    makecontext(&inner, begins, 0);
    return swapcontext(&outer, &inner);
}
END
${CC:-cc} -O1 -o "$scratch/coroutine" "$scratch/coroutine.c"
in_coroutine() {
    trace -v -c "$scratch/coroutine" -e "probe process(\"$scratch/coroutine\").function(\"hit\") {
        print_ubacktrace() }"
    [[ $(grep -c '^ 0x' "$scratch/out") = 3 ]] && printed ' : begins\+' &&
        said '^stacks of programs: 1 whole$'
}
check 'a coroutine is whole' in_coroutine

# Of OpenSSL's assembly, all ticks lead to where the program begins.
in_openssl() { # CIPHER...
    trace -c "openssl speed -seconds 1 $*" -e 'probe timer.profile {
        if (user_mode()) { print("tick\n" . sprint_ubacktrace()) } }'
    awk 'function judge() { if (ticks && whole) all++ }
        /^tick/ { judge(); ticks++; whole = 0; next }
        /^__libc_start_main/ { whole = 1 }
        END { judge(); print "#", all + 0, "of", ticks + 0, "ticks are whole"
            exit !(ticks > 50 && all > 0.99 * ticks) }' "$scratch/out"
}
for cipher in '-evp chacha20-poly1305' '-evp aes-256-gcm' ecdhp384; do
    if openssl speed -help >/dev/null 2>&1; then
        check "openssl speed $cipher" in_openssl "$cipher"
    else
        skip "openssl speed $cipher" 'no openssl'
    fi
done

# ---- what cannot be walked ----

cat >"$scratch/bare.c" <<'END'
__attribute__((noinline)) void hit(void) { __asm__ volatile(""); }
__asm__(".text\n.globl bare\nbare: push %rbx\n call hit\n pop %rbx\n ret\n");
void bare(void);
int main(void) { bare(); return 0; }
END
${CC:-cc} -O1 -o "$scratch/bare" "$scratch/bare.c"
last_line_is '2' -v -c "$scratch/bare" -e "probe process(\"$scratch/bare\").function(\"hit\") {
    for (frames = 0; ustack(frames); frames++) {} println(frames) }" && bare=yes || bare=no
check 'code without a table ends it' test "$bare" = yes
check 'which is counted (-v)' said '^stacks of programs: [0-9]+ at code without a table$'
# The first instruction of such a function has its name, and not that of the function before it.
cat >"$scratch/no-table.c" <<'END'
void before(void) { __asm__ volatile(""); }
void after(void) { __asm__ volatile(""); }
int main(void) { after(); before(); return 0; }
END
${CC:-cc} -O0 -fno-asynchronous-unwind-tables -fno-unwind-tables -o "$scratch/no-table" \
    "$scratch/no-table.c"
trace -c "$scratch/no-table" -e "probe process(\"$scratch/no-table\").function(\"after\") {
    print_ubacktrace() }"
check 'its first instruction has its own name' printed '^ 0x[0-9a-f]+ : after\+0x0/'
# A stack pointer that leads nowhere, into the kernel's part, to words that all lead back to the same
# code, to the last word of a page: walks end, and say at what.
cat >"$scratch/astray.c" <<'END'
#include <stdlib.h>
#include <sys/mman.h>
__asm__(".text\n.globl astray\n.type astray, @function\nastray: .cfi_startproc\n"
        " mov %rsp, %rax\n mov %rdi, %rsp\n mov $150000000, %rcx\n"
        "again: dec %rcx\n jnz again\n mov %rax, %rsp\n ret\n .cfi_endproc\n"
        ".size astray, . - astray\n");
void astray(void *sp);
extern char again[];
int main(void)
{
    char **page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    munmap(page + 512, 4096);
    for (int i = 0; i < 512; i++)
        page[i] = again;
    astray((void *)16);
    astray((void *)-4096L);
    astray(page);
    astray(page + 511);
    return 0;
}
END
${CC:-cc} -O1 -o "$scratch/astray" "$scratch/astray.c"
goes_astray() {
    trace_seconds=100 trace -v -D MAXSTRINGLEN=8192 -c "$scratch/astray" -e '
        probe timer.profile { if (user_mode()) { print("tick\n" . sprint_ubacktrace()) } }'
    awk '/^tick/ { ticks++; getline; if (/^(astray|again)\+/) there++ }
        END { print "#", there + 0, "of", ticks + 0, "ticks"; exit !(there > 20) }' \
        "$scratch/out" || return
    sed -n 's/^stacks of programs: /# /p' "$scratch/err"
    [[ $status = 0 ]] && ! said 'ERROR' && said '[0-9]+ cut at the limit' &&
        said '[0-9]+ at memory that cannot be read'
}
check 'a stack pointer that leads anywhere: walks end' goes_astray
objcopy -R .eh_frame "$scratch/chain" "$scratch/tableless"
trace -c "$scratch/tableless 3" -e 'probe syscall.exit_group { print_ubacktrace() }'
check 'a program without any: a line says so' said 'no unwind table in .*/tableless: stacks of C'
last_line_is '0 ""' -e 'probe begin { printf("%d \"%s\"\n", ustack(0), ubacktrace()); exit() }' &&
    nothing=yes || nothing=no
check 'where no program was hit there is none' test "$nothing" = yes

# Nobody is named: what two programs do, one after the other in the same process, too, is seen a
# moment after they begin.
${CC:-cc} -O1 -fno-optimize-sibling-calls -fno-ipa-cp -no-pie -o "$scratch/one" "$scratch/plain.c"
${CC:-cc} -O1 -fno-optimize-sibling-calls -fno-ipa-cp -no-pie -D chain=chained -D spin=spins \
    -o "$scratch/two" "$scratch/plain.c"
of_everybody() {
    local all whole mixed
    bash -c "sleep 2; (exec '$scratch/one') & for _ in 1 2 3 4; do '$scratch/two'; done; wait" &
    pids+=("$!")
    trace -T 8 -e 'probe timer.profile {
        if (user_mode() && (execname() == "one" || execname() == "two")) {
            print("tick " . execname() . "\n" . sprint_ubacktrace()) } }'
    wait "${pids[-1]}" || :
    read -r all whole mixed < <(awk '
        function stack(spin, chain) {
            return "^" spin chain chain chain chain chain chain "main .*_start $"
        }
        function judge() {
            if (name == "one") { right = stack("spin ", "chain "); other = "(spins|chained) " }
            else { right = stack("spins ", "chained "); other = "(spin|chain) " }
            if (s ~ right) whole++
            else if (s ~ other) mixed++
        }
        /^tick/ { if (n++) judge(); name = $2; s = ""; next }
        { sub(/\+.*/, "", $1); s = s $1 " " }
        END { judge(); print n + 0, whole + 0, mixed + 0 }' "$scratch/out")
    echo "# $whole of $all ticks are whole; $mixed have functions of another program"
    [[ $status = 0 ]] && ! said 'name one: -x PID' && ((all > 100 && whole * 10 > all * 7 && !mixed))
}
check 'nobody is named' of_everybody
finish
