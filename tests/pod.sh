#!/bin/bash
#
# Pods of Kubernetes: --pod finds a container by cgroups and by the kubelet's folders, which are
# made here as a kubelet makes them; kubectl-ngstap profiles it by the real kubectl and an API
# server of ours (tests/pod/apiserver.py), leaves the picture here, and no pod there, also when it
# is interrupted. Needs root; kubectl 1.31 or newer for the second part.
set -uo pipefail
source "${BASH_SOURCE[0]%/*}/tap.sh"
cgroups=''
for one in /sys/fs/cgroup /sys/fs/cgroup/pids; do
    [[ ! -w $one/cgroup.procs ]] || cgroups=$one
done
[[ $EUID = 0 && -n $cgroups ]] || skip_all "needs root, and cgroups that can be made"
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all "NGSTAP_TARGETS says no targets"

uid=$(cat /proc/sys/kernel/random/uuid)
id=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
pod=web-$$
logs=(/var/log/pods/shop_"$pod"_"$uid" /var/log/containers/"$pod"_shop_nginx-"$id".log)
group=$cgroups/kubepods-ngstap-$$/burstable/pod$uid/$id
leave() {
    clean
    rm -rf "${logs[@]}"
    rmdir /var/log/pods /var/log/containers 2>/dev/null
    for _ in {1..50}; do
        (cd "$cgroups" && rmdir -p "${group#"$cgroups/"}") 2>/dev/null && break
        sleep 0.1
    done
}
trap leave EXIT
mkdir -p "${logs[0]}/nginx" /var/log/containers "$group"
touch "${logs[1]}"

burn() { # in that container; it ends by itself, after two minutes
    "$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit" tests/burn.lua &
    pids+=($!)
    echo $! >"$group/cgroup.procs"
}
burn

flame() { # ARGUMENT...
    "$ngstap" flame "$@" >"$scratch/out" 2>"$scratch/err"
}
draws() {
    grep -q 'burn.lua:hot' "$1"
}
refuses() { # PATTERN POD
    ! flame --pod "$2" -t 1 && grep -q "$1" "$scratch/err"
}
check "--pod: a pod of one container" flame --pod "shop/$pod" -t 1 -o "$scratch/a.svg"
check "... whose Lua is drawn" draws "$scratch/a.svg"
check "... by its container's name" flame --pod "shop/$pod/nginx" -t 1 -o "$scratch/a.svg"
check "a pod that is not here" refuses 'no pod shop/nginx on this node' shop/nginx
check "a container that is not there" refuses "no container redis of the pod shop/$pod" \
    "shop/$pod/redis"
check "with --container" eval '! "$ngstap" --pod a/b --container c -e "probe begin {}" \
    2>"$scratch/err" && grep -q "give one" "$scratch/err"'

if command -v python3 >/dev/null && ldconfig -p | grep -q libcurl; then
    mkdir "$scratch/got"
    python3 tests/push/receiver.py "$scratch/got" &
    pids+=($!)
    for _ in {1..200}; do
        [[ ! -s $scratch/got/port ]] || break
        sleep 0.1
    done
    check "--otlp sends it" env NODE_NAME=node7 "$ngstap" flame --pod "shop/$pod" -t 1 \
        --otlp "http://127.0.0.1:$(cat "$scratch/got/port")"
    check "... with the pod's names" python3 -c 'import json, sys
v = json.load(open(sys.argv[1]))
want = {"service.name": "nginx", "k8s.container.name": "nginx", "k8s.pod.name": sys.argv[2],
    "k8s.namespace.name": "shop", "k8s.node.name": "node7", "container.id": sys.argv[3]}
assert want.items() <= v.items(), v' "$scratch/got/resource.json" "$pod" "$id"
else
    skip "--otlp sends it" "no python3, or no libcurl"
fi
burn
version=$(kubectl version --client 2>/dev/null | sed -n 's/^Client Version: v1\.\([0-9]*\).*/\1/p')
if [[ ${version:-0} -lt 31 ]]; then
    skip "kubectl-ngstap" "no kubectl, or one before 1.31, which has no exec by WebSocket"
    finish
fi
mkdir "$scratch/api"
python3 tests/pod/apiserver.py "$scratch/api" "$ngstap" "$pod" >"$scratch/api.log" 2>&1 &
pids+=($!)
for _ in {1..200}; do
    [[ ! -s $scratch/api/port ]] || break
    sleep 0.1
done
cat >"$scratch/kubeconfig" <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:$(cat "$scratch/api/port")"}}]
contexts: [{name: c, context: {cluster: c, namespace: shop}}]
current-context: c
CONFIG
export KUBECONFIG=$scratch/kubeconfig HOME=$scratch
mkdir "$scratch/bin"
ln -s "$PWD/scripts/kubectl-ngstap" "$scratch/bin/"
PATH=$scratch/bin:$PATH

plugin() { # ARGUMENT...
    timeout 60 kubectl ngstap "$@" >"$scratch/out" 2>"$scratch/err"
}
leaves_nothing() {
    local made
    made=$(basename "$(ls -t "$scratch"/api/pods/*.json | head -n 1)" .json) &&
        grep -q "^DELETE /api/v1/namespaces/shop/pods/$made" "$scratch/api/requests" &&
        ! compgen -G "$scratch/b.svg.*" >/dev/null
}
asks_for_little() {
    python3 - "$scratch"/api/pods/*.json <<'PYTHON'
import json, sys
s = json.load(open(sys.argv[1]))["spec"]
c = s["containers"][0]["securityContext"]
assert s["nodeName"] == "node-1" and s["hostPID"] and not s["automountServiceAccountToken"]
assert c["capabilities"] == {"drop": ["ALL"],
                             "add": ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"]}
assert not c.get("privileged") and s["activeDeadlineSeconds"] == 3600
PYTHON
}
check "kubectl ngstap" plugin --image ngstap:test -t 1 -o "$scratch/b.svg" "$pod/nginx"
check "... leaves the picture here" draws "$scratch/b.svg"
check "... and no pod there" leaves_nothing
check "its pod may do only what it must" asks_for_little
check "options behind -- are flame's" plugin --image ngstap:test -t 1 -o "$scratch/c.txt" "$pod" -- \
    --format folded
check "... and heeded" grep -q 'burn.lua:hot.* [0-9]*$' "$scratch/c.txt"
fails() { # PATTERN ARGUMENT...
    local pattern=$1
    shift
    ! plugin "$@" && grep -q "$pattern" "$scratch/err"
}
check "no such pod" fails 'not found' --image ngstap:test nobody
check "no image" fails 'which image' "$pod"
check "what ngstap says comes through" fails 'no container redis' --image ngstap:test \
    -o "$scratch/b.svg" "$pod/redis"
check "... and leaves no pod" leaves_nothing
interrupted() {
    local n
    n=$(grep -c ^DELETE "$scratch/api/requests")
    setsid timeout -s INT 4 kubectl ngstap --image ngstap:test -t 50 -o "$scratch/b.svg" "$pod" \
        >"$scratch/out" 2>"$scratch/err"
    for _ in {1..100}; do
        [[ $(grep -c ^DELETE "$scratch/api/requests") -le $n ]] || break
        sleep 0.1
    done
    leaves_nothing
}
check "interrupted, it leaves nothing" interrupted
finish
