#!/bin/bash
#
# Files of a program that are not as usual: a variable in a library that the program loads by
# itself, as nginx does with ngx_lua where it is a dynamic module; LuaJIT in files of other names; a
# library that may not be read; programs of 32 bits.
#
# Needs, for the first two: root and eBPF. About 5 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

cat >"$scratch/plugin.c" <<'END_C'
int plugin_number = 41;
int plugin_next(void) { return ++plugin_number; }
END_C
cat >"$scratch/host.c" <<'END_C'
#include <dlfcn.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    void *lib = dlopen(argv[1], RTLD_NOW);
    int (*next)(void) = lib ? (int (*)(void))dlsym(lib, "plugin_next") : 0;
    if (!next)
        return 1;
    next();
    for (;;)
        usleep(1000);
}
END_C
${CC:-cc} -g -shared -fPIC -o "$scratch/libplugin.so" "$scratch/plugin.c"
${CC:-cc} -g -o "$scratch/host" "$scratch/host.c"

if ((UID == 0)); then
    "$scratch/host" "$scratch/libplugin.so" &
    host=$!
    pids+=("$host")
    sleep 0.2
    trace -x "$host" \
        -e 'probe perf.sw.cpu_clock, timer.s(1) { printf("%d\n", @var("plugin_number")) exit() }'
    check 'a variable that the executable lacks is found in the library that has it' \
        eval 'test "$status" = 0 && printed "^42$"'
    trace -x "$host" -p2 -e 'probe begin { println(@var("plugin_numbr")) }'
    check 'one that is nowhere is not' eval \
        'test "$status" = 1 && said "has no variable .plugin_numbr"'

    # Of a stripped library nobody knows the types; the executable declares the variable's.
    echo 'struct state { int unused; long value; } plugin_state = {1, 4711};' >"$scratch/state.c"
    cat >"$scratch/user.c" <<'END_C'
#include <unistd.h>
extern struct state { int unused; long value; } plugin_state;
int main(void)
{
    plugin_state.value++;
    for (;;)
        usleep(1000);
}
END_C
    ${CC:-cc} -s -shared -fPIC -o "$scratch/libstate.so" "$scratch/state.c"
    ${CC:-cc} -g -fPIC -pie -o "$scratch/user" "$scratch/user.c" "$scratch/libstate.so" \
        -Wl,-rpath,"$scratch"
    "$scratch/user" &
    user=$!
    pids+=("$user")
    sleep 0.2
    trace -x "$user" -e 'probe perf.sw.cpu_clock, timer.s(1) {
        println(@var("plugin_state")->value, @defined(@var("plugin_stat"))) exit() }'
    check '... also in a stripped one, with the type that the executable declares' \
        eval 'test "$status" = 0 && printed "^47120$"'
else
    skip 'a variable of another module' 'needs root'
fi

if ((UID == 0)); then
    "$ngstap" -I tapset -e 'probe begin { while (1) n++ } global n probe end { println(n) }' -D \
        MAXACTION=1000000000 \
        -c "sleep 23.75" >"$scratch/out" 2>"$scratch/err" </dev/null &
    tracer=$!
    pids+=("$tracer")
    command=''
    for _ in {1..100}; do
        read -r command _ <"/proc/$tracer/task/$tracer/children" || :
        # Stopped by ngstap, not by ptrace any more: the begin handler runs.
        [[ -z $command ]] || ! grep -q '^State:.*T (stopped)' "/proc/$command/status" 2>/dev/null ||
            break
        sleep 0.05
    done
    kill -KILL "$tracer"
    ended() { for _ in {1..40}; do [[ -d /proc/$command ]] ||
        return 0; sleep 0.05; done; return 1; }
    check 'a command is not left stopped when ngstap is killed before it is armed' \
        eval '[[ $command ]] && ended'
fi

echo 'int g = 5; int f(int a, int b) { return a + b + g; } int main(void) { return f(1, 2); }' \
    >"$scratch/small.c"
if ${CC:-cc} -m32 -g -o "$scratch/small32" "$scratch/small.c" 2>"$scratch/err"; then
    for what in 'println($a)' 'println(int_arg(1))' 'println(@var("g"))'; do
        trace -p2 -e "probe process(\"$scratch/small32\").function(\"f\") { $what }"
        check "a program of 32 bits: $what is refused, and why is said" \
            eval 'test "$status" = 1 && said "small32 is a program of 32 bits"'
    done
    status=0
    "$ngstap" types --module "$scratch/small32" -C int >"$scratch/out" 2>"$scratch/err" || status=$?
    check 'and its types' eval 'test "$status" = 1 && said "small32 is a program of 32 bits"'
else
    skip 'programs of 32 bits' 'the compiler does not make them (Debian: lib32gcc-12-dev libc6-dev-i386)'
fi

# ---- a file that holds LuaJIT

