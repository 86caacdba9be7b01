#!/bin/bash
#
# Starts nginx in a container, under a load whose answer is known:
#
#   tests/targets/container.sh start docker|podman|namespaces VARIANT MODE [SECONDS [WORKERS]]
#   tests/targets/container.sh docker|podman ARGUMENT...   a command to the engine
#   tests/targets/container.sh which docker|podman         the path of its command
#   tests/targets/container.sh stop                        the engines, if they still run
#
# VARIANT, MODE, SECONDS and WORKERS are those of target.sh (of several workers each has a
# socket of its own, so that all get requests), which also lists, questions
# and stops what was started here (target.sh truth|list|stop NAME). nginx lies
# at /srv/openresty/nginx/sbin/nginx, a path that the host lacks.
#
# "docker" starts a dockerd of its own, with its own socket and images, apart
# from any that the machine has; "podman" has a root of its own likewise
# (engines.sh). "namespaces" does it by hand: an overlay, new mount, pid, ipc and
# uts namespaces, pivot_root. All share the host's network, so that requests go to
# 127.0.0.1.
#
# start prints lines NAME=VALUE, fit for the shell's eval: name (the engine's name of the container,
# too), pid (the first worker, as the host counts), workers (all of them), exe (as the container has
# it), merged (its root, as the host sees it), master, port; for docker, DOCKER_HOST too.
#
# Needs: root; what target.sh needs. Leaves nothing once all is stopped, but for
# what is in the cache.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source-path=SCRIPTDIR source=runs.sh
. "$(dirname "${BASH_SOURCE[0]}")/runs.sh"
# shellcheck source-path=SCRIPTDIR source=engines.sh
. "$(dirname "${BASH_SOURCE[0]}")/engines.sh"

usage() { sed -n '2,/^$/s/^# \?//p' "$0"; }

# --- the root that containers have ---------------------------------------------

