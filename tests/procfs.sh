#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Files of procfs probes: what is read and written by cat and echo, against what the script prints;
# permissions, links, and that they are gone at the end. No eBPF. About 10 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

base=/run/ngstap
if [[ $UID != 0 ]]; then
    [[ ${XDG_RUNTIME_DIR:-} && -w $XDG_RUNTIME_DIR ]] || skip_all 'no folder for files'
    base=$XDG_RUNTIME_DIR/ngstap
fi
name=test_$$
dir=$base/$name

is() { [[ $1 = "$2" ]] || { printf '# got: %q\n# not: %q\n' "$1" "$2"; return 1; }; }
read_file() { timeout 10 cat "$dir/$1"; }
mode_of() { stat -c '%F %a %u' "$dir/$1"; }
# printed TEXT: does the output have the line by and by?
printed() {
    for _ in {1..200}; do
        ! grep -qxF -- "$1" "$scratch/out" || return 0
        sleep 0.05
    done
    return 1
}
gone() { [[ ! -e $dir ]]; }
refuses() { # NAME SCRIPT PLACE PATTERN
    trace -p2 -e "$2"
    check "$1" refused "$3: error: .*$4"
}
refused() { [[ $status = 1 ]] && grep -q -e "^-e:$1" "$scratch/err"; }

# ---- reading and writing

start_trace -T 100 -m "$name" -D MAXERRORS=1 -D MAXSTRINGLEN=64 -e '
global count, both = "100\n"
probe procfs("count").read { $value = "read "; $value .= sprint(++count) . "\n" }
probe procfs("said").write { printf("said <%s>\n", $value) }
probe procfs("said").write { printf("again <%d>\n", strlen($value)) }
probe procfs("both").read { $value = both }
probe procfs("both").write { both = $value; printf("both %s\n", both) }
probe procfs.umask(0).read { $value = "command\n" }
probe procfs("long").read.maxsize(200001) { for (i = 0; i < 20000; i++) $value .= "0123456789" }
probe procfs("caught").read.maxsize(8) {
    $value = "1234"
    try { $value .= "567890" } catch (m) { println(m) }
}
probe procfs("failed").read.maxsize(4) { $value = "1234" }
probe procfs("empty").read { }
probe procfs("w").umask(0002).write, procfs("w2").umask(0777).write { }
probe procfs("m").umask(0002).read { $value = "" }
probe procfs("m").umask(0040).write { }
probe timer.ms(10) { if (!armed++) println("armed") }
global armed
probe end { println("count ", count, " end") }'
check 'the folder is told of' grep -qx "procfs files are in $dir" "$scratch/err"
check 'a file is read' is "$(read_file count)" 'read 1'
check '... and each time anew' is "$(read_file count; read_file count)" $'read 2\nread 3'
check 'a probe without a name' is "$(read_file command)" command
check 'a file that is empty' is "$(read_file empty; echo $?)" 0
check 'who closes early harms nobody' is "$(head -c 2 "$dir/count")" re
check '... and the next one is served' is "$(read_file count)" 'read 5'
check '200,000 bytes' is "$(read_file long | tr -d '\n' | md5sum)" \
    "$(for _ in {1..20000}; do printf 0123456789; done | md5sum)"

echo hello >"$dir/said"
check 'what is written' printed 'said <hello'
check '... is told to each handler' printed 'again <6>'
for i in {1..50}; do echo "many $i"; done >"$dir/said"
for i in {51..100}; do echo "many $i" >"$dir/said"; done
check 'a hundred lines' printed 'said <many 100'
check '... one by one, in their order' is "$(grep -c '^said <many' "$scratch/out") $(
    grep '^said <many' "$scratch/out" | sort -c -k3n && echo sorted)" '100 sorted'
printf 'no end' >"$dir/said"
check 'a line without its end' printed 'said <no end>'
long=$(printf '%0150d' 7)
printf %s "$long" >"$dir/said"
check 'more than a string holds comes in pieces' printed 'again <24>'
check '... of its length' is "$(grep -c '^again <63>' "$scratch/out")" 2

check 'a file that is read and written' is "$(read_file both)" 100
# Who reads before ngstap has taken what was written gets it as it is: a FIFO has one content.
write_both() {
    printf %s "$1" >"$dir/both"
    sleep 0.3
}
write_both $'200\n'
check '... gives what was written' is "$(read_file both)" 200
write_both hello
check '... without an end of the line, too' is "$(read_file both; read_file both)" hellohello
read_file both >"$scratch/r1" &
other=$!
read_file count >"$scratch/r2"
wait "$other"
check 'two that read at once' is "$(cat "$scratch/r1" "$scratch/r2")" 'helloread 6'

check '$value that is too long is an error' is "$(read_file caught)" 1234567
check '... which says what would do' printed 'buffer size exceeded, consider .maxsize(11)'
check 'an error gives nothing to read' is "$(read_file failed)" ''
check 'a FIFO of the owner alone' is "$(mode_of count)" "fifo 400 $UID"
check '... to be written' is "$(mode_of said)" "fifo 200 $UID"
check '... both' is "$(mode_of both)" "fifo 600 $UID"
check 'umask' is "$(mode_of command) $(mode_of w) $(mode_of w2)" \
    "fifo 444 $UID fifo 220 $UID fifo 0 $UID"
check 'umasks of both' is "$(mode_of m)" "fifo 624 $UID"
check 'the folder cannot be listed by others' is "$(stat -c %a "$dir")" 711
status=0
timeout 10 "$ngstap" -m "$name" -e 'probe procfs.read { }' >/dev/null 2>"$scratch/err2" || status=$?
check 'a second session of that name is refused' \
    grep -q "another session has $dir" "$scratch/err2"
