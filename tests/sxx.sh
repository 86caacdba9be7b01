#!/bin/sh
# Expands every case of tests/sxx (see tests/unit/sxx_expand.c for what a case holds) and compares
# with its expected/. Prints TAP; UPDATE_GOLDEN=1 writes what comes out as what is wanted.
set -u
here=$(cd "${top_srcdir:-.}/tests/sxx" && pwd) || exit 99
tool=$(cd "${top_builddir:-.}" && pwd)/tests/unit/sxx_expand
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0
for dir in "$here"/*/; do
    name=$(basename "$dir")
    rm -rf "$tmp/out"
    mkdir "$tmp/out"
    "$tool" "$dir" "$tmp/out" 2>"$tmp/crash"
    status=$?
    if [ "${UPDATE_GOLDEN:-}" = 1 ]; then
        rm -rf "$dir/expected"
        cp -r "$tmp/out" "$dir/expected"
    fi
    n=$((n + 1))
    if [ $status = 0 ] && diff -r "$dir/expected" "$tmp/out" >"$tmp/diff" 2>&1; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        cat "$tmp/crash" "$tmp/diff" | sed 's/^/# /' | head -40
        failed=1
    fi
done
echo "1..$n"
exit $failed
