#!/bin/bash
#
# Compares the functions that src/lua finds in Lua sources, first and last line of every one, with
# those that LuaJIT's own parser finds: in tests/lua, in a generated source of 20,000 lines, in the
# targets' libraries and in the Lua files of Debian's lua-* packages. Then fix-lua-bt on frames of a
# running nginx.
#
# Needs NGSTAP_TARGETS (tests/targets/build.sh prints it); the packages are fetched once into
# NGSTAP_CACHE (default ~/.cache/ngstap). Prints TAP.

# shellcheck disable=SC2016,SC2317 # check calls the functions; bash -c expands
:

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=shares.sh
. tests/shares.sh
# shellcheck source-path=SCRIPTDIR source=as-built.sh
. tests/as-built.sh

[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'
luajit=$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit
ours=$builddir/tests/unit/lua_functions
packages=${NGSTAP_CACHE:-$HOME/.cache/ngstap}/lua-packages
# Pure Lua, of many authors; some are written for later versions of Lua, which LuaJIT does not take.
names=(lua-ansicolors lua-argparse lua-busted lua-cliargs lua-dkjson lua-http lua-inifile \
    lua-inspect lua-json
    lua-ldoc lua-lpeg-patterns lua-luassert lua-markdown lua-mediator lua-moses lua-penlight \
        lua-say lua-soap
    lua-socket lua-term lua-luaunit lua-xmlrpc luarocks lua-resty-core lua-resty-lrucache)

# both FILES: the functions of each file, "PATH FIRST-LAST" sorted, by LuaJIT to luajit.txt, by us
# to ours.txt; files that LuaJIT does not take are left out of both. A file that is not sound says
# so in its line.
both() {
    "$luajit" tests/lua/functions.lua <"$1" >"$scratch/luajit.all"
    "$ours" <"$1" >"$scratch/ours.all"
    sed -n 's/^E //p' "$scratch/luajit.all" >"$scratch/refused"
    taken "$scratch/luajit.all" >"$scratch/luajit.txt"
    taken "$scratch/ours.all" >"$scratch/ours.txt"
}

taken() {
    awk 'FILENAME == ARGV[1] { refused[$1] = 1; next }
        /^[FE] / { path = $2; if (!(path in refused)) print path, $1; next }
        !(path in refused) { print path, $1 }' "$scratch/refused" "$1" | LC_ALL=C sort
}

# same NAME LEAST: at least LEAST functions are in the files on standard input, and both find the
# same.
same() {
    local name=$1 least=$2 n files
    cat >"$scratch/files"
    both "$scratch/files"
    files=$(grep -c ' F$' "$scratch/luajit.txt" || :)
    n=$(($(wc -l <"$scratch/luajit.txt") - files))
    diff "$scratch/luajit.txt" "$scratch/ours.txt" >"$scratch/out" || :
    check "$name: $n functions in $files files, $(wc -l <"$scratch/refused") not taken by LuaJIT" \
        test ! -s "$scratch/out" -a "$n" -ge "$least"
}

# ---- what was written for it ----

same 'every form' 35 <<<"$PWD/tests/lua/forms.lua"
sed 's/$/\r/' tests/lua/forms.lua >"$scratch/crlf.lua"
# "\" before a line end takes both of its bytes.
same 'the same with CRLF' 35 <<<"$scratch/crlf.lua"

# named FILE: the names are those that the comments tell.
named() {
    awk '{ n = index($0, "--> "); if (n) print FNR, substr($0, n + 4) }' "$1" >"$scratch/want"
    echo "$1" | "$ours" | sed -E '1,2d; s/^([0-9]+)-[0-9]+ /\1 /' |
        diff - "$scratch/want" >"$scratch/out"
}
check 'names' named "$PWD/tests/lua/forms.lua"

# 20,000 lines: all forms again and again, at different depths.
generate() {
    awk -v lines=20000 'BEGIN {
        srand(7)
        while (n < lines) {
            kind = int(rand() * 12); n++
            if (depth > 12) kind = 9 + int(rand() * 3)
            if (kind == 0) { print "local function f" n "(a)"; close_with[++depth] = "end" }
            else if (kind == 1) { print "function g.h" n ":m()"; close_with[++depth] = "end" }
            else if (kind == 2) { print "t.k" n " = function(...)"; close_with[++depth] = "end" }
            else if (kind == 3) { print "call(function() -- function no()";
            close_with[++depth] = "end)" }
            else if (kind == 4) { print "t = { f = function() end, [\"x\"] = function()";
            close_with[++depth] = "end }" }
            else if (kind == 5) { print "if a then"; close_with[++depth] = "end" }
            else if (kind == 6) { print "repeat"; close_with[++depth] = "until f(function() end)" }
            else if (kind == 7) { print "while x do"; close_with[++depth] = "end" }
            else if (kind == 8) { print "local s = [=[ function no() ]]";
            print "]=] .. \"end function \\\" no()\""; n++ }
            else if (depth) print close_with[depth--]
            else print "--[[ end"  "\n]] x = function() end"
        }
        while (depth) print close_with[depth--]
    }'
}
generate >"$scratch/generated.lua"
same '20,000 lines' 5000 <<<"$scratch/generated.lua"