check '... and leaves the first alone' is "$(read_file command)" command
end_trace
check 'an error ends its handler' grep -q 'ERROR: buffer size exceeded.*maxsize(5)' "$scratch/err"
check 'the script went on to its end' grep -q '^count 6 end' "$scratch/out"
check 'the files are gone' gone

# ---- other ends

quiet='probe procfs("x").read { $value = "x\n" } probe timer.ms(10) { if (!n++) println("armed") }
    global n probe end { println("end ", n > 0) }'
for signal in TERM HUP; do
    start_trace -m "$name" -e "$quiet"
    kill -"$signal" "$tracer"
    wait "$tracer" || :
    check "they are gone after SIG$signal" gone
done
start_trace -m "$name" -e "$quiet"
kill -KILL "$tracer"
wait "$tracer" 2>/dev/null || :
check 'SIGKILL leaves them' test -p "$dir/x"
start_trace -m "$name" -e "$quiet"
check '... and the next session takes the folder' is "$(read_file x)" x
end_trace
check '... and removes it' gone
trace -m "$name" -e 'probe procfs("x").read { } probe begin { error("no") }'
check 'an error at the start leaves nothing' gone
mkdir "$scratch/elsewhere"
ln -s "$scratch/elsewhere" "$base/$name"
trace -m "$name" -e "$quiet"
check 'a link in the place of the folder is not followed' \
    is "$status $(ls -A "$scratch/elsewhere")" '1 '
rm "$base/$name"
trace -e 'probe procfs("x").write { } probe timer.ms(1) { exit() }'
check 'without -m the folder has a name of its own' \
    grep -qxE "procfs files are in $base/ngstap_[0-9]+" "$scratch/err"

# ---- prometheus and json

start_trace -m "$name" -e '
global a, b, st
probe begin {
    a["x\"y"] = 3
    b[1, "two"] = 4
    json_set_prefix("net")
    json_add_array("arr", "An \"array\"")
    json_add_array_numeric_metric("arr", "n", "number", "count")
    json_add_array_string_metric("arr", "s", "")
    json_add_numeric_metric("num", "a num", "")
    json_add_string_metric("str", "")
}
probe prometheus {
    @prometheus_dump_array1(a, "first", "name")
    @prometheus_dump_array2(b, "second", "num", "word")
    @prometheus_dump_array2_map(b, "third", "num", "word", sprint, hex, mark)
    @prometheus_dump_array1_map_unquoted(a, "fourth", "name", sprint, quoted)
}
function hex(x) { return sprintf("0x%x", x) }
function mark(x) { return x . "!" }
function quoted(x) { return "\"q\"" }
probe json_data {
    @json_output_data_start
    @json_output_numeric_value("num", 42)
    @json_output_array_numeric_value("arr", "e0", "n", 1)
    @json_output_array_string_value("arr", "e0", "s", "a\\b")
    @json_output_array_numeric_value("arr", "e1", "n", 2)
    @json_output_string_value("str", "x\n")
    @json_output_data_end
}
probe timer.ms(10) { if (!armed++) println("armed") }
global armed'
check 'arrays for Prometheus' is "$(read_file __prometheus)" 'first{name="x\"y"} 3
second{num="1",word="two"} 4
third{num="0x1",word="two!"} 4
fourth{name="q"} 3'
json() { read_file "$1" | tr -d ' \n'; }
check 'figures as JSON' is "$(json data.json; json data.json)" "$(
    one='{"num":42,"arr":[{"__id":"e0","n":1,"s":"a\\b"},{"__id":"e1","n":2}],"str":"x\n"}'
    echo "$one$one")"
check '... and what they are' is "$(json metadata.json)" "$(tr -d '\n' <<'END'
{"prefix":"net","metrics":[{"name":"arr","pointer":"/arr","type":"array","description":
"An\"array\"","index":"/__id","metrics":[{"name":"n","pointer":"/n","type":"integer",
"description":"number","units":"count"},{"name":"s","pointer":"/s","type":"string"}]},
{"name":"num","pointer":"/num","type":"integer","description":"anum"},
{"name":"str","pointer":"/str","type":"string"}]}
END
)"
end_trace

# ---- refusals

refuses 'a name with a slash' 'probe procfs("a/b").read { }' 1:14 'no name for a file'
refuses 'two that say what is read' 'probe procfs("a").read, procfs("a").read { }' 1:25 'two probes'
refuses 'a mode that is none' 'probe procfs.umask(01000).write { }' 1:20 'umask is a number'
refuses 'a size that is none' 'probe procfs.read.maxsize(0) { }' 1:27 'maxsize is a number'
refuses 'setting what was written' 'probe procfs.write { $value = "x" }' 1:22 'cannot be set'
refuses 'reading what is to be set' 'probe procfs.read { println($value) }' 1:29 'no value here'
refuses 'members of it' 'probe procfs.write { println($value->x) }' 1:30 'is a string'
refuses 'adding numbers to it' 'probe procfs.read { $value += 1 }' 1:28 'it takes = and'
refuses '... one by one' 'probe procfs.read { $value++ }' 1:21 'it takes = and'
refuses 'another variable' 'probe procfs.read { $valeu = "x" }' 1:21 'has \$value alone'
refuses 'a number for it' 'probe procfs.read { $value = 1 }' 1:30 'string'

echo "1..$tests"
exit "$failed"
