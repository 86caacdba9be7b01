#!/bin/bash
#
# Saved stacks become other formats: each input of tests/out as each format must be what lies beside
# it (OUT.FORMAT; UPDATE_GOLDEN=1 writes them), hostile names are inert, bad input is refused by its
# line, nothing is left half-written. Needs nothing but the built ngstap; python3 is a second
# opinion where it is there. pprof.sh, speedscope.sh and browser.sh read the files as others do.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

convert() {
    status=0
    timeout 60 "$ngstap" convert "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}

# The style and the script of pictures are not repeated in each.
plain() { sed -e '/^<style>/,/^<\/style>/d' -e '/^<script>/,/<\/script>$/d' "$1"; }

golden() { # NAME FORMAT
    local file=tests/out/$1.$2
    convert "tests/out/$1.txt" --format "$2" --title "$1" -o "$scratch/$1.$2"
    [[ $status = 0 ]] || return
    # The time is the file's.
    sed -i 's/ [^ ]* [0-9]*-[0-9]*-[0-9]* [0-9]*:[0-9]* UTC//' "$scratch/$1.$2"
    [[ $2 != flamegraph ]] || { plain "$scratch/$1.$2" >"$scratch/plain" &&
        mv "$scratch/plain" "$scratch/$1.$2"; }
    [[ -z ${UPDATE_GOLDEN:-} ]] || cp "$scratch/$1.$2" "$file"
    diff "$file" "$scratch/$1.$2" >"$scratch/out"
}

for name in lua c folded hostile off; do
    for format in folded flamegraph speedscope; do
        check "$name as $format" golden "$name" "$format"
    done
done
convert tests/out/lua.txt --format folded -o "$scratch/once.folded"
(cd "$scratch" && "$ngstap" convert once.folded --format folded -o - >dash.folded)
check '-o - is standard output' eval \
    '[[ ! -e $scratch/- ]] && cmp "$scratch/once.folded" "$scratch/dash.folded"'
convert "$scratch/once.folded" --format folded -o "$scratch/twice.folded"
check 'folded lines are read as they are written' cmp -s "$scratch/once.folded" \
    "$scratch/twice.folded"
convert - --format folded
check 'standard input, empty: there is nothing to show' eval '[[ $status = 1 ]] && said "no stack"'

# Names that were given, saved and read again are of the kind that they were of.
printf 'content_by_lua(nginx.conf:64):(main chunk);T:app.view:render;builtin:string.gsub 9\nns::call(int);call(int):c 2\n' \
    >"$scratch/kinds.txt"
convert "$scratch/kinds.txt" -o "$scratch/kinds.svg"
kind_is() { grep -qF "<title>$1 ($2): " "$scratch/kinds.svg"; }
check 'code in nginx.conf is Lua' kind_is 'content_by_lua(nginx.conf:64):(main chunk)' \
    'Lua, interpreted'
check 'what is marked as compiled is that' kind_is app.view:render 'Lua, compiled'
check 'a built-in function has its name' kind_is string.gsub 'built-in function'
convert "$scratch/kinds.txt" -o "$scratch/kinds.folded"
check '... and its mark where there are no colours' cmp "$scratch/kinds.txt" "$scratch/kinds.folded"
check 'other brackets are C' eval 'kind_is "ns::call(int)" C && kind_is "call(int):c" C'

# --- every format has the same totals

convert tests/out/lua.txt -o "$scratch/lua.svg"
check 'the ending of -o tells the format' grep -q '<svg ' "$scratch/lua.svg"
check 'all samples are in the picture' grep -q 'all: 383 samples, 100.00 %' "$scratch/lua.svg"
if command -v python3 >/dev/null; then
    convert tests/out/hostile.txt -o "$scratch/hostile.speedscope.json"
    check 'hostile names are sound JSON' python3 -c \
        'import json, sys; json.load(open(sys.argv[1]))' \
        "$scratch/hostile.speedscope.json"
    convert tests/out/hostile.txt -o "$scratch/hostile.svg"
    check '... and a sound picture' python3 -c \
        'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' \
        "$scratch/hostile.svg"
    check '... with no script but ours' test "$(grep -c '<script' "$scratch/hostile.svg")" = 1
else
    skip 'hostile names are sound JSON' 'no python3'
fi

status=0
"$ngstap" --format flamegraph -o "$scratch/live.svg" -e 'probe begin { println("hello") exit() }' \
    2>"$scratch/err" ||
    status=$?
check 'a script that prints no stacks: what was seen' eval \
    '[[ $status = 1 ]] && said "no count follows \"hello\""'
status=0
"$ngstap" --format flamegraph -o "$scratch/live.svg" -e 'probe begin { exit() }' 2>"$scratch/err" ||
    status=$?
check 'a script that prints nothing' eval \
    '[[ $status = 1 && ! -e $scratch/live.svg ]] && said "the script printed none"'

# --- a difference

status=0
"$ngstap" diff tests/out/folded.txt tests/out/folded.txt -o "$scratch/same.svg" 2>"$scratch/err" ||
    status=$?
check 'no difference' grep -q 'hot: 66.98 % before, 66.98 % after (+0.00)' "$scratch/same.svg"
printf 'main;work;hot 10\nmain;new 10\n' >"$scratch/after.txt"
"$ngstap" diff tests/out/folded.txt "$scratch/after.txt" -o "$scratch/diff.svg" 2>"$scratch/err" ||
    status=$?
check 'what is new' grep -q 'new: 0.00 % before, 50.00 % after (+50.00)' "$scratch/diff.svg"
check 'what is gone' grep -q 'cold: 28.30 % before, 0.00 % after (-28.30)' "$scratch/diff.svg"

# --- functions of one name in several files

# A frame is its place: in each format both files are there, with as much path as tells them apart.
mkdir -p "$scratch"/root/usr/local/share/lua/5.1/kong/plugins/{key-auth,rate-limiting} \
    "$scratch"/root/srv/{a,b}/x
for one in usr/local/share/lua/5.1/kong/plugins/{key-auth,rate-limiting} srv/{a,b}/x srv/a; do
    printf 'local M = {}\nfunction M.access()\nend\nfunction M.access()\nend\nreturn M\n' \
        >"$scratch/root/$one/handler.lua"
done
plugins=/usr/local/share/lua/5.1/kong/plugins
printf '%s\n' "@$plugins/key-auth/handler.lua:2" "	3" "@$plugins/rate-limiting/handler.lua:2" "	4" \
    @/srv/a/x/handler.lua:2 "	5" T:@/srv/b/x/handler.lua:2 @/srv/b/x/handler.lua:2 "	6" \
    @/srv/a/handler.lua:2 "	7" \
    @/srv/a/handler.lua:4 "	8" >"$scratch/apart.txt"
convert "$scratch/apart.txt" --sysroot "$scratch/root" -o "$scratch/apart.folded"
printf '%s\n' 'kong.plugins.key_auth.handler:M.access 3' \
    'kong.plugins.rate_limiting.handler:M.access 4' \
    'a/x/handler.lua:M.access 5' 'T:b/x/handler.lua:M.access 6' 'a/handler.lua:M.access:2 7' \
    'a/handler.lua:M.access:4 8' >"$scratch/wanted"
cp "$scratch/apart.folded" "$scratch/out"
check 'files of one name are told apart' cmp -s "$scratch/wanted" "$scratch/apart.folded"
convert "$scratch/apart.txt" --sysroot "$scratch/root" -o "$scratch/apart.svg"
check '... in a picture, with the place' grep -qF \
    '<title>a/x/handler.lua:M.access, /srv/a/x/handler.lua:2 (Lua, interpreted): 5 samples' \
    "$scratch/apart.svg"
convert "$scratch/apart.txt" --sysroot "$scratch/root" -o "$scratch/apart.speedscope.json"
check '... for speedscope, with the file' grep -qF \
    '{"name":"b/x/handler.lua:M.access","file":"/srv/b/x/handler.lua","line":2,' \
    "$scratch/apart.speedscope.json"
convert "$scratch/apart.txt" --sysroot "$scratch/root" -o "$scratch/apart.pb.gz"
check '... for pprof' eval \
    '[[ $(zcat "$scratch/apart.pb.gz" | grep -aoE "/srv/[abx/]*handler.lua" | sort -u |
        wc -l) = 3 ]]'