# ---- what others wrote ----

same "the targets' libraries" 300 < <(find "$NGSTAP_TARGETS/gc64/srv/openresty" \
    "$PWD/tests/targets" -name '*.lua')

fetch() {
    local name deb
    mkdir -p "$packages"
    [[ ! -e $packages/complete ]] || return 0
    (
        cd "$packages"
        for name in "${names[@]}"; do
            apt-get -q -o APT::Sandbox::User=root download "$name" || :
        done
        for deb in *.deb; do
            dpkg-deb -x "$deb" "${deb%%_*}"
        done
        rm -f ./*.deb
        touch complete
    ) >"$packages/log" 2>&1
}
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    skip "Debian's lua-* packages" 'no apt here'
elif fetch && [[ $(find "$packages" -name '*.lua' -type f | wc -l) -ge 100 ]]; then
    same "Debian's lua-* packages" 2000 < <(find "$packages" -name '*.lua' -type f)
else
    rm -rf --one-file-system "$packages"
    skip "Debian's lua-* packages" 'they cannot be fetched'
fi

# ---- the filter ----

root=$scratch/root
mkdir -p "$root/srv/lualib/app" "$root/usr/local/openresty/nginx/conf" "$scratch/bin"
cp tests/lua/forms.lua "$root/srv/lualib/app/all-forms.lua"
cp tests/lua/forms.lua "$root/srv/工具.lua"
echo 'init_by_lua_block { local function setup() end }' \
    >"$root/usr/local/openresty/nginx/conf/nginx.conf"
ln -s "$ngstap" "$scratch/bin/fix-lua-bt"
cat >"$scratch/stacks" <<'END'
@/srv/lualib/app/all-forms.lua:4
T:@/srv/lualib/app/all-forms.lua:11
T:@/srv/lualib/app/all-forms.lua:11
builtin#12
	@/srv/工具.lua:42	7
@/srv/none.lua:4
=init_by_lua(nginx.conf:1):1
[string "a\x01b"]:3
C:f\xff
\t12
a\tb
END
printf '%b' "$(cat "$scratch/stacks")\n" >"$scratch/stacks.txt"
cat >"$scratch/want" <<'END'
app.all_forms:a
T:app.all_forms:m.n.o:p
T:app.all_forms:m.n.o:p
builtin#12
	工具.lua:v	7
@/srv/none.lua:4
init_by_lua(nginx.conf:1):setup
[string "a\\x01b"]:3
C:f\\xff
\t12
a\tb
END
printf '%b' "$(cat "$scratch/want")\n" >"$scratch/want.txt"

# filters COMMAND...: it prints what is wanted.
filters() { "$@" <"$scratch/stacks.txt" 2>"$scratch/err" |
    diff - "$scratch/want.txt" >"$scratch/out"; }
check 'fix-lua-bt --sysroot, standard input' filters "$scratch/bin/fix-lua-bt" --sysroot "$root"
check 'fix-lua-bt FILE, FIX_LUA_ROOT' filters env FIX_LUA_ROOT="$root" "$scratch/bin/fix-lua-bt" \
    "$scratch/stacks.txt"
check '--sysroot comes before FIX_LUA_ROOT' \
    filters env FIX_LUA_ROOT=/none "$ngstap" fix-lua-bt --sysroot "$root" -
refuses() { # TEXT ARGUMENT...
    local text=$1
    shift
    ! "$ngstap" fix-lua-bt "$@" >"$scratch/out" 2>"$scratch/err" </dev/null && said "$text"
}
check 'a FILE that is not there' refuses 'Cannot open .*none for reading' "$scratch/none"
check 'a root that is not there' refuses 'cannot use .*none as' --sysroot "$scratch/none"
check 'a prefix that is not there' refuses 'cannot read --prefix .*/none: ' --sysroot "$root" \
    --prefix /none
check 'a configuration that is not there' refuses 'cannot read --conf .*/none.conf' --sysroot \
    "$root" --conf /none.conf
check 'an unknown option' refuses '--bad is no option' --bad
check 'a full disk' bash -c '! "$0" fix-lua-bt --sysroot "$1" <"$2" >/dev/full 2>&1' "$ngstap" \
    "$root" "$scratch/stacks.txt"
relative() { (cd "$root/srv" && echo '@lualib/app/all-forms.lua:4' | "$ngstap" fix-lua-bt) |
    grep -qx 'all_forms:a\|app.all_forms:a'; }
check 'a relative name is looked for in the working directory' relative
said_why() {
    echo '@/srv/none.lua:4' | "$ngstap" fix-lua-bt --sysroot "$root" >"$scratch/out" \
        2>"$scratch/err"
    said 'none of 1 sources'
}
check 'without any name it says why' said_why
saved() { printf '@/srv/lualib/app/all-forms.lua:4\nbuiltin#1\n\t3\n' >"$scratch/saved" &&
    "$ngstap" convert --sysroot "$root" --format folded "$scratch/saved" |
        grep -qx 'builtin#1;app.all_forms:a 3'; }
check 'convert --sysroot names functions' saved

# ---- a running nginx ----

if [[ $UID != 0 ]]; then
    skip 'functions of a running nginx' 'needs root'
    finish
fi
for variant in gc64 gc32 stripped; do
    start_profiled luajit "$variant" interp
    luajit=$root/srv/openresty/luajit
    check "$variant: fix-lua-bt -x names LuaJIT's built-in functions" builtins \
        "$luajit/bin/luajit" "$luajit/share"
    check '... nor what is no number of one' eval \
        '[[ $(printf "builtin#%s\n" 0 1 230 255 256 999 1000 9x "" -1 |
            "$ngstap" fix-lua-bt -x "$pid" | grep -c "^builtin#") = 10 ]]'
    check '... before a count, too' eval \
        '[[ $(printf "builtin#90\t7\n" | "$ngstap" fix-lua-bt -x "$pid" "${sysroot[@]}") = \
            "builtin:string.gsub	7" ]]'
    stop_target
done

sleep 60 &
pids+=("$!")
check 'what has no LuaJIT names none' eval \
    '[[ $(echo builtin#90 | "$ngstap" fix-lua-bt -x "${pids[-1]}") = builtin#90 ]]'

start_profiled nginx gc64 interp
trace samples/lj-lua-stacks.sxx --arg time=2 -x "$pid"
cp "$scratch/out" "$scratch/live"
check 'a running nginx is sampled' grep -q '^=content_by_lua(nginx.conf:' "$scratch/live"
"$ngstap" fix-lua-bt -x "$pid" "$scratch/live" >"$scratch/out" 2>"$scratch/err"
check 'fix-lua-bt -x names its functions' printed '^interp.lua:hot$'
check '... and the chunk in its configuration' printed \
    '^content_by_lua\(nginx.conf:[0-9]+\):\(main chunk\)$'
check '... and nothing of its sources is left' bash -c '! grep -E "^(T:)?@" "$0"' "$scratch/out"
trace --format folded samples/lj-lua-stacks.sxx --arg time=2 -x "$pid"
check 'a live picture has these names' printed \
    'content_by_lua\(nginx.conf:[0-9]+\):\(main chunk\);.*interp.lua:hot( |;)'
stop_target
finish
