#!/bin/sh
# Expands every case of stapxx/cases and tests/sxx (see tests/unit/sxx_expand.c for what a case
# holds) and compares with its expected/; those that need no target by ngstap --dump-src and --args,
# too. Prints TAP; UPDATE_GOLDEN=1 writes what comes out as what is wanted.
set -u
cases=$(cd "${top_srcdir:-.}" && pwd) || exit 99
build=$(cd "${top_builddir:-.}" && pwd)
tool=$build/tests/unit/sxx_expand
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

# by_ngstap CASE: its text or list of arguments, and its status
by_ngstap() (
    cd "$1" || exit 99
    set --
    what=main.stp
    if [ -f options ]; then
        while IFS= read -r word; do
            case $word in
            parse) ;;
            --args) what=args ;;
            *) set -- "$@" "$word" ;;
            esac
        done <options
    fi
    if [ $what = args ]; then set -- --args "$@"; else set -- --dump-src "$@"; fi
    "$build/ngstap" "$@" input.sxx >"$tmp/text" 2>"$tmp/crash"
    status=$?
    if [ ! -f "expected/$what" ]; then
        [ $status = 1 ] && [ ! -s "$tmp/text" ]
        exit
    fi
    [ $status = 0 ] && diff "expected/$what" "$tmp/text" >"$tmp/diff"
)

result() { # STATUS NAME
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        cat "$tmp/crash" "$tmp/diff" | sed 's/^/# /' | head -40
        failed=1
    fi
}

for dir in "$cases"/stapxx/cases/*/ "$cases"/tests/sxx/*/; do
    : >"$tmp/diff"
    name=$(basename "$dir")
    rm -rf "$tmp/out"
    mkdir "$tmp/out"
    "$tool" "$dir" "$tmp/out" 2>"$tmp/crash"
    status=$?
    if [ "${UPDATE_GOLDEN:-}" = 1 ]; then
        # a person writes what any implementation says
        find "$dir/expected" -type f ! -name says -delete
        cp -r "$tmp/out/." "$dir/expected"
    fi
    [ $status = 0 ] && diff -r -x says "$dir/expected" "$tmp/out" >"$tmp/diff" 2>&1
    result $? "$name"
    if [ ! -f "$dir/target" ]; then
        by_ngstap "$dir"
        result $? "$name, by ngstap"
    fi
done
echo "1..$n"
exit $failed
