# shellcheck shell=bash
#
# Two masters of four workers each of one binary: nginx of the targets, or tests/workers/family.c,
# whose workers count themselves what they do. Sourced after tap.sh, which stops them.

# Who sources this uses the variables, and eval sets those of targets.
# shellcheck disable=SC2034,SC2154
:

# start_nginx MODE: the workers are in ${first[@]} and ${second[@]}, the masters in $master1 and
# $master2, the access logs in ${logs[@]}, the ports in ${ports[@]}.
start_nginx() {
    local master workers name port dir
    logs=() ports=()
    start_target nginx gc64 "$1" 200 4
    logs+=("$dir/logs/access.log") ports+=("$port")
    read -ra first <<<"$workers"
    master1=$master
    start_target nginx gc64 "$1" 200 4
    logs+=("$dir/logs/access.log") ports+=("$port")
    read -ra second <<<"$workers"
    master2=$master
    export dir
}

stop_nginx() {
    local one
    for one in "${names[@]}"; do
        tests/targets/target.sh stop "$one"
    done
    names=()
}

# build_family: the program is $family, what it runs $family-other, its library libfamily.so beside.
build_family() {
    family=$scratch/family
    ${CC:-cc} -g -O2 -DLIBRARY -shared -fPIC -o "$scratch/libfamily.so" tests/workers/family.c &&
        ${CC:-cc} -g -O2 -fno-ipa-cp -fno-optimize-sibling-calls -pthread -o "$family" \
            tests/workers/family.c -L"$scratch" -lfamily -Wl,-rpath,"$scratch" &&
        ${CC:-cc} -g -O1 -DOTHER -o "$family-other" tests/workers/family.c
}

# start_family: as start_nginx; what they tell is in $scratch/told.
start_family() {
    local k child
    : >"$scratch/told"
    for k in 1 2; do
        "$family" "$k" "$scratch/told" "$family-other" </dev/null >/dev/null 2>&1 &
        eval "master$k=\$!"
        child=$!
        pids+=("$child")
        for _ in {1..200}; do
            read -ra workers <"/proc/$child/task/$child/children" || :
            ((${#workers[@]} < 4)) || break
            sleep 0.02
        done
        pids+=("${workers[@]}")
        ((k == 2)) || first=("${workers[@]}")
    done
    second=("${workers[@]}")
    sleep 0.1
}

# work: all eight workers do what they do once; what they tell of it is in $scratch/told.
work() {
    : >"$scratch/told"
    kill -USR1 "${first[@]}" "${second[@]}"
    for _ in {1..400}; do
        [[ $(grep -c ' done ' "$scratch/told") -lt 8 ]] || return 0
        sleep 0.05
    done
    echo "# not all workers have done their work"
    return 1
}

is() { # VALUE WANTED
    [[ $1 = "$2" ]] && return
    echo "# $1, not $2"
    return 1
}
