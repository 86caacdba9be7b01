#!/bin/bash
#
# ngstap as stap++: the conformance cases of stapxx/ (see its README), and the command lines of
# stap++'s users. The cases need root. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

ln -s "$ngstap" "$scratch/stap++"
stapxx=$scratch/stap++

# as_stapxx ARGUMENT...: status, and out and err
as_stapxx() {
    status=0
    timeout 40 "$stapxx" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}

# AddressSanitizer's shadow takes terabytes of address space, and its search for leaks a whole
# /proc.
memory=2000000 options=${ASAN_OPTIONS:-}
[[ $(ldd "$ngstap") != *libasan* ]] || memory=unlimited options=$options:detect_leaks=0

if unshare -m true 2>/dev/null; then
    while IFS= read -r line; do
        case $line in
        'ok '*) check "${line#*- }" true ;;
        'not ok '*) check "${line#*- }" false ;;
        '#'*) echo "$line" ;;
        esac
    done < <(ASAN_OPTIONS=$options stapxx/run.sh -m "$memory" "$stapxx")
    check 'as many cases as there are' test "$tests" \
        = "$(find stapxx/cases -mindepth 1 -maxdepth 1 -type d | wc -l)"
else
    skip 'the cases of stapxx' 'mount namespaces need root'
fi

# ---- command lines

say='probe begin { printf("%d %s\n", target(), "$^arg_word") exit() }'
as_stapxx -e "$say" --arg word=hello
check '-e and --arg' printed '^0 hello$'
as_stapxx -e "$say" --arg word=
check '--arg with an empty value' printed '^0 $'
as_stapxx -e "$say" --arg word
check '--arg without a value is an error' test "$status" != 0
check '... that says so' said 'word'
sleep 60 &
pid=$!
pids+=("$pid")
until [[ $(readlink "/proc/$pid/exe") == */sleep ]]; do sleep 0.01; done
as_stapxx -x "$pid" -e 'probe begin { println($^target, " $^exec_path ", "$^libc_path") exit() }'
check '-x' printed "^$pid .*/sleep /.*/libc"
check '... without a word of what was found' test ! -s "$scratch/err"
as_stapxx -v -x "$pid" -e 'probe begin { println("$^libc_path") exit() }'
check '... but with -v' said 'note: Found exact match for libc'
as_stapxx --sample-pid "$pid" --exec /bin/cat \
    -e 'probe begin { println("$^exec_path $^libc_path") exit() }'
check '--sample-pid and --exec' printed '^/bin/cat /.*/libc'
as_stapxx --master $$ -e 'probe begin { println("$^target") exit() }'
check '--master' printed "(^| )$pid( |\$)"
as_stapxx -D MAXACTION=10 -e 'probe begin { for (i = 0; i < 100; i++) ; }'
check '-D' said 'MAXACTION exceeded'
check '... and its exit status is passed on' test "$status" = 1
as_stapxx -d /bin/cat --skip-badvars -v -x "$pid" -o "$scratch/file" \
    -e 'probe begin { println("to a file") exit() }'
check '-d, --skip-badvars, -v, -o' grep -q '^to a file$' "$scratch/file"
as_stapxx -c 'echo from the command' -e 'probe end { println("ended") }'
check '-c' printed '^ended$'
echo '@use lib
probe begin { println(value()) exit() }' >"$scratch/main.sxx"
mkdir "$scratch/inc"
echo 'function value() { return 42 }' >"$scratch/inc/lib.sxx"
as_stapxx -I "$scratch/inc" "$scratch/main.sxx"
check '-I' printed '^42$'
as_stapxx --args -e "$say"
check '--args' printed '^[[:space:]]*--arg word=VALUE$'
as_stapxx --help
check '--help' printed '[-]-master'
as_stapxx -e 'probe begin { exit() }' --arg other=1
check 'an unused --arg is warned of' said \
    '\$\^arg_other is defined by "--arg other=1", but never used'
finish