mkdir -p "$scratch/root/srv/my app"
cp "$scratch/root/srv/a/handler.lua" "$scratch/root/srv/my app/some file.lua"
printf '@/srv/my app/some file.lua:2\nC:operator new(unsigned long)\n\t3\n' >"$scratch/blanks.txt"
convert "$scratch/blanks.txt" --sysroot "$scratch/root" --format folded
check 'names with blanks are whole' printed \
    '^C:operator new\(unsigned long\);some file.lua:M.access 3$'
printf '@/srv/%s.lua:3\n\t1\n%s\n\t1\nb\n\t9\n' "$(printf '\346\250\241%.0s' {1..30})" \
    "$(printf '\360\237\224\245%.0s' {1..30})" \
    >"$scratch/wide.txt"
convert "$scratch/wide.txt" -o "$scratch/wide.svg"
wide() { LC_ALL=C.UTF-8 grep -oP '<text x="[0-9.]+%" y="12" dx="3">\K[^<]*(?=</text></g>)' \
    "$scratch/wide.svg" | grep -v '^b$'; }
check 'labels are cut by columns' test "$(wide | tr '\n' ' ')" = '…模模模模.lua:3 🔥🔥🔥🔥🔥🔥🔥… '
printf 'lua_package_path "$prefix/mine/?.lua;/srv/a/?.lua;;";\n' >"$scratch/root/nginx.conf"
echo "@/srv/a/x/handler.lua:2" | "$ngstap" fix-lua-bt --sysroot "$scratch/root" --prefix / --conf \
    /nginx.conf >"$scratch/out"
