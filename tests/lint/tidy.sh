#!/bin/bash
#
# Runs clang-tidy with .clang-tidy over every source of ours (not over what flex and bison make),
# and checks with clang-format that they are laid out as .clang-format says. Skips, with the reason,
# where these are not installed. Prints TAP: a line a folder.

set -euo pipefail
cd "${top_srcdir:-$(dirname "${BASH_SOURCE[0]}")/../..}"
build=${top_builddir:-.}

tests=0
failed=0
check() { # NAME COMMAND...
    local name=$1 out
    shift
    tests=$((tests + 1))
    if out=$("$@" 2>/dev/null); then
        echo "ok $tests - $name"
    else
        echo "not ok $tests - $name"
        head -40 <<<"$out" | sed 's/^/# /'
        failed=1
    fi
}

tidy() {
    printf '%s\0' "$@" | xargs -0 -P2 -n4 sh -c \
        'exec clang-tidy --quiet "$@" -- -std=gnu11 -D_GNU_SOURCE -DPKGDATADIR=\"\" -Isrc -I"$0/src" -I.' "$build"
}

layout() {
    local file wrong=0
    for file; do
        if ! clang-format --style=file "$file" | cmp -s - "$file"; then
            echo "$file is not laid out as clang-format does it"
            wrong=1
        fi
    done
    return $wrong
}

# What flex and bison made lies beside its source where ngstap was built in place.
sources() {
    local file
    for file in "$1"/*.c; do
        [[ -e ${file%.c}.l || -e ${file%.c}.y ]] || echo "$file"
    done
}

for folder in src/*/ src/*/*/; do
    compgen -G "$folder*.c" >/dev/null || continue
    folder=${folder%/}
    mapfile -t files < <(sources "$folder")
    if command -v clang-tidy >/dev/null; then
        check "$folder: clang-tidy finds nothing" tidy "${files[@]}"
    else
        tests=$((tests + 1))
        echo "ok $tests - $folder: clang-tidy # SKIP clang-tidy is not installed"
    fi
    if command -v clang-format >/dev/null; then
        check "$folder: its .c files are laid out by clang-format" layout "${files[@]}"
    else
        tests=$((tests + 1))
        echo "ok $tests - $folder: clang-format # SKIP clang-format is not installed"
    fi
done
echo "1..$tests"
exit $failed
