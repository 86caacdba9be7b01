#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Packs: what scripts ask of a build's debug information, in a small file. A program of ours: what a
# script reads by the pack is what the program says; where packs are found and which are refused;
# packs that are cut, damaged, hostile. Then nginx and LuaJIT: both in less than 1 MiB; all types,
# functions and their parameters by the pack are those by DWARF, and the shares of a profile of the
# stripped ones, which have no debug files within reach, are the true ones (shares.sh).
#
# Needs a compiler, python3, strip; root, eBPF and NGSTAP_TARGETS for the targets. About 40 s.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=shares.sh
. tests/shares.sh

for tool in python3 strip ar; do
    command -v "$tool" >/dev/null || skip_all "no $tool"
done
export DEBUGINFOD_URLS='' XDG_CACHE_HOME=$scratch/cache XDG_DATA_HOME=$scratch/data
packs=$XDG_DATA_HOME/ngstap/packs

# ---- a program, built twice

build() { # NAME VALUE
    cat >"$scratch/$1.c" <<END
struct list { struct list *next; unsigned low : 3, high : 7; long value; };
enum colour { RED, GREEN = $2 };
union either { int i; struct { char c; enum colour colour; }; };
typedef struct list list_t;
list_t list = {0, 5, 99, $2};
static union either either = {$2};
__attribute__((noinline)) long visit(list_t *of, short times)
{
    __asm__ volatile("" : : "r"(of), "r"((long)times), "m"(either) : "memory");
    return of->value;
}
int main(void) { return visit(&list, -7) == 0; }
END
    ${CC:-cc} -g -O2 -Wl,--build-id -o "$scratch/$1.full" "$scratch/$1.c"
    strip -o "$scratch/$1" "$scratch/$1.full"
    status=0
    "$ngstap" pack "$scratch/$1.full" -o "$scratch/$1.pack" >"$scratch/out" 2>"$scratch/err" ||
        status=$?
    check "a pack of $1 is made" test "$status" = 0
    check '... and told, with its build-id' said "full: build-id $(id_of "$scratch/$1"), [0-9]+ KiB"
}
id_of() { readelf -n "$1" 2>/dev/null | sed -n 's/.*Build ID: //p'; }
build one 4711
build other 815

# ask ARGUMENT...: analyses a script on the stripped program; what it reads is in the tree.
script='probe process("'$scratch'/one").function("visit") {
    println(@var("list")->value, @enum("GREEN"), $of->high, $times,
        @cast(1, "union either")->colour)
}
probe process("'$scratch'/one").function("visit").return {
    println($return, @var("either@one.c")->i)
}'
ask() { trace -p3 --dump-ir --exec "$scratch/one" -e "$script" "$@"; }

cp "$scratch/one" "$scratch/kept"
cp "$scratch/one.full" "$scratch/one"
ask
check 'with its debug information: no error' test "$status" = 0
cp "$scratch/out" "$scratch/by-dwarf"
cp "$scratch/kept" "$scratch/one"
by_dwarf() { [[ $status = 0 ]] && diff "$scratch/out" "$scratch/by-dwarf" >"$scratch/difference"; }

ask
check 'stripped: an error' test "$status" = 1
check '... that names the places where packs are' \
    said "looked for .*, $packs/\*\.pack, /usr/share/"
check '... and the command that makes one' said \
    "of build-id $(id_of "$scratch/one") is: ngstap pack $scratch/one -o one\.pack, to be .*-d one\."
ask -d "$scratch/one.pack"
check 'with -d: the same code as by DWARF' by_dwarf
ask -v -d "$scratch/one.pack"
check '-v says what is used' said "one: from the pack $scratch/one.pack"
ask --no-debuginfo=pack -d "$scratch/one.pack"
check 'a pack that is forbidden is not used' test "$status" = 1
cp "$scratch/one.full" "$scratch/one"
ask -v --no-debuginfo=dwarf -d "$scratch/one.pack"
check 'a pack is used where DWARF is forbidden' eval 'by_dwarf && said "from the pack"'
cp "$scratch/kept" "$scratch/one"
DEBUGINFOD_URLS=http://127.0.0.1:9 ask -v -d "$scratch/one.pack"
check 'a pack that -d names is asked before any server' eval 'by_dwarf && ! said 127.0.0.1'
ask --no-debuginfo=quux
check 'no other word is taken' said 'it is dwarf, debuginfod, pack or layout'
ask -d "$scratch/nonesuch.pack"
check 'a pack that is not there: an error' said '-d: No such file or directory: .*nonesuch\.pack'

