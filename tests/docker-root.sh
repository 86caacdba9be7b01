#!/bin/bash
#
# Tests docker-root: with engines that are played by small scripts, as anyone;
# and, as root and with NGSTAP_TARGETS set, with a container made by namespaces
# and those of a real dockerd and podman. Leaves nothing. Prints TAP.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

script=$PWD/scripts/docker-root
scratch=$(mktemp -d)
names=()
tests=0

# shellcheck disable=SC2317 # the trap calls it
clean() {
    local name
    for name in "${names[@]}"; do
        tests/targets/target.sh stop "$name"
    done
    rm -rf "$scratch"
}
trap clean EXIT

# A PATH on which no engine is but those written here.
mkdir "$scratch/bin"
for tool in bash cat readlink; do
    ln -s "$(command -v "$tool")" "$scratch/bin/"
done

# result NAME COMMAND...: one line of TAP, ok if COMMAND is true.
result() {
    local name=$1 verdict=ok
    shift
    "$@" || verdict='not ok'
    tests=$((tests + 1))
    echo "$verdict $tests - $name"
}

# play ENGINE: standard input is its script; $1 is a sub-command, as for the real one.
play() {
    { echo '#!/bin/bash'; cat; } >"$scratch/bin/$1"
    chmod +x "$scratch/bin/$1"
}

# expect STATUS TEXT ARGUMENT...: TEXT must be in what docker-root prints, or, if
# it is a path, be all of it.
expect() { result "docker-root ${*:3}: $2" prints "$@"; }

prints() {
    local status=$1 text=$2 output got=0
    shift 2
    output=$(PATH=${path:-$scratch/bin} "$script" "$@" 2>&1) || got=$?
    ((got == status)) && [[ $output == *"$text"* && ($text != /* || $output == "$text") ]] && return
    printf 'status %d, not %d, or not that text: %s\n' "$got" "$status" "$output" | sed 's/^/# /'
    return 1
}

expect 1 'usage: docker-root'
expect 1 'usage: docker-root' one two
expect 1 'unknown option --volume' --volume
expect 0 'usage: docker-root' --help
expect 1 'no container engine found' web
expect 1 'no process with pid 9999999' 9999999
expect 0 / $$

# An engine knows a container by pid only, by a folder that is not its root, not
# at all, or it does not run.
play docker <<END
[[ \$1 == ps ]] && exit
case \${!#} in
web) echo '$$ /' ;;
remote) echo '$$ /nowhere/merged' ;;
stopped) echo '0 /nowhere/merged' ;;
*) exit 1 ;;
esac
END
expect 0 / web
expect 0 / remote
expect 1 'container stopped is not running (docker)' stopped
expect 1 'no container named other (asked: docker)' other

# Another engine is asked when the first knows nothing; one may be out of reach.
play podman <<<'exit 125'
play crictl <<END
case \$1 in
ps)
    [[ \$4 == '^pod-web\$' ]] && echo 0123456789abcdef
    [[ \$4 == '^web-2\$' ]] && printf '%s\\n' 0123456789abcdef 123456789abcdef0
    exit 0
    ;;
inspect) [[ \${!#} == 0123456789abcdef ]] && echo $$ ;;
esac
END
expect 0 / pod-web
expect 1 'no answer from: podman' other
expect 1 'several containers are named web-2; give the id of one: 0123456789abcdef 123456789abcdef0' web-2

# As 0.11 of it answers: no folder, the pid of the past for what has ended (which
# the status tells), a line for each whose id begins so.
play nerdctl <<END
[[ "\$1 \$2" == 'container inspect' ]] || exit 1
case \${!#}:\$* in
*MergedDir*) exit 1 ;;
in-k3s:*) echo $$ ;;
ended:*'if eq .State.Status "exited"'*) echo 0 ;;
ended:*) echo $$ ;;
69a:*) printf '%s\\n' $$ 11568 ;;
*) exit 1 ;;
esac
END
expect 0 / in-k3s
expect 1 'container ended is not running (nerdctl)' ended
expect 1 "several containers are named 69a; give the whole id of one; their pids: $$ 11568" 69a

if ((UID == 0)) && [[ -n ${NGSTAP_TARGETS:-} ]]; then
    for how in namespaces podman docker; do
        if ! all=$(tests/targets/container.sh start "$how" gc64 idle 60 2>"$scratch/err"); then
            tests=$((tests + 1))
            echo "ok $tests - $how # SKIP cannot run here: $(tail -n 1 "$scratch/err")"
            continue
        fi
        eval "$all"
        # shellcheck disable=SC2154 # name, pid, merged and exe are what start prints
        names+=("$name")
        # shellcheck disable=SC2154
        expect 0 "$merged" "$pid"
        # shellcheck disable=SC2154
        result "$how: nginx lies below the root" test -f "$merged$exe"
        [[ $how == namespaces ]] && continue
        export DOCKER_HOST
        path=$(dirname "$(tests/targets/container.sh which "$how")"):$PATH expect 0 "$merged" \
            "$name"
    done
else
    tests=$((tests + 1))
    echo "ok $tests - real containers # SKIP not root, or NGSTAP_TARGETS is not set"
fi
echo "1..$tests"
