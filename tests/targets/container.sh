#!/bin/bash
#
# Starts nginx in a container, under a load whose answer is known:
#
#   tests/targets/container.sh start docker|namespaces VARIANT MODE [SECONDS]
#   tests/targets/container.sh docker ARGUMENT...   a command to the engine
#   tests/targets/container.sh which                the path of its command
#   tests/targets/container.sh stop                 the engine, if it still runs
#
# VARIANT, MODE and SECONDS are those of target.sh, which also lists, questions
# and stops what was started here (target.sh truth|list|stop NAME). nginx lies
# at /srv/openresty/nginx/sbin/nginx, a path that the host lacks.
#
# "docker" starts a dockerd of its own, with its own socket and images, apart
# from any that the machine has. "namespaces" does it by hand: an overlay, new
# mount, pid, ipc and uts namespaces, pivot_root. Both share the host's network,
# so that requests go to 127.0.0.1.
#
# start prints lines NAME=VALUE, fit for the shell's eval: name (the engine's name
# of the container, too), pid (the worker, as the host counts), exe (as the
# container has it), merged (its root, as the host sees it), master, port; for
# docker, DOCKER_HOST too.
#
# Needs: root; what target.sh needs. Debian's docker.io is unpacked in the
# cache, not installed: installing it would start a service on the machine.
# Leaves nothing once all is stopped, but for what is in the cache.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source-path=SCRIPTDIR source=runs.sh
. "$(dirname "${BASH_SOURCE[0]}")/runs.sh"

usage() { sed -n '2,/^$/s/^# \?//p' "$0"; }

# --- the root that containers have ---------------------------------------------

