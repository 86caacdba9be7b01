#!/bin/bash
#
# "ngstap flame --push": a server of ours (tests/push/receiver.py) checks what comes by the published
# format, refuses, stalls and dies. Needs root, curl, python3.
set -uo pipefail
source "${BASH_SOURCE[0]%/*}/tap.sh"
[[ $EUID = 0 ]] || skip_all "needs root"
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all "NGSTAP_TARGETS says no targets"
command -v curl >/dev/null || skip_all "no curl"

"$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit" tests/burn.lua &
pids+=($!)
burner=$!
mkdir "$scratch/got"
python3 tests/push/receiver.py "$scratch/got" &
pids+=($!)
for _ in {1..200}; do
    [[ ! -s $scratch/got/port ]] || break
    sleep 0.1
done
url=http://127.0.0.1:$(cat "$scratch/got/port")

push() { # ARGUMENT...
    (cd "$scratch" && timeout 60 "$ngstap" flame -x "$burner" -t 1 "$@") >"$scratch/out" \
        2>"$scratch/err"
}
fails() { # PATTERN ARGUMENT...
    local pattern=$1
    shift
    ! push "$@" && grep -q -- "$pattern" "$scratch/err"
}
named() { # NAME
    python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["name"] == sys.argv[2]' \
        "$scratch/got/query.json" "$1"
}
check "a profile is taken" push --push "$url"
check "... by a name" named "ngstap{host=$(uname -n)}"
check "... and is a pprof of that program" \
    eval 'zcat "$scratch/got/profile.pb.gz" | grep -qa "burn.lua:hot"'
check "no file is written" eval '! ls "$scratch"/*.svg 2>/dev/null'
check "labels, and an address with its path" push --push "$url/ingest" --label service=shop.web \
    --label phase=log
check "... are the name" named "shop.web{phase=log,host=$(uname -n)}"
check "a label that would be more" fails 'is no label' --push "$url" --label 'a=b,c=d'
check "... or has no name" fails 'is no label' --push "$url" --label '=b'
check "with -o" fails 'do not go with it' --push "$url" -o x.svg
check "a label alone" fails '--label is of what --push sends' --label a=b
check "nobody there" fails 'has not taken the profile: curl: (7)' --push http://127.0.0.1:9
check "who refuses says why, on one clean line" \
    fails '422 no .x1b\[31mroom for it' --push "$url/refuse"
check "who dies" fails 'has not taken the profile' --push "$url/die"
check "who stalls" fails 'has not taken the profile: curl: (28)' --push "$url/stall"
check "no address of the web" fails 'has not taken the profile' --push "file://$scratch/x"
finish
