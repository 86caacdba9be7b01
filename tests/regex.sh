#!/bin/bash
# shellcheck disable=SC2016 # scripts have dollars of their own
#
# Regular expressions as SystemTap's manual has them: "text =~ pattern" in user space and in the
# kernel, matched() and ngroups(), patterns that are refused with their place. Whether a pattern
# matches is asked of grep -E, too; tests/unit/regex_test compares tables with the C library's
# regexec(), tests/judge/regex.stp is what SystemTap printed. Needs root and eBPF for handlers in
# the kernel. About 10 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
trace_seconds=20

prints() { # NAME SCRIPT TEXT [OPTION]...
    trace "${@:4}" -e "$2"
    printf '%b' "$3" >"$scratch/want"
    check "$1" same_output
}
# shellcheck disable=SC2317 # check calls it
same_output() { [[ $status = 0 ]] && cmp -s "$scratch/want" "$scratch/out"; }
refuses() { # NAME SCRIPT PLACE PATTERN
    trace -p2 -e "$2"
    check "$1" refused "$3: error: .*$4"
}
# shellcheck disable=SC2317
refused() { [[ $status = 1 ]] && said "^-e:$1"; }

kernel=
[[ $UID = 0 ]] && "$ngstap" -e 'probe begin { exit() } probe timer.profile { }' >"$scratch/out" \
    2>"$scratch/err" && kernel=1
both() { # NAME BODY TEXT: in user space, and in the kernel
    prints "$1" "probe begin { $2; exit() }" "$3"
    if [[ $kernel ]]; then
        prints "$1 (kernel)" "global ran probe timer.profile { if (ran++) next; $2; exit() }" "$3"
    else
        skip "$1 (kernel)" 'handlers in the kernel need root and eBPF'
    fi
}

# ---- the same as grep says

texts=('' a ab abc 'GET / HTTP/1.1' 'GET /user/12 HTTP/1.1' 'x=1;yy=22' 'a.b' 'axb' '][' '42' ' 4 2'
    'aaaaab' 'foo bar')
patterns=('b' '^a' 'c$' '^$' 'a.b' 'a[.]b' '^(GET|POST) /[a-z]+(/[0-9]+)? ' '(^|;)y+=[0-9]{2}$'
    '[[:digit:]]+$' '^[^[:space:]]+$' '[]]' 'a{3,4}b' '^a{1,}b' '(ab|a)(c|)$' 'fo+ ?b' 'x*')
script='function s(t) { r = ""' want=''
for pattern in "${patterns[@]}"; do
    script+="; r .= t =~ \"$pattern\" ? \"1\" : \"0\""
done
script+='; return r }'
body=
for text in "${texts[@]}"; do
    body+="println(s(\"$text\"));"
    for pattern in "${patterns[@]}"; do
        if printf '%s\n' "$text" | LC_ALL=C grep -qE -e "$pattern"; then want+=1; else want+=0; fi
    done
    want+='\n'
done
prints 'patterns and texts as grep -E finds them' "$script probe begin { $body exit() }" "$want"
if [[ $kernel ]]; then
    prints '... in the kernel' "$script global ran probe timer.profile { if (ran++) next; $body
        exit() }" "$want"
else
    skip '... in the kernel' 'handlers in the kernel need root and eBPF'
fi

# ---- texts as long as they may be

long='s = "0123456789abcdef"; for (i = 0; i < 7; i++) s .= s; s .= "xyz"'
both 'a text of two thousand bytes' \
    "$long"'; println(strlen(s), s =~ "f0.*fx?xyz$", s =~ "g", s =~ "^[0-9a-z]{4}.*z$")' '2051101\n'
both 'bytes that are no ASCII' \
    's = "\xe9t\xff"; println(s =~ "^[^a-z]t", s =~ "t.$", s =~ "[[:alpha:]]{2}")' '110\n'
both 'where conditions are' \
    's = "abc"; if (s !~ "x" && !(s =~ "y") || s =~ "c") println(s =~ "a" ? "yes" : "no")' 'yes\n'
prints 'no more than MAXSTRINGLEN of it' 'probe begin { s = "0123456789012345678901234567890123456789b"
    println(s =~ "b"); exit() }' '0\n' -DMAXSTRINGLEN=32

# ---- groups

both 'matched() and ngroups()' 'if ("an example string" =~ "str(ing)")
    println(matched(0), "|", matched(1), "|", ngroups(), "|", matched_str())' 'string|ing|2|string\n'
both 'a group that has no part' 'if ("b" =~ "(a)|(b)") printf("<%s><%s>%d\n", matched(1), matched(2),
    ngroups())' '<><b>3\n'
both 'of the last match' 's = "k1=v1"; if (s =~ "(.*)=" && s =~ "=(.*)$") println(matched(1))' 'v1\n'
both 'of what the text was then' 's = "one"; if (s =~ "o(.)") { s = "two"; println(matched(1)) }' 'n\n'
both 'an empty pattern' 'if ("abc" =~ "") println("<", matched(0), ">", ngroups())' '<>1\n'
both 'after a match that failed' 'try { if ("a" =~ "b(c)") ; println(matched(1)) } catch (m) {
    println(m) }' 'Attempted to get subexpression from failed match\n'
both 'a group that is not there' 'try { if ("a" =~ "a") println(matched(1)) } catch (m) {
    println(m) }' 'Attempted to get nonexistent subexpression\n'
prints 'in functions, each its own' 'function f(s) { if (s =~ "(.)$") return matched(1) }
    probe begin { if ("ab" =~ "^(.)") { t = f("xyz"); println(t, matched(1)) } exit() }' 'za\n'

# ---- patterns that are refused

refuses 'a parenthesis that is not closed' 'probe begin { if ("a" =~ "x(b") ; }' 1:28 'not closed'
refuses 'a class that is not there' 'probe begin { if ("a" =~ "[[:alhpa:]]") ; }' 1:28 'no such class'
refuses 'a back reference' 'probe begin { if ("a" =~ "(a)\\1") ; }' 1:26 'back references'
refuses 'GNU escapes' 'probe begin { if ("a" =~ "\\w") ; }' 1:26 "not one of POSIX's"
refuses 'nothing to repeat' 'probe begin { if ("a" =~ "+") ; }' 1:27 'nothing to repeat'
refuses 'too many states' 'probe begin { if ("a" =~ "(a|b)*a(a|b){200}") ; }' 1:27 'states'
refuses 'matched() where no =~ stands' 'probe begin { println(matched(1)) }' 1:23 'tells of a match'
finish
