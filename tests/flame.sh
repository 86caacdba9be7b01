#!/bin/bash
#
# "ngstap flame": from a process, a master's workers or a container to a picture whose widest Lua
# leaf is the function that is known to be hot; its progress on a terminal; what it says when there
# is nothing to see. Whole stacks are the default, C and the kernel where there is no Lua to read.
#
# Needs root, eBPF, NGSTAP_TARGETS (tests/targets/build.sh prints it). About 40 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'

flame() {
    status=0
    timeout 60 "$ngstap" flame "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}

lua() { flame --frames lua "$@"; }

start() { # in place of the one before
    [[ ${#names[@]} = 0 ]] || tests/targets/target.sh stop "${names[-1]}"
    names=()
    name='' pid='' master=''
    start_target "$@" 60
}

# The share of the samples whose innermost frame is $2 in the folded profile $1.
leaf_share() {
    awk -v leaf="$2" '{
        count = $NF; sub(/ [0-9]+$/, ""); n = split($0, frames, ";")
        all += count; if (frames[n] ~ leaf) mine += count
    } END { printf "%d\n", all ? 100 * mine / all : 0 }' "$1"
}

# hot() of mode/MODE.lua has about 70 % of the time, cold() the rest (tests/targets).
hot_leads() { # FILE LINE-OF-HOT OR NAME
    local share
    share=$(leaf_share "$1" "$2")
    echo "# hot: $share %"
    ((share >= 55 && share <= 85))
}

# The CPU time that the target says it has spent so far: "HOT ALL" in ns.
spent() {
    tests/targets/target.sh truth "${names[-1]}" |
        awk '$2 == "hot" { hot = $4 } $2 == "total" { all = $4 } END { print hot, all }'
}
# As "flame ARGUMENT... -o FILE", and what the target spent meanwhile: compiled code's share moves
# with the machine's load.
flame_beside_truth() { # FILE ARGUMENT...
    local hot all hot_after all_after
    read -r hot all < <(spent)
    lua "${@:2}" -o "$1"
    read -r hot_after all_after < <(spent)
    truth=$((100 * (hot_after - hot) / (all_after - all)))
}
hot_as_said() { # FILE LINE-OF-HOT OR NAME
    local share
    share=$(leaf_share "$1" "$2")
    echo "# hot: $share %, the target says $truth %"
    ((share >= truth - 15 && share <= truth + 15))
}

# ---- 95 frames of 150 bytes

cat >"$scratch/deep.c" <<'EOF'
typedef struct lua_State lua_State;
lua_State *luaL_newstate(void);
void luaL_openlibs(lua_State *);
int luaL_loadbuffer(lua_State *, const char *, unsigned long, const char *);
int lua_pcall(lua_State *, int, int, int);
static const char code[] = "jit.off() local function f(n) if n > 0 then return 1 + f(n - 1) end "
                           "while os.clock() < 60 do end return 0 end f(92)";
int main(void)
{
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    luaL_loadbuffer(L, code, sizeof(code) - 1,
                    "@/usr/local/a-rather-long-name-of-a-folder/another-long-name-of-a-folder/the-last-long-name-of-a-"
                    "folder/with-a-long-name-of-a-file-in-it.lua");
    return lua_pcall(L, 0, 0, 0);
}
EOF
lib=$NGSTAP_TARGETS/gc64/srv/openresty/luajit/lib
${CC:-cc} -g -o "$scratch/deep" "$scratch/deep.c" "$lib/libluajit-5.1.so.2" -Wl,-rpath,"$lib"
"$scratch/deep" &
deep_pid=$!
pids+=("$deep_pid")
sleep 0.3
lua -x "$deep_pid" -t 1 -F 199 -o "$scratch/deep.folded"
most=$(awk -F';' '{ if (NF > n) n = NF } END { print n + 0 }' "$scratch/deep.folded")
check "a deep stack is whole ($most frames)" test "$most" -ge 94
check '... nothing is said of cuts' test -z "$(grep -E 'cut|MAXSTRINGLEN' "$scratch/err")"
check 'the result is said without a terminal, too' said \
    'deep.folded: [0-9]+ samples, [0-9]+ % in Lua'
lua -x "$deep_pid" -t 1 -F 199 -D MAXSTRINGLEN=4096 -o "$scratch/cut.folded"
check 'where there is no room whole frames are left out' test -z \
    "$(sed 's/ [0-9]*$//' "$scratch/cut.folded" | tr ';' '\n' |
    grep -vE '^(\(no room for more\)|@/usr/local/.*/with-a-long-name-of-a-file-in-it.lua:[0-9]+|C:.*|builtin:.*)$')"
check '... and the place is marked' grep -q '^(no room for more);@' "$scratch/cut.folded"
check '... which is said' said 'cut where a string ends \(-D MAXSTRINGLEN='
lua -x "$deep_pid" -t 1 -F 199 --depth 5 -o "$scratch/five.folded"
check 'a hint names an option that flame has' said 'cut at 5 frames \(--depth N shows more\)'
kill "$deep_pid"

start nginx gc64 jit
status=0
timeout 60 "$ngstap" flame -v -x "$pid" -t 1 -o "$scratch/v.svg" >"$scratch/out" 2>"$scratch/err" \
    </dev/null || status=$?
check '-v says where types come from' eval '[[ $status = 0 ]] && said "^debug information of "'
flame_beside_truth "$scratch/jit.folded" -x "$pid" -t 2 -F 199
check 'a process: status 0' test "$status" = 0
check '... nothing on standard output' test ! -s "$scratch/out"
check '... the leaf is the hot function' hot_as_said "$scratch/jit.folded" \
    '^T:.*jit(.lua)?:(13|hot)$'
flame -x "$pid" -t 1 -o "$scratch/x.svg"
check 'a picture' grep -q '<svg xmlns' "$scratch/x.svg"
check '... that says what was done' grep -q "ngstap flame -x $pid -t 1" "$scratch/x.svg"
check '... and has no temporary file beside it' eval \
    '[[ $(echo "$scratch"/x.svg*) = "$scratch/x.svg" ]]'
if command -v script >/dev/null; then
    script -qec "'$ngstap' flame --frames lua -x $pid -t 2 -o '$scratch/tty.svg'" "$scratch/tty" </dev/null \
        >/dev/null
    check 'on a terminal it tells how it goes' grep -qE \
        '[0-9]+ s left  [0-9]+ samples  Lua [0-9]+ %' "$scratch/tty"
else
    skip 'on a terminal it tells how it goes' 'no script(1)'
fi
flame_beside_truth "$scratch/master.folded" --master "$master" -t 2 -F 199
check "a master's workers" hot_as_said "$scratch/master.folded" '^T:.*jit(.lua)?:(13|hot)$'
flame -x "$pid" -t 1 -o "$scratch/no/such/folder.svg"
check 'a file that cannot be written is an error before the profile' eval \
    '[[ $status = 1 ]] && said "cannot write"'

# ---- whole stacks ----

# Of the samples: those that begin where the program does, those with Lua frames, also in hot() and
# cold(), as the target says; the kinds stand in this order: C, Lua, C, kernel.
whole_stacks() {
    local all rooted in_lua
    read -r all rooted in_lua < <(awk '{
        count = $NF; sub(/ [0-9]+$/, ""); all += count
        if (/^(_start|__libc_start_main[^;]*);.*;main;/) rooted += count
        if (/;(T:)?[^;]*jit(.lua)?:(13|hot|cold|[0-9]+)(;|$)/) in_lua += count
        if (/_\[k\];.*[^\]](;|$)/) wrong += count
    } END { print all + 0, rooted - wrong, in_lua + 0 }' "$1")
    echo "# $all samples, $rooted from main on, $in_lua with Lua"
    ((all > 10 && rooted * 100 >= all * 95 && in_lua * 2 > all))
}
flame -x "$pid" -t 2 -F 199 -o "$scratch/whole.folded"
check 'whole stacks without an option' whole_stacks "$scratch/whole.folded"
check '... which need no line of explanation' test -z "$(grep alone "$scratch/err")"
flame -x "$pid" -t 1 -F 199 -o "$scratch/whole.svg"
check '... the title says which frames' grep -q 'Lua, C and kernel CPU profile' \
    "$scratch/whole.svg"

cat >"$scratch/spin.c" <<'EOF'
static volatile long n;
__attribute__((noinline)) static void spin(void) { for (int i = 0; i < 1000000; i++) n++; }
int main(void) { for (;;) spin(); }
EOF
${CC:-cc} -O1 -fno-optimize-sibling-calls -o "$scratch/spin" "$scratch/spin.c"
flame -c "$scratch/spin" -t 1 -F 199 -o "$scratch/spin.folded"
check 'no Lua: C frames' eval '[[ $status = 0 ]] && grep -q ";main;spin " "$scratch/spin.folded"'
check '... and a line says why' said '^frames of C and the kernel alone: it has no LuaJIT'
check '... nothing else' test "$(wc -l <"$scratch/err")" = 2
flame --frames all -c "$scratch/spin" -t 1 -o "$scratch/spin.folded"
check '... who asks for Lua frames is told what was looked for' eval \
    '[[ $status = 1 ]] && said "maps no libluajit" && said "^hint: --frames c"'
flame -c "$scratch/spin" -t 1 --at 'process.function("spun")' -o "$scratch/spin.folded"
check '... what is wrong besides is said once' eval '[[ $status = 1 ]] &&
    [[ $(grep -c "^--at:1" "$scratch/err") = 1 ]] && ! said alone'
bare=$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit
cp -L "$bare" "$scratch/bare"
strip "$scratch/bare"
cp -L "$lib/libluajit-5.1.so.2" "$scratch/libluajit-5.1.so.2"
strip "$scratch/libluajit-5.1.so.2"
LD_LIBRARY_PATH=$scratch flame -t 1 -F 199 -o "$scratch/bare.folded" --no-debuginfo layout \
    -c "$scratch/bare -e 'while os.clock() < 20 do end'"
check 'LuaJIT without debug information or a layout: C frames' eval \
    '[[ $status = 0 && -s "$scratch/bare.folded" ]] &&
    ! sed "s/@plt//g" "$scratch/bare.folded" | grep -q "@"'
check '... and a line says why' said "alone: LuaJIT's debug information"

start nginx gc64 interp
lua -x "$pid" -t 2 -F 199 -o "$scratch/interp.folded"
check 'interpreted code' hot_leads "$scratch/interp.folded" 'interp(.lua)?:(15|hot)$'
status=0
"$ngstap" diff "$scratch/jit.folded" "$scratch/interp.folded" -o "$scratch/diff.svg" || status=$?
check 'a difference of two profiles' eval \
    '[[ $status = 0 ]] && grep -q "% before" "$scratch/diff.svg"'

# The time of gsub() itself, which hot() and cold() call.
start nginx gc64 gsub
lua -x "$pid" -t 2 -F 199 -o "$scratch/gsub.folded"
share=$(leaf_share "$scratch/gsub.folded" '^builtin:string[.]gsub$')
check "a built-in function has its name ($share %)" test "$share" -ge 50
lua -x "$pid" -t 1 -o "$scratch/gsub.svg"
check '... in a picture the plain one' grep -q '<title>string.gsub (built-in function): ' \
    "$scratch/gsub.svg"

start nginx gc64 idle
flame -x "$pid" -t 1 -o "$scratch/idle.svg"
check 'an idle process: an error that says why' eval '[[ $status = 1 ]] && said "it is idle"'
check '... and no file' test ! -e "$scratch/idle.svg"
flame -x 4194999 -o "$scratch/none.svg"
check 'no such process' eval '[[ $status = 1 ]] && said "no process with pid 4194999"'
flame
check 'no target' eval '[[ $status = 1 ]] && said "Name a target"'
flame -x "$pid" --format json -o "$scratch/none.json"
check 'a format that holds no picture: those that do' eval \
    '[[ $status = 1 ]] && said "flame writes folded"'
flame -x "$pid" -t never
check 'no time' eval '[[ $status = 1 ]] && said "not a time: never"'
flame -x "$pid" -F never
check 'no number' eval '[[ $status = 1 ]] && said "whole number"'

cp -r tests/targets/load/lua "$scratch/"
command="$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit $scratch/lua/truth.lua interp 3 $scratch/truth"
lua -c "$command" -F 199 -o "$scratch/command.folded"
check 'a command, until it ends' hot_leads "$scratch/command.folded" 'interp(.lua)?:(15|hot)$'
before=$(date +%s%N)
lua -c "${command/interp 3/interp 30}" -t 1.5 -F 199 -o "$scratch/short.folded"
check '... or for a time with a fraction' hot_leads "$scratch/short.folded" \
    'interp(.lua)?:(15|hot)$'
check '... and not until it would have ended' test $((($(date +%s%N) - before) / 1000000000)) -lt 25

all=$(tests/targets/container.sh start docker gc64 interp 50 2>"$scratch/err") || all=''
if [[ $all ]]; then
    eval "$all"
    export DOCKER_HOST
    names+=("$name")
    PATH=$PATH:$(dirname "$(tests/targets/container.sh which docker)") lua --container "$name" \
        -t 2 -F 199 \
        -o "$scratch/container.folded"
    check 'a container, by its name alone' hot_leads "$scratch/container.folded" \
        'interp(.lua)?:(15|hot)$'
else
    skip 'a container, by its name alone' "cannot run here: $(tail -n 1 "$scratch/err")"
fi
finish
