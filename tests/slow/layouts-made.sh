#!/bin/bash
# shellcheck disable=SC2154 # tap.sh sets variables
#
# The layouts of LuaJIT that we bring have no gap: made again from LuaJIT's and OpenResty's whole
# history they are the same to the byte, and each tag of either has one of them. Where it fails,
# the sources have gone on: scripts/make-layouts, called alike, writes what is missing.
#
# NGSTAP_LUAJIT_GIT=LUAJIT:LUAJIT2 are git folders of both, NGSTAP_LUAJIT_ARCHIVES (A:B, may be
# empty) archives of OpenResty's that are newer. Needs a C compiler. Prints TAP; some 400 compiler
# runs, five minutes.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR/.. source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

[[ -n ${NGSTAP_LUAJIT_GIT:-} ]] || skip_all 'NGSTAP_LUAJIT_GIT names no git folders'
luajit='' openresty=''
for dir in ${NGSTAP_LUAJIT_GIT//:/ }; do
    if git --git-dir="$dir" rev-parse -q --verify v2.1-agentzh >/dev/null; then
        openresty=${openresty:-$dir}
    elif git --git-dir="$dir" rev-parse -q --verify v2.1 >/dev/null; then
        luajit=${luajit:-$dir}
    fi
done
[[ -n $luajit && -n $openresty ]] ||
    skip_all 'NGSTAP_LUAJIT_GIT lacks a git folder of LuaJIT (v2.1) or of luajit2 (v2.1-agentzh)'

make_again() {
    # shellcheck disable=SC2086 # words
    NGSTAP=$ngstap nice scripts/make-layouts -o "$scratch/made" "$luajit" "$openresty" \
        ${NGSTAP_LUAJIT_ARCHIVES//:/ } >"$scratch/out" 2>"$scratch/err"
}
NGSTAP_LUAJIT_ARCHIVES=${NGSTAP_LUAJIT_ARCHIVES:-}
check 'layouts are made of all versions, and each tag has one' make_again
echo "# $(find "$scratch/made" -name '*.debug' | wc -l) files"
check '... the ones that we bring' diff -rq layouts/luajit "$scratch/made"
finish
