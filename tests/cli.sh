#!/bin/sh
# The command line: --help and the manual page tell the same options, bad ones are refused with
# status 1 and a message, objects run, and nothing stays behind. Prints TAP.
set -u
ngstap=${top_builddir:-.}/ngstap
make_object=${top_builddir:-.}/tests/unit/make_object
ngstap_path=$(cd "$(dirname "$ngstap")" && pwd)/ngstap
page=${top_srcdir:-.}/docs/ngstap.1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

# ok STATUS NAME: one result; the last command's output is shown when it is bad.
ok() {
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        printf "ok %d - %s\n" $n "$2"
    else
        printf "not ok %d - %s\n" $n "$2"
        sed 's/^/# /' "$tmp/out" 2>/dev/null
        failed=1
    fi
}

skip() {
    n=$((n + 1))
    printf "ok %d - %s # SKIP %s\n" $n "$1" "$2"
}

# refused TEXT ARGUMENT...: ngstap ARGUMENT... ends with 1 and says TEXT.
refused() {
    text=$1
    shift
    timeout 60 "$ngstap" "$@" >"$tmp/out" 2>&1 </dev/null
    status=$?
    [ $status -eq 1 ] && grep -qF -e "$text" "$tmp/out"
    ok $? "ngstap $*: $text"
}

"$ngstap" --help >"$tmp/out" 2>&1
ok $? "--help"
"$ngstap" --help | grep -oE '^  (-[A-Za-z])?(, )?(--[a-z-]+)?' | tr -d ', ' | grep -v '^$' |
    sed 's/\([A-Za-z]\)--/\1\n--/' | sort >"$tmp/help"
sed -n 's/\\-/-/g; /^\\fB-/p' "$page" | grep -oE '\\fB--?[A-Za-z-]+' | sed 's/\\fB//' |
    sort -u >"$tmp/page"
comm -23 "$tmp/help" "$tmp/page" | grep -vxE -e '(-h|--help|-V|--version)' >"$tmp/out"
[ ! -s "$tmp/out" ]
ok $? "the manual page tells all options of --help"
comm -13 "$tmp/help" "$tmp/page" >"$tmp/out"
[ ! -s "$tmp/out" ]
ok $? "--help tells all options of the manual page"
"$ngstap" --version >"$tmp/out" && grep -qE '^ngstap [0-9.]+$' "$tmp/out"
ok $? "--version"

refused "unknown option --hlep" --hlep
refused "did you mean --master?" --mater 3
refused "unknown option -y" -y
refused "-x needs a value" -x
refused "not a number" -x abc -e 'probe begin { }'
refused "not a number" -x 0 -e 'probe begin { }'
refused "not a number" -p 9 -e 'probe begin { }'
refused "not a time" -T -1 -e 'probe begin { }'
refused "MAXACTION is a number" -DMAXACTION=0 -e 'probe begin { }'
refused "MAXACTION is a number" -D MAXACTION=99999999999 -e 'probe begin { }'
refused "MAXSTRINGLEN is a number" -D MAXSTRINGLEN=x -e 'probe begin { }'
refused "did you mean MAXACTION" -D MAXACTON=1 "$tmp/none.stp"
refused "auto, bpf or stap" --backend gcc -e 'probe begin { }'
refused "No input file specified." -v
refused "SCRIPT -x PID" -v
refused "No --arg is allowed when --args is specified." --args --arg a=1 "$tmp/none.sxx"
refused "-x <pid> and --master <pid> are exclusive." -x 1 --master 1 -e 'probe begin { }'
refused "-c starts the target" -x 1 -c true -e 'probe begin { }'
refused "no process with pid" -x 2147483647 -e 'probe begin { }'
refused "No such file" "$tmp/none.stp"
refused "No such file" "$tmp/none.bpf.o"
refused "cannot write" -o "$tmp/no/file" -e 'probe begin { }'

# says TEXT ARGUMENT...: ngstap ARGUMENT... ends well and prints TEXT.
says() {
    text=$1
    shift
    timeout 60 "$ngstap" "$@" >"$tmp/out" 2>&1
    status=$?
    [ $status -eq 0 ] && grep -qF -e "$text" "$tmp/out"
    ok $? "ngstap $*: $text"
}

