#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Debug information from servers: elfutils' own debuginfod serves the debug file of a stripped
# program, plain and with a supplementary file (dwz), for a process of this machine and below a
# sysroot; then a server of ours answers slowly, or with the file of another build. What a script
# reads is what the program says. All is in a network of its own, which has nothing but loopback.
#
# Needs root, eBPF, debuginfod, python3, objcopy, dwz, ip. About 15 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
for tool in debuginfod python3 objcopy dwz ip ss; do
    command -v "$tool" >/dev/null || skip_all "no $tool"
done
if [[ ${in_network:-} != yes ]]; then
    in_network=yes exec unshare --net bash "$0" "$@"
fi
ip link set lo up
export DEBUGINFOD_CACHE_PATH=$scratch/cache DEBUGINFOD_URLS='' DEBUGINFOD_RETRY_LIMIT=0
export XDG_CACHE_HOME=$scratch/own-cache

# ---- two builds of a program, each stripped, its debug information in a folder for the server

mkdir "$scratch/served" "$scratch/root"
build() { # NAME VALUE
    local program=$scratch/root/$1
    cat >"$scratch/$1.c" <<END
#include <stdio.h>
#include <unistd.h>
struct account { long unused; long value; };
struct account account = {1, $2};
__attribute__((noinline)) long visit(struct account *a) { __asm__ volatile(""); return a->value; }
int main(void)
{
    for (;;) {
        visit(&account);
        usleep(1000);
    }
}
END
    ${CC:-cc} -g -O1 -Wl,--build-id -o "$program" "$scratch/$1.c"
    objcopy --only-keep-debug "$program" "$scratch/served/$1.debug"
    strip "$program"
}
build one 4711
build other 815
build dwz_one 1234
build dwz_other 4321
dwz -m "$scratch/served/common.debug" "$scratch/served/dwz_one.debug" \
    "$scratch/served/dwz_other.debug" 2>"$scratch/err" ||
    { cat "$scratch/err"; skip_all 'dwz makes no common file'; }
mv "$scratch/root/one" "$scratch/one"

script='probe process("'$scratch'/one").function("visit") {
    println(@var("account")->value, " ", $a->unused)
    exit()
}'
begin() { # PROGRAM: it runs
    "$1" &
    pid=$!
    pids+=("$pid")
    until [[ /proc/$pid/exe -ef $1 ]]; do sleep 0.01; done
}
begin "$scratch/one"
ask() { # ARGUMENT...
    trace -T 20 -e "$script" -x "$pid" "$@"
}

ask
check 'without a server: an error' test "$status" = 1
check '... that names the way' said 'no debug information for .*/one .*DEBUGINFOD_URLS'

# ---- elfutils' server

