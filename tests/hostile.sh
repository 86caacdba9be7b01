#!/bin/bash
#
# What the target says becomes neither code nor structure nor control characters (docs/security.md):
# programs and libraries in files of hostile names are traced, and each way a path takes into a
# script must give that path and nothing else: a run, an object, the expanded script, the one
# printed for stap, messages. Needs root. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $(id -u) = 0 ]] || skip_all 'uprobes need root'

cat >"$scratch/evil.c" <<'EOF'
__attribute__((noinline)) int evil(int n)
{
    __asm__ volatile("");
    return n * 7;
}
EOF
cat >"$scratch/program.c" <<'EOF'
#include <dlfcn.h>
#include <unistd.h>
__attribute__((noinline)) int work(int n)
{
    __asm__ volatile("");
    return n + 1;
}
int main(int argc, char **argv)
{
    int (*evil)(int) = (int (*)(int))dlsym(dlopen(argv[1], RTLD_NOW), "evil");

    for (int i = 0; i < 6000; i++) {
        work(3);
        evil(4);
        usleep(10000);
    }
}
EOF
${CC:-cc} -g -O1 -shared -fPIC -Wl,-soname,libevil.so -o "$scratch/libevil.so" "$scratch/evil.c"
${CC:-cc} -g -O1 -o "$scratch/program" "$scratch/program.c" -ldl

cat >"$scratch/script.sxx" <<'EOF'
@define say(format) %( printf(@format) %)
// $^exec_path $^libevil_path
# $^exec_path
/* $^exec_path *$^exec_path */
$*n := @cast(0, "int", "$^exec_path")
%( "$^exec_path" == "" %? this is wrong %)
probe begin {
    println("$^exec_path")
    println("x", "" /* $^libevil_path */, "$^libevil_path")
    printf("%d:$^exec_path:%d\n", 1, 2)
    printf("%d:" "$^exec_path" ":%d\n" /* $^exec_path */, 1, 2)
    print(sprintf /* " */ ("$^libevil_path\n"))
    @say("$^exec_path\n")
}
probe @pfunc(work), process("$^libevil_path").function("evil") {
    printf("%s\n", pp() . probefunc())
    seen[probefunc()] = 1
    if ("work" in seen && "evil" in seen) exit()
}
global seen
EOF

# wanted PATH LIBRARY [LAST]: what the script prints before it hits
wanted() {
    printf '%s\n' "$1" "x$2" "1:$1:2" "1:$1:2" "$2" "${3:-$1}"
}

begins_as_wanted() { # FILE
    cmp -s "$scratch/wanted" <(head -c "$(stat -c %s "$scratch/wanted")" "$1")
}

# A kernel's build directory, as far as pass 1 looks at it.
mkdir -p "$scratch/kernel/include/config"
touch "$scratch"/kernel/{.config,Makefile,Module.symvers}
echo 6.1.0 >"$scratch/kernel/include/config/kernel.release"
stap_parses() { stap -p1 -r "$scratch/kernel" "$1" >"$scratch/stap.tree" 2>"$scratch/err" \
    </dev/null; }

clean_file() { # FILE: no control characters, but line ends
    ! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$1"
}

both_hit() {
    LC_ALL=C grep -qaE '^process.*/libevil.so"\).function\("evil@.*"\)evil$' "$scratch/out" &&
        LC_ALL=C grep -qaE '^process.*"work@.*"\)work$' "$scratch/out"
}

# The file that shows that a name was run; programs run in $scratch/cwd.
mkdir "$scratch/cwd"
not_run() { [[ -z $(ls "$scratch/cwd") ]]; }

