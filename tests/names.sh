#!/bin/bash
# shellcheck disable=SC2016,SC2059,SC2317 # scripts and names have dollars of their own; check calls functions
#
# Names of a target in all that ngstap says beside a script's own output: -v, listings, errors,
# packs, types, pictures in each format, events; and names that others give to the scripts around it
# (completion, kubectl-ngstap). Whatever a name holds (ESC, line ends, quotes, $(..), %n, U+202E, no
# UTF-8, 3 KiB), lines stay lines, nothing steers a terminal, nothing runs. tests/hostile.sh attacks
# scripts so. Needs root, eBPF, a C compiler. About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

top=$PWD
export XDG_CACHE_HOME=$scratch/cache
mkdir -m 700 "$XDG_CACHE_HOME"
mkdir "$scratch/cwd"
not_run() { [[ -z $(ls -A "$scratch/cwd") ]]; }

evil=$'e\e[2J\e]0;x\a\nv\t"\'`$(touch PWNED)`%n%s\\\u202e\u2028\xff;<&>{}=,#'

# Printable UTF-8 in lines.
is_clean() { # FILE
    ! LC_ALL=C grep -qaP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80[\xa8-\xae]' "$1" &&
        iconv -f UTF-8 -t UTF-8 "$1" >/dev/null 2>&1
}
both_clean() { is_clean "$scratch/out" && is_clean "$scratch/err"; }
# quotes FILE: the name is in it, made printable; else the check of it says nothing
quotes() { grep -qaF 'touch PWNED' "$1"; }

cat >"$scratch/program.c" <<'END'
#include <unistd.h>
struct told { int n; char name[8]; } told;
__attribute__((noinline)) int work(int n)
{
    __asm__ volatile("");
    return n + told.n;
}
int main(void)
{
    int n = 0;

    alarm(300);
    for (;; usleep(1000))
        for (int i = 0; i < 20; i++)
            n = work(n);
}
END
${CC:-cc} -g -O1 -Wl,--build-id -o "$scratch/program" "$scratch/program.c"

run() { # ARGUMENT...: in the empty folder
    status=0
    (cd "$scratch/cwd" && timeout 60 "$ngstap" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null) ||
        status=$?
}
well() { [[ $status = 0 ]] && both_clean; }
failed() { [[ $status = 1 ]] && both_clean; }
failed_by_name() { failed && quotes "$scratch/err"; }

attack() { # LABEL PATH
    local label=$1 path=$2 pid format
    mkdir -p "${path%/*}"
    cp "$scratch/program" "$path"
    "$path" &
    pid=$!
    pids+=("$pid")
    until [[ /proc/$pid/exe -ef $path ]]; do sleep 0.02; done

    run -I "$top/tapset" -v -x "$pid" -e 'probe process.function("work") {
        printf("%s %s %s\n", pp(), usymname(uaddr()), usymdata(uaddr())) print_ubacktrace() exit() }'
    check "$label: -v, pp(), a backtrace" well
    check '... has the name' quotes "$scratch/err"
    run -I "$top/tapset" --format json -x "$pid" -e 'probe process.function("work") {
        printf("%s %s %s\n", pp(), usymdata(uaddr()), execname()) print_ubacktrace() exit() }'
    check "$label: events" well
    check '... are JSON' python3 -c 'import json,sys
