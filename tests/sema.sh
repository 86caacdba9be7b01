#!/bin/sh
# Scripts through the semantic analysis, over a small program that is compiled here: those of
# tests/sema-ok pass and print what is in their .out; those of tests/sema-ko fail with the messages
# in their .err. A first line "//! ARGS" gives sema_print further arguments (WORK: where the target
# is). UPDATE_GOLDEN=1 rewrites the files.

src=${top_srcdir:-.}/tests
src_abs=$(cd "$src" && pwd)
build_abs=$(cd "${top_builddir:-.}" && pwd)
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
n=0
failed=0

report() { # STATUS NAME
    n=$((n + 1))
    [ "$1" = 0 ] && echo "ok $n - $2" && return
    failed=1
    echo "not ok $n - $2"
}

# The target's path, addresses and build-ids are this run's own.
plain() {
    sed -e "s#$work/##g" -e 's/module_address(\([0-9]*\), 0x[0-9a-f]*)/module_address(\1, ADDR)/g' \
        -e 's/[0-9a-f]\{38,40\}/ID/g' -e 's#\.build-id/[0-9a-f][0-9a-f]/#.build-id/#g'
}

compare() { # GOT GOLDEN NAME
    [ -n "$UPDATE_GOLDEN" ] && cp "$1" "$2"
    diff -u "$2" "$1" > "$work/diff"
    report $? "$3"
    sed 's/^/# /' "$work/diff"
}

for flags in "-g -O2" "-g -O0"; do
    # shellcheck disable=SC2086
    if ! (cd "$work" && cp "$src_abs/sema/target.c" . && ${CC:-cc} $flags -o target target.c &&
        ${CC:-cc} -O2 -Wl,--build-id -o bare target.c) 2> "$work/cc.err"; then
        echo "Bail out! no compiler for the target: $(head -1 "$work/cc.err")"
        exit 99
    fi
    cp -r "$src/sema/lib" "$work/"
    mkdir -p "$work/moved" && cp "$src/../tapset/moved.txt" "$work/moved/"
    for script in "$src"/sema-ok/*.stp "$src"/sema-ko/*.stp; do
        name=$(basename "$script" .stp)
        case $name in kernel-*)
            if [ ! -r /sys/kernel/btf/vmlinux ]; then
                report 0 "$name ($flags) # SKIP this kernel has no BTF"
                continue
            fi ;;
        esac
        if [ "$name" = kernel-function ] && ! grep -q '^0*[1-9a-f].* T vfs_read$' /proc/kallsyms
        then
            report 0 "$name ($flags) # SKIP this kernel hides its addresses"
            continue
        fi
        kind=$(basename "$(dirname "$script")")
        args=$(sed -n "1s#^//! ##p" "$script" | sed "s#WORK#$work#")
        cp "$script" "$work/$name.stp"
        # shellcheck disable=SC2086
        (cd "$work" && timeout 30 "$build_abs/tests/unit/sema_print" -e "$work/target" $args \
            "$name.stp" \
            > out.raw 2> err.raw)
        status=$?
        plain < "$work/out.raw" > "$work/out"
        plain < "$work/err.raw" > "$work/err"
        if [ "$kind" = sema-ok ]; then
            [ $status = 0 ] || sed 's/^/# /' "$work/err"
            cat "$work/err" >> "$work/out"
            compare "$work/out" "$src/sema-ok/$name.out" "$kind/$name ($flags)"
        else
            [ $status = 1 ] || echo "exit status $status" >> "$work/err"
            compare "$work/err" "$src/sema-ko/$name.err" "$kind/$name ($flags)"
        fi
    done
done
echo "1..$n"
exit $failed
