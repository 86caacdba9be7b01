#!/bin/bash
#
# What one types in the first hour, with an installed copy (make install into a scratch folder),
# from an empty folder: names of samples, mistyped words, files of other kinds, missing targets, and
# what tools that look for SystemTap ask. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

((UID == 0)) || skip_all 'needs root'
make -s -C "$builddir" install DESTDIR="$scratch/installed" >"$scratch/out" 2>"$scratch/err" || :
installed=$(find "$scratch/installed" -name ngstap -path '*/bin/*')
check 'make install' test -x "$installed"
prefix=$(dirname "$(dirname "$installed")")
repository=$PWD
mkdir "$scratch/empty"
cd "$scratch/empty"

# run ARGUMENT...: the installed copy; status, out and err
run() {
    status=0
    timeout "${trace_seconds:-40}" "$installed" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null ||
        status=$?
}
# refuses NAME PATTERN ARGUMENT...: status 1, one error, and PATTERN in what it says
refuses() {
    local name=$1 pattern=$2
    shift 2
    run "$@"
    check "$name" refused "$pattern"
}
refused() {
    [[ $status = 1 && $(grep -c 'error: ' "$scratch/err") = 1 ]] && said "$1" && ! said '/\.\./'
}
is_file() { [[ -f $prefix/$1 && -s $prefix/$1 ]]; }

for file in share/man/man1/{ngstap,stap++,fix-lua-bt,docker-root,kubectl-ngstap}.1 \
    share/doc/ngstap/{README,docs/{cookbook,differences,reference,troubleshooting}}.md \
    share/bash-completion/completions/{ngstap,stap++}; do
    check "$file is installed" is_file "$file"
done

links() { # of an installed README
    grep -ohE '\]\([A-Za-z./-]+\)' "$prefix/share/doc/ngstap/README.md" | tr -d '()]' |
        while IFS= read -r file; do
        [[ -e $prefix/share/doc/ngstap/$file ]] || echo "$file"
    done
}
check 'the links of the installed README lead somewhere' test -z "$(links)"

# ---- samples by name

run --args lj-lua-stacks.sxx
check 'a sample by its name' printed '--arg time=VALUE'
run --args lj-lua-stacks
check 'a sample without its ending' printed '--arg time=VALUE'
echo 'probe begin { println("mine") exit() }' >lj-gc.sxx
run lj-gc.sxx
check 'a file here goes before a sample' printed '^mine$'
refuses 'a name that is nearly a sample' 'did you mean lj-lua-stacks\.sxx' lj-lua-stack.sxx
refuses 'a name that is nearly a command' "did you mean .*convert" conver A
refuses 'a name that is near to nothing' 'lj-lua-stacks\.sxx' entirely-unknown
refuses 'with a slash it is a path' 'cannot read \./lj-lua-stacks\.sxx: No such file' \
    ./lj-lua-stacks.sxx
refuses 'a sample without a target' 'this script needs a process: .*' lj-lua-stacks.sxx
check '... with what names one' said 'hint: -x PID, --master PID'
check '... and nothing before it' test "$(head -n 1 "$scratch/err" | grep -c 'needs a process')" = 1
printf 'probe timer.s(1) { if ($^pid_ok) println($^target) }\n' >e.sxx
refuses 'a script of ones own, too' '^e\.sxx:1:.*needs a process: .*pid_ok' e.sxx

# ---- words that are no script

