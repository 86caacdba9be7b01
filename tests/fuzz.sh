#!/bin/bash
# Readers of untrusted bytes (tests/fuzz/fuzz.h) on what once broke them (tests/fuzz/corpus), on
# inputs that are made here, and on changes of these. ROUNDS: how many changes, for by hand.
set -uo pipefail
source "${BASH_SOURCE[0]%/*}/tap.sh"
replay=$builddir/tests/fuzz/replay
here=$PWD
CC=${CC:-cc} ngstap=$ngstap tests/fuzz/seeds.sh "$scratch/seeds" >"$scratch/out" 2>"$scratch/err"
check "inputs are made" [ $? = 0 ]

# read_inputs READER ROUNDS
read_inputs() {
    cd "$scratch" && timeout 300 "$replay" "$1" "${ROUNDS:-$2}" "$here/tests/fuzz/$1.dict" \
        $(find "seeds/$1" "$here/tests/fuzz/corpus/$1" -type f 2>/dev/null | sort) >out 2>err
}

# accepts READER LEAST: of the changed inputs so many were no damage
accepts() {
    local n
    n=$(sed -n 's/.*, \([0-9]*\) accepted$/\1/p' "$scratch/out")
    [ "${n:-0}" -ge "$2" ]
}

while read -r reader rounds least; do
    check "$reader" read_inputs "$reader" "$rounds"
    cd "$here" || exit
    [[ $least = 0 ]] || check "$reader: enough of them are sound" accepts "$reader" "$least"
done <<'READERS'
elf 2000 200
debug 300 20
pack 500 50
unwind 3000 100
object 2000 0
stacks 10000 100
pprof 10000 100
lua 20000 100
conf 1500 100
maps 3000 100
mountinfo 3000 0
script 6000 50
words 6000 1000
answers 6000 100
READERS
finish
