#!/bin/bash
#
# SystemTap's own tapset, searched after ours: a folder of ours stands for it ($SYSTEMTAP_TAPSET),
# whose functions, aliases and macros say who they are; then the one that is installed, if one is.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

theirs=$scratch/tapset
mkdir -p "$theirs/linux" "$theirs/$(uname -m)"
cat >"$theirs/plain.stp" <<'END'
global __kept = 40
global __far = 7
function theirs_sum:long(a:long, b:long) { return a + b + __kept }
private function hidden:long() { return 1 }
function theirs_private:long() { return hidden() }
function theirs_text:string() { return @theirs_word }
function theirs_version:string() {
    %( kernel_v >= "3.0" %? return "new" %: return "old" %)
}
function pid:long() %{ STAP_RETVALUE = 1; %}
function theirs_embedded:long(x:long) %{ STAP_RETVALUE = STAP_ARG_x; %}
function theirs_calls:long() { return theirs_embedded(1) }
END
cat >"$theirs/linux/more.stp" <<'END'
function theirs_far:long() { return __far }
probe theirs.tick = timer.ms(10) { name = "tick" number = 42 unread = theirs_embedded(2) }
probe theirs.tock = theirs.tick { longer = name . "-tock" }
END
cat >"$theirs/alias.stp" <<'END'
private function secret:long() { return 43 }
probe theirs.secret = timer.ms(10) { number = secret() }
probe syscall.read.return = timer.ms(10) { name = "theirs" }
probe syscall.theirs = timer.ms(10) { }
END
echo 'function theirs_machine:string() { return "machine" }' >"$theirs/$(uname -m)/machine.stp"
echo '@define theirs_word %( "word" %)
@define theirs_twice(x) %( (@x + @x) %)' >"$theirs/macros.stpm"
echo 'function theirs_broken( {' >"$theirs/broken.stp"
export SYSTEMTAP_TAPSET=$theirs

says() { last_line_is "$1" -e "probe begin { $2 exit() }"; }
check 'a function, its file with the global it uses' says 45 'println(theirs_sum(2, 3))'
check 'a private function of a file' says 1 'println(theirs_private())'
check 'a macro, in the script and in the tapset' says 'word 6' 'println(theirs_text(), " ", @theirs_twice(3))'
check 'conditions read the kernel'"'"'s release' says new 'println(theirs_version())'
check 'the folder linux; a global of another file' says 7 'println(theirs_far())'
check 'the folder of the machine' says machine 'println(theirs_machine())'
check 'what ours has is ours' says 1 'println(pid() > 1)'
check 'an alias of an alias; what nothing reads is left out' last_line_is 'tick-tock 42' \
    -e 'probe theirs.tock { println(longer, " ", number) exit() }'
check 'an alias that calls a private function of its file' last_line_is 43 \
    -e 'probe theirs.secret { println(number) exit() }'
check 'a point of an alias of ours is ours, when theirs has it by its whole name' last_line_is read \
    -e 'probe syscall.theirs { next } probe syscall.read.return { println(name) exit() }'
check 'embedded C is an error where a handler reaches it' \
    fails_with 'theirs_embedded() is written in embedded C, which eBPF cannot run' \
    -e 'probe begin { println(theirs_calls()) exit() }'
check '... that says what runs it' said 'hint: --backend=stap will run it'
check 'a number of arguments that none takes' fails_with 'theirs_sum() takes 2 arguments, not 1' \
    -e 'probe begin { println(theirs_sum(1)) }'
check 'what nobody has is an error' fails_with 'there is no function theirs_non()' \
    -e 'probe begin { theirs_non() }'
check 'an alias that nobody has, likewise' fails_with "no probe point is named 'theirs.nothing'" \
    -e 'probe theirs.nothing { }'
check '--no-system-tapset' fails_with 'there is no function theirs_sum()' \
    --no-system-tapset -e 'probe begin { println(theirs_sum(2, 3)) exit() }'
SYSTEMTAP_TAPSET=$scratch/nowhere check 'a folder that is not there holds nothing' \
    fails_with 'there is no function theirs_sum()' -e 'probe begin { println(theirs_sum(2, 3)) }'

# Nothing of it is read when no name is missing.
looked() {
    strace -f -e trace=openat -o "$scratch/trace" "$ngstap" -p2 -e "$1" >"$scratch/out" 2>&1 || :
    grep -q "$theirs/" "$scratch/trace"
}
if command -v strace >/dev/null; then
    check 'a missing name has it read' looked 'probe begin { println(theirs_sum(2, 3)) }'
    not_looked() { ! looked "$@"; }
    check '... no missing name does not' not_looked \
        'global a probe timer.s(1), syscall.read { n = pid() a[n] <<< 1 if (@defined(@var("x"))) println(ctime(0)) }'
else
    skip 'when it is read' 'there is no strace'
fi

# ---- for SystemTap itself its own names are left to it

dumped() { run_once --dump-stap "$@"; }
check 'stap: its functions are called by name' \
    dumped -e 'probe begin { println(theirs_embedded(3), theirs_text()) exit() }'
check '... and their text is not taken' eval '! printed "%\{|function theirs"'
check '... the call is there' printed 'println\(theirs_embedded\(3\), theirs_text\(\)\)'
check 'stap: its aliases stand as they were written' \
    dumped -e 'probe theirs.tick.return { printf("%s %d %s\n", name, $fd, $$parms) }'
check '... with what they set, and $variables' printed '\$fd, \$\$parms'
check '... by their name' printed '^probe theirs\.tick\.return'

# ---- the installed one

unset SYSTEMTAP_TAPSET
if [[ -d /usr/share/systemtap/tapset ]] && command -v stap >/dev/null; then
    check 'installed: a macro of its own' says 3 'println(@choose_defined($nothing, 3))'
    headers=''
    for file in "/lib/modules/$(uname -r)/build/.config" /usr/src/linux-headers-*/.config; do
        [[ ! -e $file ]] || headers=${file%/.config}
    done
    # SystemTap takes what is printed for it: it resolves the names itself.
    taken() {
        run_once --dump-stap "$@" && cp "$scratch/out" "$scratch/printed.stp" &&
            HOME=$scratch timeout 120 stap -g -w -p2 -r "$headers" \
                "$scratch/printed.stp" >"$scratch/out" 2>"$scratch/err"
    }
    if [[ -n $headers ]]; then
        check 'installed: functions that ngstap has not, by SystemTap -p2' taken \
            -e 'probe begin { println(tcp_get_info_rto(0)) ftrace("x") exit() }'
    else
        skip 'what SystemTap says of its names' 'no headers of a kernel are installed'
    fi
else
    skip 'the installed one' 'SystemTap is not installed'
fi

finish
