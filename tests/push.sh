#!/bin/bash
# shellcheck disable=SC2016,SC2317 # check calls functions, and evaluates
#
# "ngstap flame --push" and "--otlp" of a live target: a server of ours (tests/push/receiver.py) checks
# what comes by the published formats. Whoever refuses, stalls and dies is otlp.sh's. Needs root,
# libcurl, python3. About 15 s.
set -uo pipefail
source "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source-path=SCRIPTDIR source=push/serve.sh
. "${BASH_SOURCE[0]%/*}/push/serve.sh"
[[ $EUID = 0 ]] || skip_all "needs root"
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all "NGSTAP_TARGETS says no targets"
ldconfig -p | grep -q 'libcurl\(-gnutls\)\?.so.4' || skip_all "no libcurl"

burn() { # it ends by itself, after two minutes
    "$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit" tests/burn.lua &
    pids+=($!)
    burner=$!
}
got=$scratch/got
serve "$got"
url=http://127.0.0.1:$port

push() { # ARGUMENT...
    (cd "$scratch" && NODE_NAME=node7 timeout 90 "$ngstap" flame -x "$burner" -t 2 -F 499 "$@") \
        >"$scratch/out" 2>"$scratch/err"
}
fails() { # PATTERN ARGUMENT...
    local pattern=$1
    shift
    ! push "$@" && grep -q -- "$pattern" "$scratch/err"
}
holds() { # FILE EXPRESSION: of v, what the file holds
    python3 -c 'import json, sys; v = json.load(open(sys.argv[1])); assert eval("(" + sys.argv[2] + ")"), v' \
        "$got/$1" "$2"
}
named() { holds query.json "v['name'] == '$1'"; }

# ---- Pyroscope ----

burn
check "a profile is taken" push --push "$url"
check "... by its program's name and what it is" named "luajit{node=node7,worker=$burner}"
check "... and is a pprof of that program" \
    eval 'zcat "$got/profile.pb.gz" | grep -qa "burn.lua:hot"'
check "no file is written" eval '! ls "$scratch"/*.svg 2>/dev/null'
check "labels, and an address with its path" push --push "$url/ingest" --label service=shop.web \
    --label phase=log --label node=n1 --label k8s.x=y
check "... are the name" named "shop.web{phase=log,node=n1,k8s_x=y,worker=$burner}"
check "with -o" fails 'do not go with them' --push "$url" -o x.svg
check "a label alone" fails 'are of what --push or --otlp sends' --label a=b

# ---- OpenTelemetry ----

burn
check "OTLP: a profile is taken" push --otlp "$url" --label phase=log --frames all
check "... of that process" holds resource.json \
    "v['service.name'] == 'luajit' and v['process.pid'] == $burner and v['phase'] == 'log' and
     v['host.name'] == 'node7' and v['process.executable.name'] == 'luajit'"
check "... in that function" grep -q 'burn.lua:hot' "$got/stacks.folded"
check "... with frames of each kind" eval 'python3 tests/push/wire.py "$got/profile.otlp.gz" \
    >"$scratch/dump" && grep -q "string_value: .luajit" "$scratch/dump" &&
    grep -q "memory_start" "$scratch/dump"'
check "who refuses says why" fails 'HTTP 401, no .x1b\[31mroom for it' --otlp "$url/refuse/401"

finish