# A built variant, the libraries it needs, and a few commands: $image is the
# folder, kept in the cache by its content.
make_image() {
    local targets=$1 variant=$2 key
    key=$({ echo "$targets"; declare -f fill_image; cat "$HERE"/load/{conf,lua,lua/*}/*.*; } |
        sha256sum | cut -c 1-12)
    image=$TARGETS_CACHE/images/$variant-$key
    mkdir -p "$TARGETS_CACHE/images"
    # Two at once would write the same folder. Where it cannot be written (in a VM) nobody does.
    if { exec 7>"$TARGETS_CACHE/images/lock"; } 2>/dev/null; then flock 7; fi
    if [[ ! -d $image ]]; then
        say "Making the image of the $variant container"
        rm -rf "$image.new"
        mkdir -p "$image.new"
        fill_image "$image.new" "$targets/$variant"
        mv "$image.new" "$image"
    fi
    exec 7>&-
}

fill_image() {
    local image=$1 root=$2 file files=(/bin/{sh,umount} /usr/bin/{timeout,touch,sleep})
    local nginx luajit lualib modules libraries
    find_parts "$root"
    mkdir -p "$image"/{proc,sys,dev,tmp,etc,run,.old}
    [[ ! -d $root/srv ]] || cp -a "$root/srv" "$image/"
    [[ ! -d $root/usr ]] || cp -a "$root/usr" "$image/"
    lay_prefix "$image/srv/openresty/nginx" "$image$lualib" 1 "$modules"
    rm -rf "$image/srv/openresty/lualib"
    # Libraries as the dynamic linker names them, but for the variant's own.
    for file in "${files[@]}" "$root$nginx" "$root$luajit" \
        ${modules:+"$root$modules/ngx_http_lua_module.so"}; do
        LD_LIBRARY_PATH=$root$libraries ldd "$file" | grep -o '/[^ ]*' | grep -v "^$root" || :
    done | sort -u | xargs cp -L --parents -t "$image" "${files[@]}"
    echo 'nobody:x:65534:65534::/:/bin/sh' >"$image/etc/passwd"
    echo 'nogroup:x:65534:' >"$image/etc/group"
}

# spread FILE: what several workers listen on.
spread() {
    ((workers == 1)) || sed -i 's/;$/ reuseport;/' "$1"
}

# --- by an engine ----------------------------------------------------------------

start_by_engine() {
    local variant=$1 mode=$2 seconds=$3 name=${dir##*/} tag=${image##*/} first
    lock_engine
    start_engine
    # Names are in small letters, and each image has a tag of its own.
    "$engine" image inspect "ngstap:$tag" >/dev/null 2>&1 8>&- ||
        tar -C "$image" -c . | "$engine" import - "ngstap:$tag" >"$dir/log" 2>&1 8>&-
    echo "$name" >"$dir/container"
    for _ in 1 2 3 4 5; do
        choose_port "$dir/listen.conf"
        spread "$dir/listen.conf"
        "$engine" create --name "$name" --network host "ngstap:$tag" \
            timeout --kill-after=5 "$seconds" "$nginx" -p /srv/openresty/nginx/ \
            -c conf/nginx.conf -g 'daemon off;' >/dev/null 8>&-
        "$engine" cp "$dir/listen.conf" "$name:/srv/openresty/nginx/conf/listen.conf" 8>&-
        "$engine" cp "$dir/workers.conf" "$name:/srv/openresty/nginx/conf/workers.conf" 8>&-
        "$engine" start "$name" >"$dir/log" 2>&1 8>&- && wait_until 10 answers "$port" && break
        "$engine" logs "$name" >>"$dir/log" 2>&1 8>&-
        "$engine" rm --force "$name" >/dev/null 8>&-
        port=''
    done
    exec 8>&-
    [[ -n $port ]] || fail "nginx does not start in $engine: $(cat "$dir/log")"
    first=$("$engine" inspect --format '{{.State.Pid}}' "$name")
    master=$(child_of "$first")
    merged=$("$engine" inspect --format '{{.GraphDriver.Data.MergedDir}}' "$name")
}

start_docker() { start_by_engine "$@"; }
start_podman() { start_by_engine "$@"; }

# --- by hand ---------------------------------------------------------------------

# Run as the first process of the new pid namespace, in the new mount namespace.
# shellcheck disable=SC2016 # $1 and on are of the shell that runs this
ENTER='
    set -e
    cd "$1"
    hostname by-hand
    mount -t proc proc proc
    mount --rbind /dev dev
    pivot_root . .old
    umount -l /.old
    exec "$2" -p /srv/openresty/nginx/ -c conf/nginx.conf -g "daemon off;"
'

start_namespaces() {
    local variant=$1 mode=$2 seconds=$3 child
    mkdir "$dir"/{upper,work,merged}
    mount -t overlay overlay -o "lowerdir=$image,upperdir=$dir/upper,workdir=$dir/work" \
        "$dir/merged" || fail "no overlay can be mounted below $dir"
    for _ in 1 2 3 4 5; do
        choose_port "$dir/merged/srv/openresty/nginx/conf/listen.conf"
        spread "$dir/merged/srv/openresty/nginx/conf/listen.conf"
        cp "$dir/workers.conf" "$dir/merged/srv/openresty/nginx/conf/"
        if launch "$dir/log" "$seconds" unshare --mount --pid --ipc --uts --fork --kill-child \
            sh -c "$ENTER" sh "$dir/merged" "$nginx" && wait_until 10 answers "$port"; then
            break
        fi
        port=''
        stop_recorded "$dir"
        rm -f "$dir/pids"
    done
    [[ -n $port ]] || fail "nginx does not start in its namespaces: $(cat "$dir/log")"
    # $child is unshare, its child nginx's master.
    master=$(child_of "$child")
    merged=$dir/merged
}

# --- commands --------------------------------------------------------------------

start() {
    local how=$1 variant=$2 mode=$3 seconds=${4:-60} workers=${5:-1} targets image master merged \
        port
    local all worker nginx luajit lualib modules libraries
    [[ $how =~ ^(docker|podman|namespaces)$ ]] || fail "no such container: $how"
    [[ $how == namespaces ]] || engine=$how
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "SECONDS must be a number, not $seconds"
    [[ $workers =~ ^[1-9][0-9]*$ ]] || fail "WORKERS must be a number, not $workers"
    ((UID == 0)) || fail 'containers need root'
    path_of "$mode" >/dev/null
    targets=$(targets_dir)
    [[ -d $targets/$variant ]] || fail "no variant $variant in $targets"
    find_parts "$targets/$variant"
    need_packages wrk
    make_image "$targets" "$variant"
    dir=$(new_run "$how-$variant-$mode")
    trap 'remove_run "$dir"' EXIT
    echo "worker_processes $workers;" >"$dir/workers.conf"
    "start_$how" "$variant" "$mode" "$seconds"
    record_pid "$master" "$dir"
    all=$(children_of "$master" "$workers") || fail "nginx has not started $workers workers"
    for worker in $all; do
        record_pid "$worker" "$dir"
    done
    send_load "$port" "$mode" "$seconds"
    echo "$port" >"$dir/port"
    trap - EXIT
    print_run name "${dir##*/}" pid "${all%% *}" workers "$all" exe "$nginx" \
        merged "$merged" dir "$dir" master "$master" port "$port"
    [[ $how != docker ]] || print_run DOCKER_HOST "$DOCKER_HOST"
}

case ${1:-}/$# in
start/[456]) start "${@:2}" ;;
stop/1)
    lock_engine
    for engine in docker podman; do stop_engine; done
    ;;
remove/2) remove_container "$2" ;;
docker/[2-9] | docker/?? | podman/[2-9] | podman/??)
    engine=$1
    use_engine
    exec "$engine" "${@:2}"
    ;;
which/2)
    engine=$2
    [[ -n ${PACKAGES[$engine]:-} ]] || fail "no such engine: $engine"
    use_engine
    command -v "$engine"
    ;;
-h/1 | --help/1) usage ;;
*)
    usage >&2
    exit 1
    ;;
esac