says "hi there" -e 'probe begin { println("hi there") exit() }'
says "a 5" -e 'probe begin { printf("%s %d\n", @1, $2) exit() }' a 5
echo 'probe begin { println("from stdin") exit() }' >"$tmp/in.stp"
says "from stdin" - <"$tmp/in.stp"
says "from stdin" "$tmp/in.stp"
says 'println("x")' -p1 -e 'probe begin { println("x") }'
says 'println("x")' --dump-ast -e 'probe begin { println("x") }'
says 'probe begin' -p3 -e 'probe begin { println("x") }'
says 'probe begin' --dump-ir -e 'probe begin { println("x") }'
says 'exit' --dump-bpf -e 'global n probe begin { n++ }'
says 'Pass 4' -v -e 'probe begin { exit() }'
(cd "$tmp" && "$ngstap_path" -p4 -m named -e 'probe begin { println("as object") exit() }') \
    >"$tmp/out" 2>&1 && [ -s "$tmp/named.bpf.o" ]
ok $? "-p4 -m writes the object"
says "as object" "$tmp/named.bpf.o"
timeout 60 "$ngstap" -o "$tmp/file" -e 'probe begin { println("in a file") exit() }' &&
    grep -q 'in a file' "$tmp/file"
ok $? "-o"
says "command 1" -c 'sh -c "exit 0"' -e 'probe end { printf("command %d\n", target() > 0) }'
# What -c will be is said alike whether it runs or not; there is no pid before it does.
says 'pid() == target() / target()' -c 'sleep 1' --dump-src -e '# $^pid_ok / $^target'
says 'command 1' -c 'sleep 0.1' -e 'probe end { printf("command %d\n", $^target == target()) }'

# The kernel's options: a kernel that can do what the other tests do has this one.
told=
for file in /proc/config.gz "/boot/config-$(uname -r)" "/lib/modules/$(uname -r)/config"; do
    [ -r "$file" ] && zgrep -q '^CONFIG_BPF_SYSCALL=y' "$file" && told=$file
done
if [ -n "$told" ]; then
    says 'config y unset 1' -e 'probe begin {
        printf("config %s %s %d\n", %( CONFIG_BPF_SYSCALL == "y" %? "y" %: "n" %),
            %( CONFIG_NO_SUCH_OPTION == "" %? "unset" %: "set" %), %( CONFIG_HZ >= 50 %? 1 %: 0 %));
                exit() }'
else
    skip 'CONFIG_ options' "this kernel's are not told"
fi

# Ten periods of 20 to 60 ms: within what they may be, and not all alike.
cat >"$tmp/randomize.stp" <<'END'
global last, n, least = 1000, most
probe timer.ms(40).randomize(20) {
    now = gettimeofday_ms()
    if (last && now - last < least) least = now - last
    if (last && now - last > most) most = now - last
    last = now
    if (++n == 11) exit()
}
probe end { printf("randomized %d %d: %d %d\n", least >= 19, most - least > 4, least, most) }
END
says 'randomized 1 1' "$tmp/randomize.stp"
refused "syntax" -e 'probe begin ( { x = }'
refused "no" -e 'probe begin { error("no") }'
mkdir -p "$tmp/lib/a"
echo 'function f() { return 42 }' >"$tmp/lib/a/b.sxx"
printf '@use a.b\nprobe begin { println(f() + $^arg_n:default(1)) exit() }\n' >"$tmp/use.sxx"
says 43 -I "$tmp/lib" "$tmp/use.sxx"
says 52 -I"$tmp/lib" --arg n=10 "$tmp/use.sxx"
says "--arg n=VALUE (default: 1)" -I "$tmp/lib" --args "$tmp/use.sxx"
says 'f() + 1)' -I "$tmp/lib" --dump-src "$tmp/use.sxx"
says 'WARNING: $^arg_q is defined by "--arg q=1", but never used.' -I "$tmp/lib" --arg q=1 \
    "$tmp/use.sxx"
# Of a clone of stap++: its scripts take our modules, and of its own those that we lack.
mkdir -p "$tmp/clone/samples" "$tmp/clone/tapset/nginx"
echo 'broken (' >"$tmp/clone/tapset/luajit_gc64.sxx"
echo 'function of_clone() { return 43 }' >"$tmp/clone/tapset/nginx/more.sxx"
printf '@use luajit_gc64\n@use nginx.more\nprobe begin { println(of_clone()) exit() }\n' \
    >"$tmp/clone/samples/use.sxx"