serve() { # COMMAND...: on port 8002, until it answers
    : >"$scratch/server"
    "$@" >>"$scratch/server" 2>&1 &
    server=$!
    pids+=("$server")
    for _ in {1..200}; do
        ! (exec 5<>/dev/tcp/127.0.0.1/8002) 2>/dev/null || return 0
        sleep 0.05
    done
}
end_server() {
    kill -KILL "$server"
    wait "$server" 2>/dev/null || :
}
# elfutils' answers before it has looked at all files.
serve_folder() {
    serve debuginfod -v -p 8002 -d :memory: -t 0 -F "$scratch/served"
    for file in "$scratch"/served/*; do
        for _ in {1..200}; do
            ! has "$(id_of "$file")" || break
            sleep 0.05
        done
    done
    : >"$scratch/server"
}
has() { # BUILD-ID
    python3 -c 'import sys, urllib.request as u
u.urlopen("http://127.0.0.1:8002/buildid/" + sys.argv[1] + "/debuginfo")' "$1" 2>/dev/null
}
asked() { sed -nE 's|.* GET /buildid/([0-9a-f]+)/debuginfo.*|\1|p' "$scratch/server" | sort -u; }
id_of() { readelf -n "$1" 2>/dev/null | sed -n 's/.*Build ID: //p'; }
serve_folder
export DEBUGINFOD_URLS=http://127.0.0.1:8002

ask
check 'a server has it' printed '^4711 1$'
check '... and what is fetched at once is not told' test ! -s "$scratch/err"
readable=$script
script='probe process("'$scratch'/one").function("visit") { print_ubacktrace(); exit() }'
ask
check 'a stack is named' printed ': visit'
check '... without asking for what it leads through' test "$(asked)" = "$(id_of "$scratch/one")"
script=$readable
end_server
rm -rf "$scratch/own-cache"
ask
check 'it is kept' printed '^4711 1$'
mv "$DEBUGINFOD_CACHE_PATH" "$scratch/kept"
ask
check 'the server has gone: an error' test "$status" = 1
check '... that says who was asked, and what came of it' said \
    'debuginfod at http://127\.0\.0\.1:8002.*not usable: debuginfod: '

serve_folder
kill "$pid"
begin "$scratch/root/dwz_one"
script='probe process("'$scratch'/root/dwz_one").function("visit") { println($a->value); exit() }'
ask
check 'a supplementary file (dwz) is fetched, too' printed '^1234$'
script='probe process("/dwz_other").function("visit") { println($a->value); exit() }'
kill "$pid"
begin "$scratch/root/dwz_other"
ask --sysroot "$scratch/root"
check 'below a sysroot' printed '^4321$'
end_server

# ---- a server of ours: each answer is the file that it is given, its last byte a while later

cat >"$scratch/slow.py" <<'END'
import http.server, sys, time
body = open(sys.argv[1], "rb").read()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:-1])
        self.wfile.flush()
        time.sleep(float(sys.argv[2]))
        self.wfile.write(body[-1:])
http.server.HTTPServer(("127.0.0.1", 8002), Handler).serve_forever()
END
script='probe process("'$scratch'/one").function("visit") { println($a->value); exit() }'
kill "$pid"
begin "$scratch/one"
serve python3 "$scratch/slow.py" "$scratch/served/other.debug" 0
ask
check 'the file of another build: an error' test "$status" = 1
check '... that names that build' said "another build \\(build-id $(id_of "$scratch/root/other")\\)"
end_server
rm -rf "$DEBUGINFOD_CACHE_PATH"
head -c 3000 "$scratch/served/one.debug" >"$scratch/cut"
serve python3 "$scratch/slow.py" "$scratch/cut" 0
ask
check 'a file cut short: an error' test "$status" = 1
check '... that names it' said 'not usable: .*/debuginfo: '
end_server
rm -rf "$DEBUGINFOD_CACHE_PATH"
serve python3 "$scratch/slow.py" "$scratch/served/one.debug" 2
# bare: who has a connection to the server is no ngstap with privileges, and has no other file open
# for writing than the cache's
bare() {
    local fd link
    client=''
    for _ in {1..200}; do
        client=$(ss -Hntp 'dport = :8002' 2>/dev/null | grep -v TIME-WAIT | grep -oE 'pid=[0-9]+' |
            head -n 1)
        [[ -z $client ]] || break
        sleep 0.02
    done
    client=${client#pid=}
    [[ -n $client && /proc/$client/exe -ef $ngstap ]] || return
    grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' "/proc/$client/status" >"$scratch/client"
    [[ $(grep -c '^Cap.*:.0*$' "$scratch/client") = 5 ]] &&
        grep -q '^NoNewPrivs:.1$' "$scratch/client" &&
        grep -q '^Seccomp:.2$' "$scratch/client" || return
    for fd in "/proc/$client/fd"/*; do
        link=$(readlink "$fd") || continue
        case $link in
        "$DEBUGINFOD_CACHE_PATH"/* | /dev/null | socket:* | pipe:* | anon_inode:*) ;;
        *) echo "$link" >>"$scratch/client" && return 1 ;;
        esac
    done
}
ask &
asks=$!
check 'who talks to a server has no privileges' bare
wait "$asks"
rm -rf "$DEBUGINFOD_CACHE_PATH"
ask
check 'a slow server' printed '^4711$'
check '... is told of' said "^Fetching the debug information of $scratch/one"
check '... once' test "$(grep -c Fetching "$scratch/err")" = 1
end_server
rm -rf "$DEBUGINFOD_CACHE_PATH"
serve python3 "$scratch/slow.py" "$scratch/served/one.debug" 8
# ended: whoever fetches is, and ngstap says so
ended() {
    for _ in {1..200}; do
        bare && break
        sleep 0.02
    done
    kill -SEGV "$client"
}
ended &
ask
check 'a client that dies: an error' test "$status" = 1
check '... that says so' said 'not usable: debuginfod: its client died'
end_server
finish