mkdir -p "$packs"
cp "$scratch/other.pack" "$scratch/one.pack" "$packs"
ask -v
check 'a pack in the folder is found' by_dwarf
check '... and -v says each step' said "one: none at /usr/lib/debug/"
chmod o+w "$packs/one.pack"
ask
check '... not when everyone can write to it' \
    eval 'test "$status" = 1 && said "not usable: $packs/one.pack: others than root"'
rm -r "$packs"

ask -d "$scratch/other.pack"
check 'a pack of another build: an error' test "$status" = 1
check '... that names both builds' said \
    "$(id_of "$scratch/one").*other\.pack: it is of another build \(build-id $(id_of \
        "$scratch/other")\)"
(cd "$scratch" && mkdir both && cd both && ar x ../one.pack && ar x ../other.pack &&
    ar rc ../both.pack ./*.debug)
ask -d "$scratch/both.pack"
check 'one pack of both, by ar(1)' by_dwarf
(cd "$scratch/both" && cp "$(id_of ../other).debug" "$(id_of ../one).debug" &&
    ar rc ../false.pack "$(id_of ../one).debug")
ask -d "$scratch/false.pack"
check 'a member under a false name is refused, too' said \
    "false\.pack: it is of another build \(build-id $(id_of "$scratch/other")\)"

"$ngstap" types -C 'list_t,enum colour,union either' --module "$scratch/one" \
    -d "$scratch/one.pack" >"$scratch/types" 2>"$scratch/err" || :
cp "$scratch/one.full" "$scratch/one"
"$ngstap" types -C 'list_t,enum colour,union either' --module "$scratch/one" \
    >"$scratch/out" 2>"$scratch/err" || :
cp "$scratch/kept" "$scratch/one"
check 'ngstap types reads packs' eval 'grep -q value "$scratch/out" &&
    diff "$scratch/types" "$scratch/out" >"$scratch/difference"'
readable=$script
script='probe begin { println(@cast(0, "quux")->value) }'
ask
check 'a type that nobody knows: an error that names it' said "asked for the type 'quux'"
ask -d "$scratch/one.pack"
check 'a type that the pack has not: an error' said "/one has no type 'quux'"

# dwz has moved what two programs share into a third file, which a pack has no need of.
if command -v dwz >/dev/null; then
    cp "$scratch/one.full" "$scratch/shortened"
    cp "$scratch/other.full" "$scratch/beside"
    dwz -m "$scratch/common.debug" "$scratch/shortened" "$scratch/beside" 2>"$scratch/err" || :
    check 'dwz makes a common file' grep -q gnu_debugaltlink "$scratch/shortened"
    "$ngstap" pack "$scratch/shortened" -o "$scratch/shortened.pack" 2>"$scratch/err" || :
    rm -f "$scratch/common.debug"
    script=$readable
    ask -d "$scratch/shortened.pack"
    check 'a pack of a file that dwz has shortened: the same code' by_dwarf
    status=0
    "$ngstap" pack "$scratch/shortened" -o "$scratch/none.pack" 2>"$scratch/err" || status=1
    check '... and none without the common file, which is told' \
        eval 'test "$status" = 1 && said "supplementary debug file"'
else
    skip 'a pack of a file that dwz has shortened' 'no dwz'
fi

# What lies below a sysroot is the target's: no pack of it is looked into.
mkdir -p "$scratch/root/usr/share/ngstap/packs" "$scratch/root$packs"
cp "$scratch/one" "$scratch/root/one"
cp "$scratch/one.pack" "$scratch/root/usr/share/ngstap/packs"
cp "$scratch/one.pack" "$scratch/root$packs"
script='probe process("/one").function("visit") { println($of->value) }'
trace -p2 --sysroot "$scratch/root" --exec /one -e "$script"
check 'packs below a sysroot are not looked into' eval 'test "$status" = 1 && said "$packs"'
trace -p2 --sysroot "$scratch/root" --exec /one -d "$scratch/one.pack" -e "$script"
check '... but one that is given serves it' test "$status" = 0

# ---- damage

script='probe process("'$scratch'/one").function("visit") {
    println($of->value, @var("either")->i)
}'
# refused_or_read PACK: there is an answer or an error, soon and with little memory, and no crash.
refused_or_read() {
    (
        ulimit -t 20
        grep -q __asan_init "$ngstap" || ulimit -v 1500000
        exec "$ngstap" -I tapset -p2 --exec "$scratch/one" -e "$script" -d "$1"
    ) >"$scratch/out" 2>"$scratch/err" </dev/null && return
    [[ $? = 1 ]] && said 'error:'
}
size=$(stat -c %s "$scratch/one.pack")
all_cuts() {
    local at
    for at in 0 1 7 8 9 30 67 68 69 100 150 180 $((size / 2)) $((size - 1)); do
        head -c "$at" "$scratch/one.pack" >"$scratch/cut.pack"
        refused_or_read "$scratch/cut.pack" || return
        said 'cut\.pack: (it is (no pack|cut short)|its table of names|it is of other builds)' ||
            return
    done
}
check 'cut short, anywhere: refused' all_cuts
cat >"$scratch/damage.py" <<'END'
import random, sys
data = bytearray(open(sys.argv[1], "rb").read())
random.seed(int(sys.argv[3]))
for _ in range(random.choice([1, 1, 4, 64])):
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
open(sys.argv[2], "wb").write(data)
END
damaged() {
    local seed
    for seed in {1..30}; do
        python3 "$scratch/damage.py" "$scratch/one.pack" "$scratch/bad.pack" "$seed"
        refused_or_read "$scratch/bad.pack" || { echo "seed $seed" >>"$scratch/err"; return 1; }
    done
}
check 'bits that are turned over: an answer or an error' damaged
# The DWARF itself, uncompressed, so that no checksum stands before it.
(cd "$scratch/both" && ar x ../one.pack &&
    objcopy --decompress-debug-sections "$(id_of ../one).debug" &&
    rm ../one.pack && ar rc ../one.pack "$(id_of ../one).debug")
ask -d "$scratch/one.pack"
check 'a pack that is not compressed' test "$status" = 0
check '... and damaged' damaged
# A member that says it expands to 2^60 bytes.
cat >"$scratch/bomb.py" <<'END'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
at = data.index(b"\x7fELF")
shoff, = struct.unpack_from("<Q", data, at + 40)
n, = struct.unpack_from("<H", data, at + 60)
for i in range(n):
    head = at + shoff + 64 * i
    flags, _, offset = struct.unpack_from("<QQQ", data, head + 8)
    if flags & 0x800:
        struct.pack_into("<Q", data, at + offset + 8, 1 << 60)
open(sys.argv[2], "wb").write(data)
END
python3 "$scratch/bomb.py" "$scratch/other.pack" "$scratch/bomb.pack"
cp "$scratch/other" "$scratch/one"
check 'sections that would expand to 2^60 bytes: refused' \
    eval 'refused_or_read "$scratch/bomb.pack" && said "MiB of memory|not usable"'
printf '!<arch>\n%-16s%-12s%-6s%-6s%-8s%-10s`\n' // 0 0 0 0 9999999999 >"$scratch/long.pack"
check 'a table of names without an end: refused' \
    eval 'refused_or_read "$scratch/long.pack" && said "long\.pack: it is cut short"'
printf 'no archive' >"$scratch/text.pack"
check 'what is no archive: refused' \
    eval 'refused_or_read "$scratch/text.pack" && said "text\.pack: it is no pack"'
${CC:-cc} -g -Wl,--build-id=none -o "$scratch/without" "$scratch/one.c"
check 'no pack of what has no build-id' fails_with 'it has no build-id' pack "$scratch/without" \
    -o "$scratch/without.pack"
check 'no pack of what has no debug information' fails_with 'no debug information for' \
    pack "$scratch/one" -o "$scratch/without.pack"
check '... and no file' test ! -e "$scratch/without.pack"

# ---- nginx and LuaJIT

[[ -n ${NGSTAP_TARGETS:-} ]] || { finish; exit; }
full=$NGSTAP_TARGETS/gc64/srv/openresty
nginx=$full/nginx/sbin/nginx luajit=$full/luajit/lib/libluajit-5.1.so.2
"$ngstap" pack "$nginx" "$luajit" -o "$scratch/both.pack" 2>"$scratch/err" || :
size=$(stat -c %s "$scratch/both.pack")
check "nginx and LuaJIT together: $size bytes, less than 1 MiB" test "$size" -lt 1048576

# by_both FILE COMMAND...: prints the same of FILE by its DWARF as of a stripped copy by the pack.
by_both() {
    local file=$1
    cp "$file" "$scratch/file"
    "${@:2}" >"$scratch/by-dwarf" 2>"$scratch/err" || return
    strip "$scratch/file"
    "${@:2}" -d "$scratch/both.pack" >"$scratch/out" 2>"$scratch/err" || return
    echo "# $(wc -l <"$scratch/out") lines"
    diff "$scratch/by-dwarf" "$scratch/out" >"$scratch/difference"
}
code() { # SCRIPT: of functions in the file
    by_both "$1" "$ngstap" -I tapset -p3 --dump-ir --exec "$scratch/file" \
        -e "${2//FILE/$scratch/file}"
}
parameters='probe process("FILE").function("PATTERN") { println($$parms) }
probe process("FILE").function("PATTERN").return { println($$return) }'
check 'parameters and results of LuaJIT, by the pack as by DWARF' \
    code "$luajit" "${parameters//PATTERN/l*}"
check 'parameters and results of nginx and its modules' \
    code "$nginx" "${parameters//PATTERN/ngx_http_*}"
types() { # FILE TYPES
    by_both "$1" "$ngstap" types --deep --module "$scratch/file" -C "$2"
}
check 'types of LuaJIT and what they lead to' types "$luajit" \
    'GG_State,jit_State,lua_State,GCobj,GCproto,GCtrace,CTState,LexState,FuncState'
lua_types=ngx_http_lua_main_conf_t,ngx_http_lua_ctx_t
check 'types of nginx and what they lead to' types "$nginx" \
    "ngx_cycle_t,ngx_module_t,ngx_http_request_t,ngx_http_conf_ctx_t,ngx_event_t,$lua_types"
check 'names of functions and where they are declared' by_both "$luajit" \
    eval '"$ngstap" -l "process(\"$scratch/file\").function(\"*\")"'
check 'variables' code "$nginx" 'probe process("FILE").function("main") {
    println(@var("ngx_cycle")->log, @var("ngx_modules")[0]->name, @var("ngx_pid"),
        @var("ngx_http_log_module_ctx")->create_main_conf, @defined(@var("ngx_http_lua_module")),
        @defined(@var("nonesuch")))
}'

# cpu COMMAND...: the least of five runs' processor time, in ms.
cpu() {
    local least=100000 used
    for _ in {1..5}; do
        used=$( (TIMEFORMAT='%U %S'; time "$@" >"$scratch/out" 2>"$scratch/err") 2>&1 |
            awk '{ printf "%d", 1000 * ($1 + $2) }')
        least=$((used < least ? used : least))
    done
    echo "$least"
}
read_all() { # OPTION...
    "$ngstap" -I tapset -p3 "$@" --exec "$scratch/file" \
        -e 'probe process("'"$scratch"'/file").function("lua_*") { println($$parms) }'
}
cp "$luajit" "$scratch/file"
dwarf_ms=$(cpu read_all)
pack_ms=$(cpu read_all --no-debuginfo=dwarf -d "$scratch/both.pack")
check "a start takes $pack_ms ms by the pack, $dwarf_ms ms by DWARF" \
    test "$pack_ms" -le $((dwarf_ms + dwarf_ms / 2 + 50))

[[ $UID = 0 ]] || { finish; exit; }
start_profiled nginx stripped interp
sysroot=()
take_profile --no-debuginfo=layout --arg time=1
check 'the stripped nginx without a pack: an error' said 'no debug information'
flame() { # OPTION...
    run_once flame -x "$pid" -t 1s -o "$scratch/flame.svg" --frames lua "$@"
}
check 'a flame graph by the pack' flame -d "$scratch/both.pack"
check '... not where packs are forbidden' eval '! flame -d "$scratch/both.pack" \
    --no-debuginfo=pack --no-debuginfo=layout && said "no debug information"'
sysroot=(-d "$scratch/both.pack")
take_profile --arg time="$profile_seconds"
stop_target
check_shares 'nginx stripped, by the pack' interp
finish