for line in open(sys.argv[1]): json.loads(line)' "$scratch/out"
    run -I "$top/tapset" -x "$pid" -l 'process("$^exec_path").function("*")'
    check "$label: -l" well
    check '... has the name' quotes "$scratch/out"
    run -I "$top/tapset" -x "$pid" -L 'process("$^exec_path").function("work")'
    check "$label: -L" well
    run -I "$top/tapset" -v -x "$pid" -e 'probe process("$^exec_path").function("none_such") { }'
    check "$label: an error of a script" failed_by_name
    run -I "$top/tapset" -x "$pid" -e 'probe process("$^exec_path").function("work") { $none_such }'
    check "$label: another one" failed
    run pack -v -o "$scratch/it.pack" "$path"
    check "$label: pack" well
    check '... has the name' quotes "$scratch/err"
    check '... whose members have others' sh -c "! grep -qaF PWNED '$scratch/it.pack'"
    run types -x "$pid" -C 'struct told'
    check "$label: types" well
    printf '%s\n' 'int main(void) { return 0; }' | cat "$scratch/out" - >"$scratch/types.c"
    check '... are C' ${CC:-cc} -fsyntax-only "$scratch/types.c"
    run --exec "$path/none" -e 'probe begin { }'
    check "$label: a file that is not there" failed_by_name

    for format in folded svg pb.gz speedscope.json; do
        run flame -x "$pid" -t 2 --at 'process.function("work")' -v -o "$scratch/picture.$format"
        check "$label: flame -o picture.$format" well
    done
    check '... folded lines are clean' is_clean "$scratch/picture.folded"
    check '... and end by a count' sh -c "! grep -qavE '^#| [0-9]+\$' '$scratch/picture.folded'"
    check '... the picture is clean, and XML' python3 -c 'import sys,xml.dom.minidom
xml.dom.minidom.parse(sys.argv[1])' "$scratch/picture.svg"
    check '... as is its text' is_clean "$scratch/picture.svg"
    check '... speedscope gets JSON' python3 -c 'import json,sys
json.load(open(sys.argv[1]))' "$scratch/picture.speedscope.json"
    gunzip -c "$scratch/picture.pb.gz" >"$scratch/picture.pb"
    check '... no string of pprof steers a terminal' sh -c \
        "! LC_ALL=C grep -qaF \"\$(printf '\\033[2J')\" '$scratch/picture.pb'"
    kill -KILL "$pid"
    check "$label: nothing ran" not_run
}

attack 'a hostile name' "$scratch/one/$evil"
long=$(printf '%.0sl' {1..180})
deep=$(printf "$long/%.0s" {1..15})
attack '3 KiB of it' "$scratch/$evil/$deep$evil$long"

# --- the scripts around it ----------------------------------------------------------------

mkdir "$scratch/bin"
cat >"$scratch/bin/docker" <<'END'
#!/bin/sh
printf '%s\n' 'web' '$(touch PWNED)' '`touch PWNED`' 'we;touch PWNED' 'we $HOME'
printf 'we\033[2J\n'
END
chmod +x "$scratch/bin/docker"
completed() {
    (
        cd "$scratch/cwd"
        PATH=$scratch/bin:$PATH
        # shellcheck source=/dev/null
        . "$top/scripts/ngstap.bash"
        compopt() { :; }
        COMP_WORDS=("$ngstap" --container we) COMP_CWORD=2
        _ngstap "$ngstap" we --container
        printf '%s\n' "${COMPREPLY[@]}"
    ) >"$scratch/out" 2>"$scratch/err"
    [[ $(<"$scratch/out") = web ]]
}
check 'completion offers names of containers alone' completed
check '... and runs none' not_run

# kubectl as an API server would answer that has such a node.
cat >"$scratch/bin/kubectl" <<'END'
#!/bin/sh
case "$*" in
*'get pod'*) printf 'node"\n  privileged: true\n  x: "' ;;
*) echo "$*" >>calls ;;
esac
END
chmod +x "$scratch/bin/kubectl"
plugin() {
    (cd "$scratch/cwd" && PATH=$scratch/bin:$PATH "$top/scripts/kubectl-ngstap" -n default \
        --image example/ngstap:1 pod) >"$scratch/out" 2>"$scratch/err" || status=$?
    [[ $status != 0 && ! -e $scratch/cwd/calls ]] && said 'no name of a node'
}
status=0
check "kubectl-ngstap: a node's name is no YAML" plugin
finish