one() { # FOLDER NAME
    local dir=$scratch/$1 path lib pid hits label
    label=$(printf '%q' "$1/$2")
    mkdir -p "$dir"
    path=$dir/$2
    lib=$dir/libevil.so
    cp "$scratch/program" "$path"
    cp "$scratch/libevil.so" "$lib"
    "$path" "$lib" &
    pid=$!
    pids+=("$pid")
    for _ in {1..200}; do
        ! grep -q libevil "/proc/$pid/maps" || break
        sleep 0.02
    done
    wanted "$path" "$lib" >"$scratch/wanted"

    cd "$scratch/cwd"
    trace -x "$pid" "$scratch/script.sxx"
    check "$label: runs" test "$status" = 0
    check "$label: is text" begins_as_wanted "$scratch/out"
    hits=$(tail -n +"$(($(wc -l <"$scratch/wanted") + 1))" "$scratch/out")
    check "$label: both files are probed" both_hit
    check "$label: pp() is one clean line" clean_file <(cat <<<"$hits")

    "$ngstap" --dump-src -x "$pid" "$scratch/script.sxx" >"$scratch/plain.stp" 2>"$scratch/err" \
        </dev/null || :
    check "$label: --dump-src has its lines" test "$(wc -l <"$scratch/plain.stp")" \
        = "$(wc -l <"$scratch/script.sxx")"
    LC_ALL=C sed -i 's/@say(.*/println("as before")/' "$scratch/plain.stp"
    wanted "$path" "$lib" 'as before' >"$scratch/wanted"
    ! type stap >/dev/null 2>&1 || check "$label: ... which SystemTap parses" stap_parses \
        "$scratch/plain.stp"
    if [[ $path != *'$^'* ]]; then # that is a macro to us still, and to stap it is text
        trace -x "$pid" "$scratch/plain.stp"
        check "$label: --dump-src is a script that means the same" begins_as_wanted "$scratch/out"
    fi

    wanted "$path" "$lib" >"$scratch/wanted"
    trace -p4 -m object -x "$pid" "$scratch/script.sxx"
    trace -x "$pid" object.bpf.o
    rm -f object.bpf.o
    check "$label: an object says the same" begins_as_wanted "$scratch/out"

    trace --dump-stap -x "$pid" "$scratch/script.sxx"
    cp "$scratch/out" "$scratch/stap.stp"
    check "$label: the script for stap is clean" clean_file "$scratch/stap.stp"
    if [[ $status = 0 ]]; then
        "$builddir/tests/unit/syntax_print" -g "$scratch/stap.stp" >"$scratch/out" \
            2>"$scratch/err" || status=$?
        check "$label: ... and parses" test "$status" = 0
    else
        check "$label: ... or is refused, with a reason" said 'SystemTap cannot'
    fi

    trace -x "$pid" -e 'probe begin { x = $^exec_path exit() }'
    check "$label: outside a string it is refused" test "$status" = 1
    check "$label: ... by name, on clean lines" clean_file "$scratch/err"
    trace -x "$pid" -e 'probe process("$^exec_path").function("no_such") { exit() }'
    check "$label: messages are clean lines" clean_file "$scratch/err"
    check "$label: nothing was run" not_run
    cd - >/dev/null
    kill "$pid"
}

if [[ ${1:-} != names ]]; then # "names": only what follows these
one plain 'x") system("id>PWNED") println("'
one plain 'app %s%d", system("id >PWNED"), "'
one plain $'line\nprobe begin { system("id>PWNED") }'
one plain $'tab\tescape\e]0;PWNED\a del\x7f'
one plain '100%'
one plain '%n%s%%d%'
one plain 'back\slash\n\\"\'
one plain 'a:b'
one plain '$^arg_x $*n @use m @pfunc(x) $1 @1'
one plain '%{ system("id>PWNED") %}'
one plain '%( 1 == 1 %? bad %)'
one plain $'\xe6\xa0\xb9 \xf0\x9f\x94\xa5 \xff\xfe'
one 'ends*' 'x'
one 'a") system("id>PWNED") println("' 'y'
one $'l\ni\tb%s\\:*' 'z'
one '?[a-z]{b}' '*'
fi
# ---- names that become lines of a stack

cat >"$scratch/names.c" <<'EOF'
#include <sys/prctl.h>
typedef struct lua_State lua_State;
lua_State *luaL_newstate(void);
void luaL_openlibs(lua_State *);
int luaL_loadstring(lua_State *, const char *);
int lua_pcall(lua_State *, int, int, int);
int main(void)
{
    lua_State *L = luaL_newstate();

    prctl(PR_SET_NAME, "two\nlines\033[1m");
    luaL_openlibs(L);
    luaL_loadstring(L, "jit.off() local f = loadstring('for i = 1, 1e10 do if i % 1e8 == 0 and os.clock() > 60 then return "
                       "end end', '=innocent:1\\n99\\nforged\\t7\\r\\27]0;title') f()");
    return lua_pcall(L, 0, 0, 0);
}
EOF
if [[ -n ${NGSTAP_TARGETS:-} ]]; then
    lib=$NGSTAP_TARGETS/gc64/srv/openresty/luajit/lib
    ${CC:-cc} -g -o "$scratch/names" "$scratch/names.c" "$lib/libluajit-5.1.so.2" -Wl,-rpath,"$lib"
    "$scratch/names" &
    names_pid=$!
    pids+=("$names_pid")
    sleep 0.5
    trace samples/lj-lua-stacks.sxx -x "$names_pid" --arg time=1 --arg min=0
    check 'a chunk name with line ends is one frame' printed \
        '^innocent:1\?99\?forged\?7\?\?\]0;title:|^=innocent:1\?99\?forged\?7\?\?\]0;title:'
    check '... and no count' test -z "$(grep -nE '^([0-9]+|forged.*)$' "$scratch/out")"
    trace samples/lj-lua-stacks.sxx -x "$names_pid" --arg time=1 --arg min=0 --format folded
    check '... in what is made of it, too' test "$(grep -c 'innocent:1?99?forged' "$scratch/out")" \
        -ge 1
    trace -x "$names_pid" \
        -e 'probe timer.profile { if (pid() == target()) { println(execname()) exit() } }'
    check "a thread's name is one line" printed '^two\?lines\?\[1m$'
    trace -x "$names_pid" -e 'probe begin { println(pid2execname(target())) exit() }'
    check '... by its number, too' printed '^two\?lines\?\[1m$'
