#!/bin/bash
#
# Scripts printed for SystemTap (--dump-stap), over the small program of tests/sema: those of
# tests/stap-ok are printed as their .out says, those of tests/stap-ko are refused as their .err
# says; and what is printed for them and for tests/sema-ok passes the analysis of the installed
# stap, with debug information in the program and, for the symbols that are left, without. A first
# line "//! ARGS" gives ngstap further arguments. UPDATE_GOLDEN=1 rewrites the files.
#
# stap's part is skipped where stap or the headers of any kernel are missing. About 30 s. Prints
# TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

tests=$PWD/tests
${CC:-cc} -g -O2 -Wl,--build-id -o "$scratch/target" tests/sema/target.c
${CC:-cc} -O2 -Wl,--build-id -o "$scratch/bare" tests/sema/target.c
cp -r tests/sema/lib "$scratch/"
count=0

report() { # STATUS NAME [FILE]
    count=$((count + 1))
    if [[ $1 = 0 ]]; then
        echo "ok $count - $2"
        return
    fi
    echo "not ok $count - $2"
    [[ -z ${3:-} ]] || head -n 30 "$3" | sed 's/^/# /'
    failed=1
}

# Addresses, build-ids, source files' numbers and the scratch folder are this run's own; the C in
# front is the same in all.
plain() {
    sed -E -e '1,/^# the script$/d' -e "s#$scratch/##g" -e 's/ngs_[0-9]+_/ngs_FILE_/g' \
        -e 's/0x[0-9a-f]{4,}/ADDR/g'
}

print_script() { # FILE: into $scratch/NAME.printed, with $options of the first line
    local name
    name=$(basename "$1" .stp)
    status=0
    exe=target
    stap_options=()
    read -ra options < <(sed -n '1s#^//! ##p' "$1") || :
    for i in "${!options[@]}"; do
        case ${options[i]} in
            -s) options[i]=--skip-badvars && stap_options=(--skip-badvars) ;; # as sema_print has it
            -e) options[i]=--exec ;;
            WORK/*) exe='' options[i]=$scratch/${options[i]#WORK/} ;;
        esac
    done
    # Timers as fast as one of these are refused, which stap-ko has.
    sed -E 's/timer\.(us|usec)\((.)\)/timer.\1(\200)/g;
        s/timer\.(ns|nsec)\((.)\)/timer.\1(\200000)/g' "$1" \
        >"$scratch/$name.stp"
    [[ $1 != */stap-ko/* ]] || cp "$1" "$scratch/$name.stp"
    [[ -z $exe ]] || options+=(--exec "$scratch/target")
    (cd "$scratch" && timeout 30 "$ngstap" "${options[@]}" --dump-stap "$name.stp" \
        >"$name.printed" 2>"$name.err") ||
        status=$?
}

golden() { # GOT GOLDEN NAME
    local same=0
    [[ -z ${UPDATE_GOLDEN:-} ]] || cp "$1" "$2"
    diff -u "$2" "$1" >"$scratch/diff" || same=1
    report $same "$3" "$scratch/diff"
}

for script in "$tests"/stap-ok/*.stp; do
    name=$(basename "$script" .stp)
    print_script "$script"
    if [[ $status != 0 ]]; then
        report 1 "stap-ok/$name" "$scratch/$name.err"
        continue
    fi
    plain <"$scratch/$name.printed" >"$scratch/out"
    golden "$scratch/out" "${script%.stp}.out" "stap-ok/$name"
done
for script in "$tests"/stap-ko/*.stp; do
    name=$(basename "$script" .stp)
    print_script "$script"
    [[ $status = 1 && ! -s $scratch/$name.printed ]] ||
        echo "status $status, or something printed" >>"$scratch/$name.err"
    golden "$scratch/$name.err" "${script%.stp}.err" "stap-ko/$name"
done

# ---- stap's own analysis ----

# A kernel that need not be the running one: of its symbols stap asks only for what return probes
# need.
headers() {
    local dir
    for dir in "/lib/modules/$(uname -r)/build" /usr/src/linux-headers-*; do
        if [[ -e $dir/.config && -e $dir/Module.symvers ]]; then
            mkdir "$scratch/build"
            ln -s "$dir"/* "$dir"/.config "$scratch/build/"
            [[ -e $dir/System.map ]] ||
                echo 'ffffffff81000000 T arch_uretprobe_hijack_return_addr' \
                    >"$scratch/build/System.map"
            return
        fi
    done
    return 1
}

analyse() { # FILE NAME
    local ok=0
    HOME=$scratch timeout 60 stap -g -w -p2 -r "$scratch/build" "${stap_options[@]}" "$1" \
        >"$scratch/stap.out" 2>"$scratch/stap.err" || ok=1
    report $ok "$2" "$scratch/stap.err"
}

if ! command -v stap >/dev/null; then
    count=$((count + 1))
    echo "ok $count - stap accepts what is printed # SKIP stap is not installed"
elif ! headers; then
    count=$((count + 1))
    echo "ok $count - stap accepts what is printed # SKIP no kernel's headers are installed"
else
    for script in "$tests"/stap-ok/*.stp "$tests"/sema-ok/*.stp; do
        name=$(basename "$script" .stp)
        ! grep -q kernel.syscall "$script" || continue # ngstap's own
        print_script "$script"
        if [[ ($name = kernel-trace || $name = syscalls || $name = aliases) && $status = 0 ]]; then
            count=$((count + 1))
            echo "ok $count - stap accepts $name # SKIP stap compiles queries from the kernel's sources for tracepoints"
        elif [[ $name = kernel-function && $status = 0 ]]; then
            count=$((count + 1))
            echo "ok $count - stap accepts $name # SKIP stap wants the kernel's debug information"
        elif [[ $status = 0 ]]; then
            analyse "$scratch/$name.printed" "stap accepts $(basename "$(dirname "$script")")/$name"
        else
            report 1 "$name is printed" "$scratch/$name.err"
        fi
    done
    # The same places by symbol, once the program has no more than those; and by nothing but begin
    # and clocks.
    print_script "$tests/stap-ok/points.stp"
    strip -g "$scratch/target"
    analyse "$scratch/points.printed" \
        "stap accepts functions of a program without debug information"
fi
echo "1..$count"
exit "$failed"
