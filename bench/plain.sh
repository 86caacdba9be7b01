#!/bin/bash
#
# lj-lua-stacks as stap++ would have it run: the script and its libraries expanded by ngstap, then
# stap, with -d for each module that the process has mapped. $SHARE/runtime is a runtime that is
# mended for the kernel.
#
#   bench/plain.sh NGSTAP PID SHARE HEADERS TIME [OPTION OF STAP]...

set -euo pipefail
ngstap=$1 pid=$2 share=$3 headers=$4 time=$5
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/library"
cp tapset/*.stp "$work/library"
for library in luajit nginx/lua nginx/config; do
    "$ngstap" --dump-src -I tapset "tapset/$library.sxx" -x "$pid" \
        >"$work/library/${library//\//_}.stp"
done
"$ngstap" --dump-src -I tapset samples/lj-lua-stacks.sxx -x "$pid" --arg time="$time" \
    >"$work/script.stp"
options=()
while read -r file; do
    options+=(-d "$file")
done < <(awk '$6 ~ /^\// && $2 ~ /x/ { print $6 }' "/proc/$pid/maps" | sort -u)
cd "$share"
stap -g -w --skip-badvars -DSTP_NO_OVERLOAD -DMAXACTION=100000 -DMAXSTRINGLEN=4097 -R \
    "$share/runtime" -r "$headers" \
    -I "$work/library" "${options[@]}" -x "$pid" "${@:6}" "$work/script.stp"