check 'a root of package.path is no part of a module' printed '^x.handler:M.access$'

# --- endings

convert tests/out/lua.txt -o "$scratch/lua.html"
check 'an ending that no format has' eval \
    '[[ $status = 1 && ! -e $scratch/lua.html ]] && said "no format has the ending .html"'
check '... names those there are' said \
    '.folded .folded., .svg .flamegraph., .pb.gz .pprof., .otlp.gz .otlp., .speedscope.json .speedscope.'
convert tests/out/lua.txt -o "$scratch/lua"
check 'a file without ending is a picture' grep -q '<svg ' "$scratch/lua"
"$ngstap" convert --help >"$scratch/out"
check 'convert --help has no format that it refuses' test -z \
    "$(grep json.. "$scratch/out" | grep jsonl)"

# --- bad input

refused() { # NAME MESSAGE INPUT
    local message=$2
    printf '%b' "$3" >"$scratch/bad.txt"
    convert "$scratch/bad.txt" -o "$scratch/bad.svg"
    check "$1" eval '[[ $status = 1 && ! -e $scratch/bad.svg ]] && said "$message"'
}
refused 'frames without a count' 'bad.txt:3: no count follows "@b:1"' '@a:1\n\t2\n@b:1\n@c:1\n'
refused 'a count without frames' 'bad.txt:1: a count without' '\t2\n'
refused 'an empty line in a stack' 'bad.txt:2: an empty line' '@a:1\n\n\t2\n'
refused 'a folded line without its count' 'bad.txt:2: expected' 'a;b 2\nfoo;bar\n'
refused 'counts that overflow' 'bad.txt:4: the counts add up' \
    '@a:1\n\t18446744073709551615\n@a:1\n\t1\n'
refused 'nothing' 'no stack to show' ''
refused '... which is explained' 'the saved text is empty' ''
head -c 3000000 /dev/zero | tr '\0' x >"$scratch/long.txt"
convert "$scratch/long.txt" -o "$scratch/bad.svg"
check 'a line of three megabytes' eval \
    '[[ $status = 1 ]] && said "long.txt:1: a line of more than a MiB"'
awk 'BEGIN { for (i = 0; i < 20000; i++) print "@deep.lua:1"; print "\t1" }' >"$scratch/deep.txt"
convert "$scratch/deep.txt" -o "$scratch/bad.svg"
check 'a stack of 20,000 frames' eval \
    '[[ $status = 1 ]] && said "deep.txt:10001: a stack of more than 10000"'
head -c 200000 /dev/urandom >"$scratch/random.txt"
convert "$scratch/random.txt" -o "$scratch/bad.svg"
check 'random bytes' eval '[[ $status -le 1 ]]'
convert "$scratch/none.txt"
check 'no such file' eval '[[ $status = 1 ]] && said "cannot read .*none.txt"'
convert tests/out/lua.txt --format flamegrph
check 'an unknown format: the near one' eval '[[ $status = 1 ]] && said "did you mean flamegraph"'
echo old >"$scratch/kept.svg"
printf '@a:1\n' >"$scratch/bad.txt"
convert "$scratch/bad.txt" -o "$scratch/kept.svg"
check 'what was there stays when there is nothing new' eval '[[ $(cat "$scratch/kept.svg") = old ]]'
check '... and nothing is beside it' test "$(echo "$scratch"/kept.svg*)" = "$scratch/kept.svg"
echo old >"$scratch/real.svg"
ln -s real.svg "$scratch/link.svg"
convert tests/out/lua.txt -o "$scratch/link.svg"
check 'a symbolic link is followed, not replaced' eval \
    '[[ $status = 0 && -L $scratch/link.svg ]] && grep -q "<svg" "$scratch/real.svg"'