else
    skip 'names of chunks and threads' 'NGSTAP_TARGETS is not set'
fi

# ---- a terminal is not steered by what the target holds

# The bytes come out of a string that a handler is given, as a target's would; the script's own
# format may hold any.
steer='probe begin { s = "name\033]0;title\007\r\n\tend\x7f\303\251\n"
    printf("own \033[1m%s\033[0m", s) print(s) warn(s) printf("%c%c|\n", 27, 91) exit() }'
raw() { LC_ALL=C grep -qa $'name\e]0;title\a\r' "$1"; }
shown() { LC_ALL=C grep -qaF 'name\x1b]0;title\x07\x0d' "$1"; }
trace -e "$steer"
check 'a file gets the bytes' raw "$scratch/out"
check '... of a warning, too' raw "$scratch/err"
if command -v script >/dev/null; then
    script -qec "'$ngstap' -e '$steer'" "$scratch/tty" </dev/null >/dev/null 2>&1 || :
    check 'a terminal gets escapes' shown "$scratch/tty"
    check '... and nothing else' test -z "$(raw "$scratch/tty" && echo raw)"
    check '... line ends, tabs and letters stay' grep -qaF $'\tend\\x7f\303\251' "$scratch/tty"
    check "... and so does what is the script's own" grep -qaF $'own \e[1mname' "$scratch/tty"
    check '... a character is shown, too' grep -qaF '\x1b[|' "$scratch/tty"
else
    skip 'a terminal' 'no script(1)'
fi

# ---- modules that others could have put there

run_in() { # FOLDER ARGUMENT...: ngstap with its own tapset
    status=0
    (cd "$1" && exec timeout 40 "$ngstap" "${@:2}") >"$scratch/out" 2>"$scratch/err" </dev/null ||
        status=$?
}

mkdir "$scratch/theirs" "$scratch/ours"
for folder in theirs ours; do
    echo 'function whose() { return "here" }' >"$scratch/$folder/mine.sxx"
    echo 'syntax error here' >"$scratch/$folder/luajit.sxx"
    cp "$scratch/$folder/luajit.sxx" "$scratch/$folder/nginx.sxx"
    mkdir "$scratch/$folder/tapset"
    echo 'function beside() { return "beside" }' >"$scratch/$folder/tapset/beside.stp"
    printf '@use mine\nprobe begin { println(whose()) println(beside()) exit() }\n' \
        >"$scratch/$folder/script.sxx"
done
use='@use mine
probe begin { println(whose()) exit() }'
run_in "$scratch/ours" -e "$use"
check 'a module of ours in "." is taken' printed '^here$'
for how in 'chmod 1777' 'chmod 777' 'chown 65534' 'chmod 775 --'; do
    chown 0:65534 "$scratch/theirs"
    chmod 755 "$scratch/theirs"
    $how "$scratch/theirs"
    run_in "$scratch/theirs" -e "$use"
    check "$how: is not" test "$status" = 1
    check '... which is said' said "the module mine.sxx is not taken: .*folder"
    run_in "$scratch/theirs" -I . -e "$use"
    check '... but for -I' printed '^here$'
done
chmod 755 "$scratch/theirs"
chown -R 65534 "$scratch/theirs"
run_in "$scratch/theirs" script.sxx
check 'who wrote the script may give it modules' printed '^here$'
check '... and functions' printed '^beside$'
chmod 777 "$scratch/theirs/tapset"
run_in "$scratch/theirs" script.sxx
check 'what everyone can write to is left out' said 'no functions are taken from tapset: everyone'

"$scratch/program" "$scratch/libevil.so" &
pids+=($!)
run_in "$scratch/ours" flame -x $! -t 1
check 'our own scripts take no module from "."' test -z \
    "$(grep -F 'syntax error here' "$scratch/err")"
run_in "$scratch/ours" --dump-src -x $! "$builddir/samples/lj-lua-stacks.sxx"
check '... by their path, too' test "$status" = 0
finish