# A built variant, the libraries it needs, and a few commands: $image is the
# folder, kept in the cache by its content.
make_image() {
    local targets=$1 variant=$2 key
    key=$({ echo "$targets"; declare -f fill_image; cat "$HERE"/load/{conf,lua,lua/*}/*.*; } |
        sha256sum | cut -c 1-12)
    image=$TARGETS_CACHE/images/$variant-$key
    [[ -d $image ]] && return
    say "Making the image of the $variant container"
    rm -rf "$image.new"
    mkdir -p "$image.new"
    fill_image "$image.new" "$targets/$variant"
    mv "$image.new" "$image"
}

fill_image() {
    local image=$1 root=$2 file files=(/bin/{sh,umount} /usr/bin/{timeout,touch,sleep})
    mkdir -p "$image"/{proc,sys,dev,tmp,etc,run,.old}
    cp -a "$root/srv" "$image/"
    [[ ! -d $root/usr ]] || cp -a "$root/usr" "$image/"
    lay_prefix "$image/srv/openresty/nginx" "$image/srv/openresty/lualib"
    rm -r "$image/srv/openresty/lualib"
    # Libraries as the dynamic linker names them, but for the variant's own.
    for file in "${files[@]}" "$root/srv/openresty/"{nginx/sbin/nginx,luajit/bin/luajit}; do
        ldd "$file" | grep -o '/[^ ]*' | grep -v "^$root" || :
    done | sort -u | xargs cp -L --parents -t "$image" "${files[@]}"
    echo 'nobody:x:65534:65534::/:/bin/sh' >"$image/etc/passwd"
    echo 'nogroup:x:65534:' >"$image/etc/group"
}

# --- docker ----------------------------------------------------------------------

ENGINE_PACKAGES=(docker.io containerd runc)
daemon=$TARGETS_RUN/.dockerd
export DOCKER_HOST=unix://$daemon/docker.sock DOCKER_CONFIG=$daemon

# Debian's engine, unpacked; its libraries are small and start nothing.
fetch_engine() {
    local new=$1 package
    mkdir -p "$new"
    cd "$new"
    apt-get -q -o APT::Sandbox::User=root download "${ENGINE_PACKAGES[@]}" || {
        apt-get -q update
        apt-get -q -o APT::Sandbox::User=root download "${ENGINE_PACKAGES[@]}"
    }
    for package in "${ENGINE_PACKAGES[@]}"; do
        dpkg-deb -x "$package"_*.deb .
    done
    rm ./*.deb
}

use_engine() {
    local engine=$TARGETS_CACHE/engine
    need_packages libdevmapper1.02.1 libseccomp2 libsystemd0
    if [[ ! -d $engine ]]; then
        rm -rf "$engine.new"
        mkdir -p "$TARGETS_CACHE/log"
        step "Unpacking Debian's docker" "$TARGETS_CACHE/log/engine" \
            fetch_engine "$engine.new"
        mv "$engine.new" "$engine"
    fi
    PATH=$engine/usr/bin:$engine/usr/sbin:$PATH
    hash -r
}

# Held from the start of dockerd until a container is there, and from the
# removal of one until dockerd is stopped: starts and stops may overlap.
lock_engine() {
    make_run_folder
    exec 8>"$TARGETS_RUN/.lock"
    flock 8
}

# One dockerd serves all containers; it ends with the last, or after an hour.
start_engine() {
    use_engine
    ! docker version >/dev/null 2>&1 || return 0
    stop_engine
    mkdir -p "$daemon"
    say 'Starting a private dockerd'
    local dir=$daemon child
    launch "$daemon/log" 3600 dockerd --host "$DOCKER_HOST" --data-root "$daemon/data" \
        --exec-root "$daemon/exec" --pidfile "$daemon/pid" --storage-driver=overlay2 \
        --exec-opt native.cgroupdriver=cgroupfs \
        --iptables=false --ip6tables=false --bridge=none ||
        fail "dockerd does not start: $(cat "$daemon/log")"
    wait_until 30 docker version || fail "dockerd does not answer: $(tail "$daemon/log")"
}

stop_engine() {
    [[ ! -d $daemon ]] || remove_run "$daemon"
}

# For target.sh stop: an engine that has ended already has no containers.
remove_container() {
    use_engine
    lock_engine
    docker rm --force "$1" >/dev/null 2>&1 || :
    [[ -n $(docker ps --all --quiet 2>/dev/null) ]] || stop_engine
}

start_docker() {
    local variant=$1 mode=$2 seconds=$3 name=${dir##*/} tag=${image##*/} first
    lock_engine
    start_engine
    # Docker wants names in small letters, and a tag of its own for each image.
    docker image inspect "ngstap:$tag" >/dev/null 2>&1 ||
        tar -C "$image" -c . | docker import - "ngstap:$tag" >/dev/null
    echo "$name" >"$dir/container"
    for _ in 1 2 3 4 5; do
        choose_port "$dir/listen.conf"
        docker create --name "$name" --network host "ngstap:$tag" \
            timeout --kill-after=5 "$seconds" /srv/openresty/nginx/sbin/nginx -g 'daemon off;' \
            >/dev/null
        docker cp "$dir/listen.conf" "$name:/srv/openresty/nginx/conf/listen.conf"
        docker start "$name" >/dev/null
        wait_until 10 answers "$port" && break
        docker logs "$name" >"$dir/log" 2>&1
        docker rm --force "$name" >/dev/null
        port=''
    done
    exec 8>&-
    [[ -n $port ]] || fail "nginx does not start in docker: $(cat "$dir/log")"
    first=$(docker inspect --format '{{.State.Pid}}' "$name")
    master=$(child_of "$first")
    merged=$(docker inspect --format '{{.GraphDriver.Data.MergedDir}}' "$name")
}

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
    exec /srv/openresty/nginx/sbin/nginx -g "daemon off;"
'

start_namespaces() {
    local variant=$1 mode=$2 seconds=$3 child
    mkdir "$dir"/{upper,work,merged}
    mount -t overlay overlay -o "lowerdir=$image,upperdir=$dir/upper,workdir=$dir/work" \
        "$dir/merged" || fail "no overlay can be mounted below $dir"
    for _ in 1 2 3 4 5; do
        choose_port "$dir/merged/srv/openresty/nginx/conf/listen.conf"
        if launch "$dir/log" "$seconds" unshare --mount --pid --ipc --uts --fork --kill-child \
            sh -c "$ENTER" sh "$dir/merged" && wait_until 10 answers "$port"; then
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
    local how=$1 variant=$2 mode=$3 seconds=${4:-60} targets image master merged worker port
    [[ $how == docker || $how == namespaces ]] || fail "no such container: $how"
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "SECONDS must be a number, not $seconds"
    ((UID == 0)) || fail 'containers need root'
    path_of "$mode" >/dev/null
    targets=$(targets_dir)
    [[ -d $targets/$variant ]] || fail "no variant $variant: gc64, gc32 or stripped"
    need_packages wrk
    make_image "$targets" "$variant"
    dir=$(new_run "$how-$variant-$mode")
    trap 'remove_run "$dir"' EXIT
    "start_$how" "$variant" "$mode" "$seconds"
    record_pid "$master" "$dir"
    worker=$(child_of "$master")
    record_pid "$worker" "$dir"
    send_load "$port" "$mode" "$seconds"
    echo "$port" >"$dir/port"
    trap - EXIT
    print_run name "${dir##*/}" pid "$worker" exe /srv/openresty/nginx/sbin/nginx \
        merged "$merged" dir "$dir" master "$master" port "$port"
    [[ $how != docker ]] || print_run DOCKER_HOST "$DOCKER_HOST"
}

case ${1:-}/$# in
start/[45]) start "${@:2}" ;;
stop/1)
    lock_engine
    stop_engine
    ;;
remove/2) remove_container "$2" ;;
docker/[!01]*)
    use_engine
    exec docker "${@:2}"
    ;;
which/1)
    use_engine
    command -v docker
    ;;
-h/1 | --help/1) usage ;;
*)
    usage >&2
    exit 1
    ;;
esac