convert tests/out/lua.txt -o "$scratch"
check 'a folder is no file' eval '[[ $status = 1 ]] && said "cannot write"'
status=0
"$ngstap" convert tests/out/lua.txt --format folded >/dev/full 2>"$scratch/err" || status=$?
check 'a full disk' eval '[[ $status = 1 ]] && said "cannot write"'

# --- events of a live session

cat >"$scratch/events.stp" <<'END'
global h, l
probe begin {
    printf("a\nb")
    print("c\001\xff\"\n")
    println("tab\there \\x09\342\200\256")
    for (i = 0; i < 100; i++) { h <<< i * i; l <<< i }
    warn("careful\n")
    print(@hist_linear(l, 10, 50, 10))
    if (@count(h) > 1000) print(@hist_log(h))
    printf("no newline")
    error("enough")
}
END
cat >"$scratch/expected" <<'END'
{"event":"print","text":"a"}
{"event":"print","escaped":true,"text":"bc\u0001\\xff\""}
{"event":"print","text":"tab\there \\x09\u202e"}
{"event":"warning","text":"careful"}
{"event":"histogram","rows":[{"under":10,"count":10},FROM{"over":60,"count":40}]}
{"event":"error","text":"enough"}
{"event":"warning","text":"Number of errors: 1, skipped probes: 0"}
{"event":"print","text":"no newline"}
END
printf -v rows '{"from":%d,"count":10},' 10 20 30 40 50
sed -i "s/FROM/$rows/" "$scratch/expected"
status=0
"$ngstap" --format json "$scratch/events.stp" >"$scratch/got" 2>"$scratch/err" || status=$?
check 'json: an object for each event, in order' diff "$scratch/expected" "$scratch/got"
check '... with the exit status of the session' test "$status" = 1
check '... and errors where they always are' said '^ERROR: enough'
convert tests/out/lua.txt --format json
check 'json is of live sessions' eval '[[ $status = 1 ]] && said "while a script runs"'

# --- 100,000 stacks: in 200 MiB, and half as much again as the CPU time that sort(1) takes for them

awk 'BEGIN { srand(1); for (i = 0; i < 100000; i++) { for (d = 0; d < 12; d++)
    printf "@/srv/app/lua/module%d.lua:%d\n", rand() * 200, rand() * 300;
        printf "\t%d\n", 1 + rand() * 99 } }' \
    >"$scratch/big.txt"
mkdir -p "$scratch/root/srv/app/lua"
for i in {0..199}; do
    awk 'BEGIN { for (i = 0; i < 100; i++) printf "function f%d()\n return %d\nend\n", i, i }' \
        >"$scratch/root/srv/app/lua/module$i.lua"
done

# What is resident is mapped: a limit on what may be mapped holds both. Address sanitizer maps
# terabytes and takes its time.
limit=204800
bound=1.5
if grep -q __asan_init "$ngstap"; then
    limit=unlimited
    bound=8
fi
big() { # KIBIBYTES ARGUMENT...
    (
        ulimit -v "$1"
        exec "$ngstap" convert -o "$scratch/big.out" "${@:2}" 2>"$scratch/err"
    )
}
# Machines differ by three times, and what else runs makes one slower: sort(1) is measured beside
# it, and one of three pairs must be within the bound.
fast() {
    local i
    TIMEFORMAT='%U %S'
    for i in 1 2 3; do
        { time LC_ALL=C sort --parallel=1 "$scratch/big.txt" >"$scratch/out"; } 2>"$scratch/sort"
        { time big "$limit" "$@" "$scratch/big.txt" >"$scratch/out"; } 2>"$scratch/time" || return
        awk -v bound="$bound" '
            { n[FILENAME] = $1 + $2; last = FILENAME }
            END {
                for (f in n) if (f != last) yard = n[f]
                print "# " n[last] " s of CPU time, sort " yard
                exit !(n[last] < bound * yard)
            }' "$scratch/sort" "$scratch/time" && return
    done
    return 1
}
for format in folded flamegraph pprof speedscope; do
    check "100,000 stacks as $format in $bound times what sort takes, and $limit KiB" \
        fast --format "$format"
done
check '... with the names of 20,000 functions' fast --format folded --sysroot "$scratch/root"
check '... all of them' eval \
    '[[ $(wc -l <"$scratch/big.out") = 100000 &&
        $(head -n 1 "$scratch/big.out") =~ ^module[0-9]*.lua:f ]]'
if [[ $limit != unlimited ]]; then
    check 'the limit holds: in a fifth of it a small file converts' big 40960 --format folded \
        tests/out/lua.txt
    check '... and this one does not' eval '! big 40960 --format folded "$scratch/big.txt"' \
        2>/dev/null
fi
finish
