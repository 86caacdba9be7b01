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

# ---- a worker of nginx is called by the number that its master counts it by

workers=() master=''
start_target nginx gc64 tls 200 3 # a connection a request: each worker gets some
read -ra workers <<<"${workers[*]}"
flame_of() { # PID
    burner=$1
    push --push "$url" --label node=n --label service=s || return
}
for i in 0 1 2; do # as they were started
    check "worker $i is sent" flame_of "${workers[i]}"
    check "... by its number" named "s{node=n,worker=$i}"
done
# Others in their places, in another order.
late=()
follows() {
    late[$1]=$(pgrep -n -P "$master") && [[ " ${workers[*]} " != *" ${late[$1]} "* ]]
}
for i in 1 0 2; do
    kill -KILL "${workers[i]}"
    for _ in {1..200}; do
        ! follows "$i" || break
        sleep 0.1
    done
    workers+=("${late[i]}")
done
sleep 1
for i in 1 0 2; do
    check "one that was started in the place of worker $i is sent" flame_of "${late[i]}"
    check "... by that one's number" named "s{node=n,worker=$i}"
done

# ---- a container by what its engine calls it

mkdir "$scratch/bin"
cat >"$scratch/bin/docker" <<'END'
#!/bin/sh
[ "$1 $2" = 'inspect --type' ] && printf '/shop\033-web\nteam=a\n'
END
chmod +x "$scratch/bin/docker"
id=$(printf '%064d' 7)
group=$(findmnt -nt cgroup2 -o TARGET | head -n 1)/docker-$id.scope
if mkdir "$group" 2>/dev/null; then
    burn
    echo "$burner" >"$group/cgroup.procs"
    PATH=$scratch/bin:$PATH
    check "of a container: a profile is taken" push --push "$url"
    check "... by the engine's name, made clean" \
        holds query.json "'container=' + r'shop\x1b-web' in v['name']"
    echo $$ >"$group/../cgroup.procs"
    kill "$burner"
    wait "$burner" 2>/dev/null
    rmdir "$group"
else
    skip "a container's name by the engine" "no cgroup can be made"
fi

finish
