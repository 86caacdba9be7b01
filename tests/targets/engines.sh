# shellcheck shell=bash
#
# The container engines of the tests: Debian's docker and podman, unpacked in the
# cache, not installed (that would start services), with roots and sockets of
# their own, apart from any that the machine has. Sourced by container.sh, after
# common.sh and runs.sh. $engine is the one in use, docker or podman; both take
# the same commands. Leaves nothing once stop_engine was called, but what is in
# the cache.

engine=docker
declare -A PACKAGES=(
    [docker]='docker.io containerd runc'
    [podman]='podman conmon runc golang-github-containers-common'
)
declare -A LIBRARIES=(
    [docker]='libdevmapper1.02.1 libseccomp2 libsystemd0'
    [podman]='libassuan0 libdevmapper1.02.1 libglib2.0-0 libgpgme11 libseccomp2 libsubid4 libsystemd0'
)
DOCKERD=$TARGETS_RUN/.dockerd
PODMAN=$TARGETS_RUN/.podman
export DOCKER_HOST=unix://$DOCKERD/docker.sock DOCKER_CONFIG=$DOCKERD

# fetch_engine FOLDER: its libraries are small and start nothing.
fetch_engine() {
    local new=$1 package packages
    read -ra packages <<<"${PACKAGES[$engine]}"
    mkdir -p "$new"
    cd "$new" || return
    apt-get -q -o APT::Sandbox::User=root download "${packages[@]}" || {
        apt-get -q update
        apt-get -q -o APT::Sandbox::User=root download "${packages[@]}"
    }
    for package in "${packages[@]}"; do
        dpkg-deb -x "$package"_*.deb .
    done
    rm ./*.deb
}

use_engine() {
    local folder=$TARGETS_CACHE/engine libraries
    [[ $engine == docker ]] || folder+=-$engine
    read -ra libraries <<<"${LIBRARIES[$engine]}"
    need_packages "${libraries[@]}"
    if [[ ! -d $folder ]]; then
        rm -rf "$folder.new"
        mkdir -p "$TARGETS_CACHE/log"
        step "Unpacking Debian's $engine" "$TARGETS_CACHE/log/$engine" \
            fetch_engine "$folder.new"
        mv "$folder.new" "$folder"
    fi
    if [[ $engine == podman ]]; then
        set_up_podman "$folder"
        PATH=$PODMAN/bin:$PATH
    else
        PATH=$folder/usr/bin:$folder/usr/sbin:$PATH
    fi
    hash -r
}

# podman has no daemon: a program of that name that knows where everything is.
# Its own limits are above the caller's, which takes CAP_SYS_RESOURCE; its own
# runtime, crun, refuses cgroups of both versions side by side.
set_up_podman() { # FOLDER
    make_run_folder
    mkdir -p "$PODMAN/bin"
    cat >"$PODMAN/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
conmon_path = ["$1/usr/bin/conmon"]
runtime = "runc"
[engine.runtimes]
runc = ["$1/usr/sbin/runc"]
END
    cat >"$PODMAN/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$PODMAN/graph"
runroot = "$PODMAN/run"
END
    mkdir -p "$PODMAN/home/.config/containers"
    cp "$1/etc/containers/policy.json" "$PODMAN/home/.config/containers/"
    cat >"$PODMAN/bin/podman" <<END
#!/bin/sh
unset DOCKER_CONFIG # a folder of docker's, where "podman build" looks for passwords
export HOME=$PODMAN/home CONTAINERS_CONF=$PODMAN/containers.conf
export CONTAINERS_STORAGE_CONF=$PODMAN/storage.conf
exec $1/usr/bin/podman "\$@"
END
    chmod +x "$PODMAN/bin/podman"
}

# Held from the start of an engine until a container is there, and from the
# removal of one until the engine is stopped: starts and stops may overlap.
lock_engine() {
    make_run_folder
    exec 8>"$TARGETS_RUN/.lock"
    flock 8
}

# One dockerd serves all containers; it ends with the last, or after an hour.
start_engine() {
    use_engine
    [[ $engine == docker ]] || return 0
    ! docker version >/dev/null 2>&1 || return 0
    stop_engine
    mkdir -p "$DOCKERD"
    say 'Starting a private dockerd'
    # shellcheck disable=SC2034 # launch() uses them
    local dir=$DOCKERD child
    launch "$DOCKERD/log" 3600 dockerd --host "$DOCKER_HOST" --data-root "$DOCKERD/data" \
        --exec-root "$DOCKERD/exec" --pidfile "$DOCKERD/pid" --storage-driver=overlay2 \
        --exec-opt native.cgroupdriver=cgroupfs \
        --iptables=false --ip6tables=false --bridge=none ||
        fail "dockerd does not start: $(cat "$DOCKERD/log")"
    wait_until 30 docker version || fail "dockerd does not answer: $(tail "$DOCKERD/log")"
}

stop_engine() {
    if [[ $engine == podman ]]; then
        [[ ! -d $PODMAN ]] || remove_run "$PODMAN"
    else
        [[ ! -d $DOCKERD ]] || remove_run "$DOCKERD"
    fi
}

# For target.sh stop: an engine that has ended already has no containers.
remove_container() { # NAME, which begins with the engine's
    engine=${1%%-*}
    use_engine
    lock_engine
    "$engine" rm --force "$1" >/dev/null 2>&1 8>&- || :
    [[ -n $("$engine" ps --all --quiet 2>/dev/null 8>&-) ]] || stop_engine
}
