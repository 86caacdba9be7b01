#!/bin/bash
# shellcheck disable=SC2317,SC2154,SC2034 # check calls functions; start_target sets variables
#
# LuaJIT of many ages, GC64 and GC32, by gcc and clang, -O2 and -O3, with link-time optimization:
# a known layout fits each, and is what DWARF says, member by member; a state that is damaged in
# 10,000 ways is never taken for one of another layout; built-in functions have their names;
# stripped, the shares of a profile are the true ones. One that is built with options that change
# types has none, which is said. The same 10,000 of an nginx that serves requests, of each part of
# its layouts. NGSTAP_DAMAGED is another number than 10,000.
#
# Sources are those of Debian's suites, without its patches, as far as the mirror of this machine's
# apt has them, and, if NGSTAP_LUAJIT_GIT names git folders (A:B), revisions that one of them has.
# ages.sh WORD... builds and tests those alone whose line below has one of the words.
#
# Needs root, eBPF, NGSTAP_TARGETS, apt, gcc, clang. Prints TAP. They are built in the cache
# (NGSTAP_CACHE, default ~/.cache/ngstap); a quarter of an hour, the first time.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR/.. source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
# shellcheck source-path=SCRIPTDIR/.. source=../shares.sh
. tests/shares.sh
# shellcheck source-path=SCRIPTDIR/.. source=../as-built.sh
. tests/as-built.sh

[[ $UID = 0 && -n ${NGSTAP_TARGETS:-} ]] || skip_all 'needs root and NGSTAP_TARGETS'
for tool in gcc clang apt-get; do
    command -v "$tool" >/dev/null || skip_all "no $tool"
done
export DEBUGINFOD_URLS='' XDG_CACHE_HOME=$scratch/cache XDG_DATA_HOME=$scratch/data
# Of other work on this machine the true shares do not depend, but how long a thousand samples take.
profile_longest=60 trace_seconds=90 target_seconds=150

# SUITE PACKAGE, or git REVISION; mode; compiler; its options.
ages='
bullseye luajit gc32 gcc -O2
bullseye luajit gc64 clang -O3
bookworm luajit gc64 gcc -O3
bookworm luajit gc32 clang -O2
bookworm luajit2 gc64 gcc -O2 -flto
bookworm luajit2 gc32 gcc -O3
trixie luajit gc64 clang -O2
trixie luajit gc32 gcc -O2 -DLUAJIT_ENABLE_LUA52COMPAT
sid luajit gc64 gcc -O3 -flto
sid luajit gc32 clang -O3
bookworm luajit gc64 gcc -O2 -DLUAJIT_DISABLE_JIT
git v2.1-20180420 gc64 gcc -O2
git v2.1-20180420 gc32 gcc -O2 -flto
git v2.1-20181029 gc64 clang -O3
git v2.1-20190130 gc32 clang -O3
git v2.1-20200102 gc64 gcc -O2 -DLUAJIT_ENABLE_LUA52COMPAT
git v2.1-20201012 gc32 gcc -O3
git v2.1-20201229 gc64 gcc -O2 -flto
git v2.1-20220411 gc32 clang -O2
git v2.1-20240314 gc64 gcc -O3
git v2.1-20240626 gc32 clang -O3
git v2.1-20240815 gc64 gcc -O2 -flto
git v2.1-20250117 gc32 gcc -O2
git v2.1-agentzh gc64 clang -O2
git v2.1 gc64 gcc -O2
git v2.1 gc32 gcc -O3 -flto
git v2.1-20250117 gc64 gcc -O2 -DLUAJIT_USE_GDBJIT
git v2.1 gc64 clang -O2 -DLUAJIT_ENABLE_TABLE_BUMP'

cache=${NGSTAP_CACHE:-$HOME/.cache/ngstap}/ages
mkdir -p "$cache" "$scratch/targets/gc64" # a folder of targets has this one

# ---- sources

private_apt() {
    local tool=$1 apt=$scratch/apt
    shift
    "$tool" -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/sources.d" \
        -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root "$@"
}

# list_suite SUITE: its source packages, of the mirror that this machine is configured for.
list_suite() {
    local mirror
    mkdir -p "$scratch"/apt/{sources.d,lists/partial,cache/archives/partial}
    # shellcheck disable=SC2016 # apt fills this in
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
        grep -v security | head -n 1)
    [[ -n $mirror ]] || return
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" \
        >"$scratch/apt/sources.d/suite.list"
    private_apt apt-get update
}

# unpack ARCHIVE FOLDER: with or without a folder of its own in the archive.
unpack() {
    local all=$scratch/unpacked head
    rm -rf "$all"
    mkdir "$all"
    tar -C "$all" -xf "$1" 2>"$scratch/err"
    head=$(find "$all" -maxdepth 3 -path '*/src/lj_obj.h')
    [[ -f $head ]] && mv "${head%/src/lj_obj.h}" "$2"
}