says 43 "$tmp/clone/samples/use.sxx" -x $$
refused 'tapset/luajit_gc64.sxx:1' -I "$tmp/clone/tapset" "$tmp/clone/samples/use.sxx" -x $$

"$make_object" "$tmp/good.bpf.o" && "$make_object" "$tmp/bad.bpf.o" broken
ok $? "objects are made"
head -c 3000 "$tmp/good.bpf.o" >"$tmp/cut.bpf.o"
echo text >"$tmp/text.bpf.o"
: >"$tmp/empty.bpf.o"
refused "the object is damaged" "$tmp/cut.bpf.o"
refused "not an ELF file" "$tmp/text.bpf.o"
refused "read from $tmp/text.bpf.o" "$tmp/text.bpf.o"
refused "cannot read" "$tmp/empty.bpf.o"
refused "there is no such feature" --no-feature quux "$tmp/good.bpf.o"

if [ "$(id -u)" -ne 0 ]; then
    skip "objects in the kernel" "needs root"
else
    timeout 60 "$ngstap" -v -T 0.3 "$tmp/good.bpf.o" >"$tmp/out" 2>&1 &&
        grep -qE 'hits: [1-9]' "$tmp/out"
    ok $? "an object runs"
    TMPDIR=$tmp
    export TMPDIR
    refused "t.stp:3: loops = deref(4)" "$tmp/bad.bpf.o"
    ls "$tmp"/ngstap-verifier-*.log >/dev/null 2>&1
    ok $? "the verifier's log is kept"
    timeout 60 "$ngstap" -c 'sleep 0.2' "$tmp/good.bpf.o" >"$tmp/out" 2>&1
    ok $? "with -c it ends when the command ends"
    timeout 60 "$ngstap" -T 0.2 -c 'sleep 77.25' "$tmp/good.bpf.o" >"$tmp/out" 2>&1 &&
        ! ps -eo args | grep -qx 'sleep 77.25'
    ok $? "and the command when it ends"
    cat >"$tmp/tidy" <<'END'
#!/bin/sh
trap 'sleep 0.2; echo >"$0.ended"; exit' TERM
while :; do sleep 0.05; done
END
    chmod +x "$tmp/tidy"
    timeout 60 "$ngstap" -T 0.2 -c "$tmp/tidy" "$tmp/good.bpf.o" >"$tmp/out" 2>&1
    [ -e "$tmp/tidy.ended" ]
    ok $? "... which has time to end what it started itself"

    sleep 60 &
    target=$!
    "$ngstap" -v -x $target "$tmp/good.bpf.o" >"$tmp/out" 2>&1 &
    tracer=$!
    i=0
    while [ $i -lt 100 ] && ! ls -l /proc/$tracer/fd 2>/dev/null | grep -q perf_event; do
        sleep 0.05
        i=$((i + 1))
    done
    [ $i -lt 100 ]
    ok $? "its events are open"
    ids=$(sed -n 's/^map_id:[[:space:]]*//p' /proc/$tracer/fdinfo/* 2>/dev/null)
    [ -n "$ids" ]
    ok $? "its maps are in the kernel"
    kill -9 $tracer
    wait $tracer 2>/dev/null
    sleep 0.3
    if command -v bpftool >/dev/null; then
        left=0
        for id in $ids; do
            bpftool map show id "$id" >"$tmp/out" 2>&1 && left=1
        done
        ok $left "kill -9 leaves no map behind"
    else
        skip "kill -9 leaves no map behind" "no bpftool"
    fi
    kill $target
    if command -v setpriv >/dev/null; then
        chmod 755 "$tmp"
        timeout 60 setpriv --reuid 65534 --clear-groups "$ngstap" "$tmp/good.bpf.o" >"$tmp/out" 2>&1
        [ $? -eq 1 ] && grep -q CAP_BPF "$tmp/out"
        ok $? "without root it says which capability is missing"
    else
        skip "without root it says which capability is missing" "no setpriv"
    fi
fi
echo "1..$n"
exit $failed
