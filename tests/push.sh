#!/bin/bash
# shellcheck disable=SC2016,SC2317 # check calls functions, and evaluates
#
# "ngstap flame --push" and "--otlp": a server of ours (tests/push/receiver.py) checks what comes by
# the published formats, with tables of its own (tests/push/wire.py), refuses, stalls and dies.
# Needs root, libcurl, python3; TLS needs openssl. About 40 s.
set -uo pipefail
source "${BASH_SOURCE[0]%/*}/tap.sh"
[[ $EUID = 0 ]] || skip_all "needs root"
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all "NGSTAP_TARGETS says no targets"
ldconfig -p | grep -q 'libcurl\(-gnutls\)\?.so.4' || skip_all "no libcurl"

"$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit" tests/burn.lua &
pids+=($!)
burner=$!
serve() { # FOLDER ARGUMENT...: its port in $port
    mkdir -p "$1"
    python3 tests/push/receiver.py "$@" &
    pids+=($!)
    for _ in {1..200}; do
        [[ ! -s $1/port ]] || break
        sleep 0.1
    done
    port=$(cat "$1/port")
}
got=$scratch/got
serve "$got"
url=http://127.0.0.1:$port

push() { # ARGUMENT...
    (cd "$scratch" && NODE_NAME=node7 timeout 90 "$ngstap" flame -x "$burner" -t 1 "$@") \
        >"$scratch/out" 2>"$scratch/err"
}
fails() { # PATTERN ARGUMENT...
    local pattern=$1
    shift
    ! push "$@" && grep -q -- "$pattern" "$scratch/err"
}
holds() { # FILE EXPRESSION: of v, what the file holds
    python3 -c 'import json, sys; v = json.load(open(sys.argv[1])); assert eval(sys.argv[2]), v' \
        "$got/$1" "$2"
}
named() { holds query.json "v['name'] == '$1'"; }

# ---- Pyroscope ----

check "a profile is taken" push --push "$url"
check "... by its program's name and what it is" named "luajit{node=node7,worker=$burner}"
check "... and is a pprof of that program" \
    eval 'zcat "$got/profile.pb.gz" | grep -qa "burn.lua:hot"'
check "no file is written" eval '! ls "$scratch"/*.svg 2>/dev/null'
check "labels, and an address with its path" push --push "$url/ingest" --label service=shop.web \
    --label phase=log --label node=n1 --label k8s.x=y
check "... are the name" named "shop.web{phase=log,node=n1,k8s_x=y,worker=$burner}"
check "a label that would be more" fails 'is no label' --push "$url" --label 'a=b,c=d'
check "... or has no name" fails 'is no label' --push "$url" --label '=b'
check "a header that would be two" fails 'is no NAME: VALUE' --push "$url" --header $'a: b\nc: d'
check "with -o" fails 'do not go with them' --push "$url" -o x.svg
check "a label alone" fails 'are of what --push or --otlp sends' --label a=b
check "two receivers" fails 'name one receiver' --push "$url" --otlp "$url"
check "no address of the web" fails 'is no address of the web' --push "file://$scratch/x"

# ---- OpenTelemetry ----

check "OTLP: a profile is taken" push --otlp "$url" --label phase=log --frames all
check "... of that process" holds resource.json \
    "v['service.name'] == 'luajit' and v['process.pid'] == $burner and v['phase'] == 'log' and
     v['host.name'] == 'node7' and v['process.executable.name'] == 'luajit'"
check "... in that function" grep -q 'burn.lua:hot' "$got/stacks.folded"
check "... gzipped, by its name" holds headers.json \
    "v['Content-Encoding'] == 'gzip' and v['User-Agent'].startswith('ngstap/')"
if command -v protoc >/dev/null; then
    check "... which protoc reads, too" eval 'zcat "$got/profile.otlp.gz" | protoc --decode_raw |
        grep -q "burn.lua:hot"'
else
    skip "... which protoc reads, too" "no protoc (Debian: protobuf-compiler)"
fi
check "headers of the command line and the environment" \
    env OTEL_EXPORTER_OTLP_HEADERS='X-Scope-OrgID=a%20b, authorization=Bearer%2c' \
    bash -c 'exec "$@"' - "$ngstap" flame -x "$burner" -t 1 --otlp "$url" --header 'X-Own: 7'
check "... are sent" holds headers.json \
    "v['X-Scope-OrgID'] == 'a b' and v['authorization'] == 'Bearer,' and v['X-Own'] == '7'"
check "the environment's address" env OTEL_EXPORTER_OTLP_ENDPOINT="$url/" "$ngstap" flame \
    -x "$burner" -t 1 --otlp env
check "... is needed" fails 'OTEL_EXPORTER_OTLP_ENDPOINT is not set' --otlp env
check "a path is kept" push --otlp "$url/own/path"

# ---- who does not take it ----

refused() { # STATUS
    fails "HTTP $1, no .x1b\[31mroom for it" --otlp "$url/refuse/$1" &&
        ! grep -q 'again in' "$scratch/err"
}
words() { fails 'HTTP 422, no .x1b\[31mroom for it' --push "$url/refuse/422"; }
for status in 400 401 413 500; do
    side_by_side "$status says why, on one clean line, and is not asked again" refused "$status"
done
side_by_side "Pyroscope's words" words
side_by_side_end 2>/dev/null || :
finish