# fetch SUITE PACKAGE FOLDER | fetch git REVISION FOLDER: the sources; 1: there are none, $why.
fetch() {
    local dir
    if [[ $1 = git ]]; then
        why="NGSTAP_LUAJIT_GIT names no git folder that has $2"
        for dir in ${NGSTAP_LUAJIT_GIT//:/ }; do
            git --git-dir="$dir" rev-parse -q --verify "$2^{commit}" >/dev/null 2>&1 || continue
            mkdir "$3" && git --git-dir="$dir" archive "$2" | tar -xf - -C "$3"
            return
        done
        return 1
    fi
    why="the mirror has no sources of $2 in $1"
    rm -f "$scratch"/*.orig.tar.*
    # Upstream's part is enough, and stays where the mirror has lost Debian's.
    list_suite "$1" >"$scratch/out" 2>"$scratch/err" && {
        (cd "$scratch" && private_apt apt-get source --download-only "$2" >out 2>err) || :
        unpack "$scratch/$2"_*.orig.tar.* "$3"
    }
}

# build FOLDER MODE CC OPTION...: LuaJIT's program with debug information, and jit/*.lua beside it.
build() {
    local source=$1 mode=$2 cc=$3 how=amalg flags=LUAJIT_ENABLE_GC64 options=() option
    shift 3
    [[ $mode = gc64 ]] || flags=LUAJIT_DISABLE_GC64
    for option; do
        case $option in
        -D*) flags+=" $option" ;;
        -flto) options+=(-flto) how='' ;; # of many files
        *) options+=("$option") ;;
        esac
    done
    nice make -C "$source/src" BUILDMODE=static CCDEBUG=-g CC="$cc" HOST_CC=gcc \
        TARGET_AR='gcc-ar rcus' CCOPT="${options[*]} -fomit-frame-pointer" XCFLAGS="-D$flags" \
        ${how:-luajit} >"$scratch/make" 2>&1
}

# age NAME SUITE PACKAGE MODE CC OPTION...: builds it unless it is there, as variants NAME and
# NAME-stripped of targets. 1: it cannot be, $why.
age() {
    local name=$1 built=$cache/$1 source=$scratch/$1.src luajit
    shift
    if [[ ! -d $built ]]; then
        fetch "$1" "$2" "$source" || return
        why="it does not build: $cache/$name.log"
        build "$source" "${@:3}" || { cp "$scratch/make" "$cache/$name.log"; return 1; }
        rm -rf "$built.new"
        luajit=$built.new/srv/openresty/luajit
        install -D "$source/src/luajit" "$luajit/bin/luajit"
        install -D -m 644 -t "$luajit/share/jit" "$source"/src/jit/*.lua
        rm -rf "$source"
        mv "$built.new" "$built"
    fi
    cp -r "$built" "$scratch/targets/$name"
    cp -r "$built" "$scratch/targets/$name-stripped"
    strip --strip-all "$scratch/targets/$name-stripped/srv/openresty/luajit/bin/luajit"
}

# One that has types of its own: none of ours is taken, and what to run is said.
judge_unknown() { # NAME
    start_target luajit "$1-stripped" interp 600
    trace -x "$pid" "${profiler[@]}" --arg time=1
    check "$1: no layout is taken for another" said 'none of [0-9]+ known layouts of its types fits'
    check '... and the command is said that makes a pack' said "ngstap pack .*-o luajit\.pack"
    stop_target
    rm -rf "$scratch/targets/$1" "$scratch/targets/$1-stripped"
}

judge() { # NAME SUITE PACKAGE MODE CC OPTION...
    local what=$1 why='' fitting=() NGSTAP_TARGETS=$scratch/targets
    local luajit=$scratch/targets/$1/srv/openresty/luajit
    export NGSTAP_TARGETS
    if ! age "$@"; then
        skip "$what" "$why"
        return
    fi
    if [[ " $* " =~ \ -DLUAJIT_(DISABLE_JIT|USE_GDBJIT|ENABLE_TABLE_BUMP)\  ]]; then
        judge_unknown "$what"
        return
    fi
    start_target luajit "$what" interp 600
    check "$what: a layout fits, and no other one when the state is damaged" fit_damaged
    check "$what: all types are what they are by DWARF" as_dwarf
    check '... and what is taken without a name tells none otherwise' never_otherwise
    stop_target
    start_profiled luajit "$what-stripped" interp
    check "$what: built-in functions have their names" builtins "$luajit/bin/luajit" "$luajit/share"
    take_profile --arg time="$profile_seconds"
    stop_target
    check_shares "$what, by layouts" interp
    rm -rf "$scratch/targets/$what" "$scratch/targets/$what-stripped"
}

wanted() { # LINE
    local word
    ((${#words[@]})) || return 0
    for word in "${words[@]}"; do
        [[ " $1 " != *" $word "* ]] || return 0
    done
    return 1
}
words=("$@")
while read -r line; do
    if [[ -n $line ]] && wanted "$line"; then
        # shellcheck disable=SC2086 # words
        judge "${line// /_}" $line
    fi
done <<<"$ages"

never_wrong() { # PART...: each was tried
    local part
    nice "$builddir/tests/unit/layout_fit_nginx" "$pid" layouts "$damaged" "${@: -1}" \
        >"$scratch/out" 2>"$scratch/err" || return
    sed 's/^/# /' "$scratch/out"
    for part; do
        grep -q "^part $part: [1-9].* damaged $damaged, refused [1-9]" "$scratch/out" || return
    done
}
if wanted nginx; then
    start_target nginx gc64 interp 3000
    check 'nginx: a damaged worker is never taken for one of another layout' never_wrong 0 1 3
    stop_target
    start_target nginx gc64 proxy 3000
    check 'nginx: ... nor one that asks others' never_wrong 0 1 2
    stop_target
fi
finish