run help
check 'help' printed '^Usage: ngstap'
check '... is listed itself' printed '^  help '
run help flame
check 'help COMMAND' printed '^Usage: ngstap flame'
refuses 'help of what is no command' 'did you mean flame' help flaem
printf '@/srv/a.lua:3\n=main:1\n\t12\n@/srv/b.lua:3\n\t2\n' >saved
refuses 'saved stacks as a script' 'ngstap convert saved' saved
printf 'main;@a.lua:3;@b.lua:5 12\nmain 3\n' >saved.folded
refuses 'folded stacks as a script' 'ngstap convert saved\.folded' saved.folded
echo '<?xml version="1.0"?><svg/>' >flame.svg
refuses 'a picture as a script' 'a browser' flame.svg
echo '{"$schema": "x"}' >flame.json
refuses 'JSON as a script' 'speedscope' flame.json
echo x | gzip >flame.pb.gz
refuses 'a pprof profile as a script' 'pprof' flame.pb.gz
cp "$installed" program
refuses 'a program as a script' '--exec program' program
printf 'global a =\n\t5\nprobe begin { println(a) exit() }\n' >odd.stp
run odd.stp
check 'a script with a line that could be a count' printed '^5$'
run -e 'probe begin { prinft("x") }'
check 'printf mistyped' said 'did you mean printf\(\)'
run -e 'probe begin { prnitln("x") }'
check 'println mistyped' said 'did you mean println\(\)'
run -e 'probe begin { x = srpintf("x") }'
check 'sprintf mistyped' said 'did you mean sprintf\(\)'

# ---- times

for time in 0.3 0.3s 300ms 0.005m; do
    run -T "$time" -e 'probe end { println("ended") }'
    check "-T $time" printed '^ended$'
done
refuses '-T without a number' '-T: not a time: soon' -T soon -e 'probe begin { }'
refuses '-T with another unit' '-T: not a time: 5d' -T 5d -e 'probe begin { }'
refuses 'flame -t, likewise' '-t: not a time: 5 minutes' flame -x 1 -t '5 minutes'

# ---- objects: what is fixed when they are made

(run -p4 -m made -e 'probe begin { println("made") exit() }')
check 'an object' test -s made.bpf.o
for option in '--arg a=1' --args --dump-src --dump-bpf '-D MAXACTION=5' --skip-badvars '-p 3'; do
    # shellcheck disable=SC2086 # two words
    refuses "an object with $option" "made\.bpf\.o.*${option%% *}.*" $option made.bpf.o
    check '... that says how to change it' said 'hint: .*-p4 -m made'
done
refuses 'an object with arguments' 'made\.bpf\.o.*argument.* one' made.bpf.o one two
run -T 5 -v -w made.bpf.o
check 'an object with what counts when it runs' printed '^made$'

# ---- who looks for SystemTap

run --version
check '--version' printed '^ngstap [0-9.]+$'
ln -s "$installed" stap
# As openresty-systemtap-toolkit and stap++ read it: /version\s+(\d+\.\d+)/i, at least 2.1 and 2.3.
version=$(PATH=$PWD:$PATH stap --version 2>&1 | grep -oiE 'version[[:space:]]+[0-9]+\.[0-9]+' |
    head -n 1 | grep -oE '[0-9.]+$' || :)
check 'stap --version tells the version of the language' test \
    "$(printf '%s\n' 2.3 "$version" | sort -V | head -n 1)" = 2.3
same_version() { [[ $("$installed" -V 2>&1) = "$("$installed" --version)" ]]; }
check 'stap -V says the same' same_version
in_pp() { "$installed" -e \
    'probe begin { printf("%s\n", %( systemtap_v >= "'"$version"'" %? "same" %: "older" %)) exit() }' | grep -qx same; }
check '... and so does the preprocessor' in_pp
echo 'probe begin { println("by stdin") exit() }' >in.stp
./stap --skip-badvars --all-modules -d "$installed" --ldd - <in.stp >"$scratch/out" \
    2>"$scratch/err" || :
check "the toolkit's command line" printed '^by stdin$'
PATH=$PWD:/usr/bin:/bin ./stap --backend=stap -p4 -e 'probe begin { exit() }' >"$scratch/out" \
    2>"$scratch/err" || :
not_itself() { ! said 'does not tell a version'; }
check 'as stap it does not take itself for SystemTap' not_itself
cd "$repository"
finish