cat >"$scratch/lua.c" <<'END'
#ifdef LUAJIT
int luaJIT_setmode(void *l, int index, int mode) { return l && index + mode; }
#endif
#ifdef VERSION
const char *volatile version = VERSION;
#endif
END
cat >"$scratch/static.c" <<'END'
#include <dlfcn.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    return argc > 1 && !dlopen(argv[1], RTLD_NOW) ? 1 : pause();
}
END
echo 'probe begin { println("$^libluajit_path") }' >"$scratch/static.sxx"
# holds WHAT PATH FLAG...: a program, or a library that one loads, linked with those FLAGs.
holds() {
    local what=$1 path=$2 pid library=()
    if [[ $path = *.so ]]; then
        ${CC:-cc} -shared -fPIC "${@:3}" -o "$path" "$scratch/lua.c"
        ${CC:-cc} -o "$scratch/static" "$scratch/static.c"
        library=("$path")
    else
        ${CC:-cc} "${@:3}" -o "$path" "$scratch/static.c" "$scratch/lua.c"
    fi
    "$scratch/static" "${library[@]}" &
    pid=$!
    pids+=("$pid")
    for _ in {1..200}; do
        ! grep -q "$path" "/proc/$pid/maps" || break
        sleep 0.05
    done
    trace -p2 -x "$pid" "$scratch/static.sxx"
    kill "$pid"
    check "libluajit is linked into $what (${*:3}): its path, and not a word" \
        eval 'printed "println..$path" && test "$status" = 0 -a ! -s "$scratch/err"'
}
version='-DVERSION="LuaJIT 2.1.0-beta3"'
holds 'the executable' "$scratch/static" -g -DLUAJIT
holds 'the executable' "$scratch/static" -rdynamic -s -DLUAJIT
holds 'the executable' "$scratch/static" -s "$version"
holds 'a library of another name' "$scratch/other.so" -s -DLUAJIT
holds 'a library of another name' "$scratch/other.so" -s "$version"
${CC:-cc} -s '-DVERSION="it is no LuaJIT 2.1"' -o "$scratch/none" "$scratch/static.c" \
    "$scratch/lua.c"
"$scratch/none" &
pids+=("$!")
trace -p2 -x "$!" "$scratch/static.sxx"
check 'it is nowhere: that is only assumed, and said' said \
    'libluajit is not found, assuming it is statically linked'
kill "$!"
${CC:-cc} -s '-DVERSION="$Lua: Lua 5.1.5 Copyright (C) 1994-2012 Lua.org, PUC-Rio $"' \
    -o "$scratch/puc" "$scratch/static.c" "$scratch/lua.c"
"$scratch/puc" &
pids+=("$!")
trace -p2 -x "$!" -e 'probe begin { println(@cast(0, "GG_State", "$^libluajit_path")->g) }'
check "PUC-Rio's Lua, stripped: said so" \
    said "Lua of process $! is PUC-Rio's, in $scratch/puc: this script reads LuaJIT's only"
kill "$!"

# A user's own program may have loaded what that user can no longer read; root can read all.
if ((UID == 0)) && command -v setpriv >/dev/null; then
    cp "$scratch/libplugin.so" "$scratch/libfoo.so"
    chown 65534 "$scratch/libfoo.so"
    setpriv --reuid=65534 --regid=65534 --clear-groups "$scratch/host" "$scratch/libfoo.so" &
    host=$!
    pids+=("$host")
    sleep 0.2
    chmod 0 "$scratch/libfoo.so"
    cp "$ngstap" "$scratch/ngstap"
    echo 'probe begin { println("$^libfoo_path") }' >"$scratch/library.sxx"
    status=0
    setpriv --reuid=65534 --regid=65534 --clear-groups "$scratch/ngstap" -p2 -x "$host" \
        "$scratch/library.sxx" \
        >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    check 'a library that cannot be read is not told to be linked statically' \
        eval 'test "$status" = 1 && said "libfoo.so, which process .* Permission denied" &&
            ! said statically'
else
    skip 'a library that cannot be read' 'needs root and setpriv'
fi

# Wildcards in a program's path: each program or library that matches, once.
mkdir -p "$scratch/one" "$scratch/two" "$scratch/root/out" "$scratch/root/in"
echo 'int main(void) { return 0; }' | ${CC:-cc} -g -x c -o "$scratch/one/prog" -
cp "$scratch/one/prog" "$scratch/two/prog-2"
ln -s prog-2 "$scratch/two/prog-again"
echo text >"$scratch/two/prog.txt"
printf '%s\n' "$scratch"/{one/prog,two/prog-2,two/prog-again} >"$scratch/run"
points() { "$ngstap" -l "$1" | sed "s|$scratch/||g" | sort | tr '\n' ' '; }
points "process(\"$scratch/*o*/pro*\").function(\"main\")" | sed 's/@[^"]*//g' >"$scratch/points"
check 'the files that a path matches' test "$(<"$scratch/points")" = \
    'process("one/prog").function("main") process("two/prog-2").function("main") '
if ((UID == 0)); then
    check '... are probed' last_line_is '3 1 2' -c "sh $scratch/run" -e '
        global n
        probe process("'"$scratch"'/*o*/pro*").function("main") { n[pp() =~ "one/prog"]++ }
        probe end { println(n[0] + n[1], " ", n[1], " ", n[0]) }'
else
    skip '... are probed' 'needs root'
fi
check 'none is an error' fails_with "no such file: '$scratch/three/*'" \
    -p2 -e 'probe process("'"$scratch"'/three/*").function("main") { }'
check '... that ? passes over' run_once \
    -p2 -e 'probe begin { } probe process("'"$scratch"'/three/*").function("main")? { }'
check 'what none of them has is an error' fails_with "no function is named 'mane'" \
    -p2 -e 'probe process("'"$scratch"'/*o*/pro*").function("mane") { }'
ln -s "$scratch/one" "$scratch/root/out/link"
cp "$scratch/one/prog" "$scratch/root/in/prog"
check 'links do not lead out of a sysroot' fails_with 'no such file' --sysroot "$scratch/root" \
    -p2 -e 'probe process("/out/*/prog").function("main") { }'
check '... and what is in it is found' run_once --sysroot "$scratch/root" \
    -p2 -e 'probe process("/i?/prog").function("main") { }'
finish
