#!/bin/bash
# shellcheck disable=SC2016,SC2059,SC2154,SC2317 # scripts have dollars; begin.sh sets; check calls functions
#
# The cache rots, or is somebody else's. Whatever becomes of its files (a bit, the end, all of it
# gone, a folder, a pipe, a link, another user's file in their place), answers are those of an empty
# cache, and each file is made again, with its sum. A folder that others own or can write to is not
# used, which -v says. Entries of the stap back end: tests/stap-build.sh. Needs root, eBPF, a C
# compiler. About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=faults/begin.sh
. tests/faults/begin.sh

kept=$XDG_CACHE_HOME/ngstap
# Variables ask for an index of the debug information, the stack for rows of unwind tables.
cat >"$scratch/both.stp" <<'END'
probe process.function("one") {
    printf("%d %s %s\n", $n > 0, probefunc(), $$vars == "" ? "no" : "vars")
    print_ubacktrace()
    exit()
}
END
# The files of readers: with an object of the cache (tests/kept.sh) they would not be looked at.
answer() { # what it printed, less what differs between hits, is in $answer
    status=0
    timeout 60 "$ngstap" -I tapset --disable-cache -x "$target" -v "$scratch/both.stp" \
        >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    answer=$status:$(sed -E 's/\[[^]]*\]//g' "$scratch/out")
}
files() { find "$kept" -mindepth 2 -maxdepth 2 -path "$kept/[iuo]*" -regex '.*/[0-9a-f]*' | sort; }

# sound FILE: 8 bytes "ngscache", the key, which is the name, the sum of what follows
sound() {
    [[ -f $1 && ! -L $1 && $(stat -c '%u %a' "$1") = "0 600" ]] &&
        [[ $(head -c 8 "$1") = ngscache ]] &&
        [[ $(head -c 40 "$1" | tail -c 32 | xxd -p -c 64) = "${1##*/}" ]] &&
        [[ $(head -c 72 "$1" | tail -c 32 | xxd -p -c 64) = \
            "$(tail -c +73 "$1" | sha256sum | cut -d ' ' -f 1)" ]]
}
all_sound() {
    local file
    for file in "${all[@]}"; do
        sound "$file" || { echo "# not made again: $file" && return 1; }
    done
}

answer
truth=$answer
check 'an empty cache: an answer' test "${truth%%:*}" = 0 -a "$(wc -l <"$scratch/out")" -ge 3
mapfile -t all < <(files)
check 'files are kept' test "${#all[@]}" -ge 2
command -v xxd >/dev/null || sound() { [[ -f $1 && ! -L $1 && $(head -c 8 "$1") = ngscache ]]; }
check '... with their sums' all_sound
cp -a "$kept" "$scratch/good"

is_the_truth() { [[ $answer = "$truth" ]]; }
answer
check 'a filled cache: the same' is_the_truth

# What may become of FILE, one after the other.
flip() { # FILE: a bit anywhere
    local size at
    size=$(stat -c %s "$1")
    at=$((RANDOM * 32768 + RANDOM))
    at=$((at % size))
    printf "\\x$(printf %x $(($(od -An -tu1 -j "$at" -N 1 "$1") ^ (1 << RANDOM % 8))))" |
        dd of="$1" bs=1 seek="$at" conv=notrunc 2>/dev/null
}
cut_short() { truncate -s $((RANDOM % $(stat -c %s "$1"))) "$1"; }
grow() { echo more >>"$1"; }
empty() { : >"$1"; }
folder() { rm "$1" && mkdir -p "$1/in it/deeper" && touch "$1/in it/file"; }
pipe() { rm "$1" && mkfifo -m 600 "$1"; }
link() { rm "$1" && ln -s "$scratch/good${1#"$kept"}" "$1"; }
dangling() { rm "$1" && ln -s "$scratch/nowhere" "$1"; }
other_name() { # what another key made, whole
    local next
    next=$(files | grep -vxF "$1" | head -n 1)
    cp "$scratch/good${next#"$kept"}" "$1"
}
foreign() { chown nobody "$1"; }

seed=${NGSTAP_SEED:-$$}
RANDOM=$seed
echo "# NGSTAP_SEED=$seed gives these bits again"
for fault in flip flip flip cut_short cut_short grow empty folder pipe link dangling other_name \
    foreign; do
    rm -rf "$kept"
    cp -a "$scratch/good" "$kept"
    for file in "${all[@]}"; do
        "$fault" "$file"
    done
    answer
    check "$fault: the answer of an empty cache" is_the_truth
    check "... each file is made again" all_sound
done
check 'what a link led to is as it was' test -z "$(find "$scratch/nowhere" 2>/dev/null)"

# --- another user's -----------------------------------------------------------------------

is_told() { said 'cache in .* is not used: another user could write to it'; }
snapshot() { find -L "$XDG_CACHE_HOME" -printf '%P %i %s %T@ %u %m\n' | sort; }
fresh() {
    rm -rf "$XDG_CACHE_HOME"
    mkdir -m 700 "$XDG_CACHE_HOME"
    cp -a "$scratch/good" "$kept"
}
theirs() { # NAME COMMAND...: after COMMAND it is not used
    local name=$1 before
    shift
    fresh
    "$@"
    before=$(snapshot)
    answer
    check "$name: the answer of an empty cache" is_the_truth
    check '... it is neither read nor written' test "$(snapshot)" = "$before"
    check '... -v says so' is_told
}
sub_folders() { # COMMAND: to each folder of the cache
    local dir
    for dir in "$kept"/*/; do "$@" "${dir%/}"; done
}
moved_away() { rm -rf "$scratch/away" && mv "$1" "$scratch/away" && ln -s "$scratch/away" "$1"; }
theirs "another user's ~/.cache" chown nobody "$XDG_CACHE_HOME"
theirs 'a ~/.cache that everybody can write to' chmod 777 "$XDG_CACHE_HOME"
theirs "another user's folder" chown nobody "$kept"
theirs 'a folder that its group can write to' chmod 770 "$kept"
theirs 'a link in the place of the folder' moved_away "$kept"
theirs "another user's folders of it" sub_folders chown nobody
theirs 'folders of it that everybody can write to' sub_folders chmod 1777
chmod 700 "$XDG_CACHE_HOME"
chown root "$XDG_CACHE_HOME"
fresh
answer
check "one's own: nothing is said" test -z "$(grep 'is not used: another' "$scratch/err")"
finish
