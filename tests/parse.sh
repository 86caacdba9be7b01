#!/bin/sh
# Parses tests/parse-ok/*.stp (printed back: *.golden) and tests/parse-ko/*.stp (messages: *.err). A
# script's line "# options: ..." is given to tests/unit/syntax_print. Prints TAP; UPDATE_GOLDEN=1
# writes what comes out as what is wanted: read the difference before you commit it.
set -u
here=${top_srcdir:-.}/tests
tool=$(cd "${top_builddir:-.}" && pwd)/tests/unit/syntax_print
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
cd "$here" || exit 99
n=0
failed=0

# NAME GOT WANT: are these files the same?
same() {
    if [ "${UPDATE_GOLDEN:-}" = 1 ]; then cp "$2" "$3"; fi
    n=$((n + 1))
    if cmp -s "$2" "$3"; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        diff -u "$3" "$2" 2>&1 | sed 's/^/# /' | head -40
        failed=1
    fi
}

# FILE STATUS
run() {
    options=$(sed -n 's/^# options: //p' "$1")
    case $options in
    *"-- "*) "$tool" ${options%%-- *} "$1" -- ${options##*-- } ;;
    *) "$tool" $options "$1" ;;
    esac >"$tmp/out" 2>"$tmp/err"
    status=$?
    n=$((n + 1))
    if [ $status = "$2" ]; then
        echo "ok $n - $1: exit status $2"
    else
        echo "not ok $n - $1: exit status $status, not $2"
        sed 's/^/# /' "$tmp/err" | head -40
        failed=1
    fi
}

for f in parse-ok/*.stp; do
    run "$f" 0
    same "$f printed back" "$tmp/out" "${f%.stp}.golden"
done
for f in parse-ko/*.stp; do
    run "$f" 1
    same "$f is refused" "$tmp/err" "${f%.stp}.err"
done
echo "1..$n"
exit $failed
