#!/bin/bash
#
# Runs the macro conformance cases against an implementation of stap++, and prints TAP.
#
#   stapxx/run.sh [-o] [-c CASE]... COMMAND [ARGUMENT]...
#
#   -o        where a case is marked "mends", it shows what the original does: a failure there is
#             marked TODO
#   -c CASE   these only
#   -m KIB    of address space for COMMAND (2000000), or "unlimited"
#
# COMMAND is called with --dump-src (or --args), the case's options and target, and input.sxx, in a
# mount namespace whose /proc holds the case's processes alone (and self) and whose /opt their
# files; so it needs root, and COMMAND must not lie in /opt.
# stapxx/README.md says what a case is, and what is compared. Nothing outside of the namespace is
# changed.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# ---- within the namespace

write_process() { # PID PPID FILE...: the first file is the executable
    local pid=$1 ppid=$2 file dev ino address=0x7f0000000000
    shift 2
    mkdir "/proc/$pid"
    ln -s "${1:-/opt/none}" "/proc/$pid/exe"
    ln -s / "/proc/$pid/root"
    echo "$pid (process) S $ppid $pid $pid 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1000 0 0" \
        >"/proc/$pid/stat"
    printf 'Name:\tprocess\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nUid:\t0\t0\t0\t0\nNSpid:\t%d\n' "$pid" \
        "$pid" "$ppid" "$pid" \
        >"/proc/$pid/status"
    : >"/proc/$pid/maps"
    for file; do
        if [[ ! -e $file ]]; then
            mkdir -p "${file%/*}"
            cp "$STAPXX_ELF" "$file"
        fi
        read -r dev ino <<<"$(stat -c '%Hd:%Ld %i' "$file")"
        printf '%x-%x r-xp 00000000 %02x:%02x %d %s%s\n' $((address)) $((address + 4096)) \
            "${dev%:*}" "${dev#*:}" "$ino" \
            '                    ' "$file" >>"/proc/$pid/maps"
        address=$((address + 8192))
    done
}

inside() { # CASE COMMAND...
    local dir=$1 kind='' pids=() files=() what value words=() mode=--dump-src option
    shift
    cp /bin/true /tmp/stapxx-elf.$$ 2>/dev/null || :
    STAPXX_ELF=/opt/.elf
    mount -t tmpfs none /opt
    mv /tmp/stapxx-elf.$$ "$STAPXX_ELF"
    mkdir /opt/.proc
    mount --rbind /proc /opt/.proc
    mount -t tmpfs none /proc
    ln -s /opt/.proc/self /proc/self
    if [[ -f $dir/target ]]; then
        while read -r what value; do
            case $what in
            kind) kind=$value ;;
            pid) pids+=("$value") ;;
            exe) files=("$value" "${files[@]}") ;;
            module) files+=("$value") ;;
            esac
        done <"$dir/target"
    fi
    case $kind in
    pid)
        write_process "${pids[0]}" 1 "${files[@]}"
        words+=(-x "${pids[0]}")
        ;;
    master)
        write_process 7 1 "${files[@]:0:1}"
        for value in "${pids[@]}"; do write_process "$value" 7 "${files[@]}"; done
        words+=(--master 7)
        ;;
    esac
    if [[ -f $dir/options ]]; then
        while IFS= read -r option; do
            if [[ $option == --args ]]; then mode=--args; else words+=("$option"); fi
        done <"$dir/options"
    fi
    cd "$dir"
    exec "$@" "$mode" "${words[@]}" input.sxx
}

if [[ ${1:-} == --inside ]]; then
    shift
    inside "$@"
fi

# ---- outside

original='' only=() memory=2000000
while getopts 'oc:m:h' option; do
    case $option in
    o) original=1 ;;
    c) only+=("$OPTARG") ;;
    m) memory=$OPTARG ;;
    *)
        sed -n '2,/^$/s/^# \?//p' "$0"
        exit 1
        ;;
    esac
done
shift $((OPTIND - 1))
(($#)) || { sed -n '2,/^$/s/^# \?//p' "$0"; exit 1; }
unshare -m true 2>/dev/null || { echo '1..0 # SKIP mount namespaces need root'; exit; }
command=$(command -v "$1") || { echo "stapxx/run.sh: no command $1" >&2; exit 1; }
command=$(realpath -s "$command")
shift
((${#only[@]})) || mapfile -t only < <(cd "$here/cases" && printf '%s\n' *)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
n=0 failed=0

# What is told: all errors, or the first of them, in their order; every warning.
says_what_is_expected() { # CASE
    local kind text first=1
    while read -r kind text; do
        if ! grep -qaF -e "$text" "$scratch/err"; then
            # The original stops at the first error.
            [[ -z $first && -n $original ]] || { echo "# not told: $text"; return 1; }
        fi
        [[ $kind != error ]] || first=''
    done <"$1/expected/says"
}

judge() { # CASE
    local want=0 file=$1/expected/main.stp
    [[ ! -f $1/expected/status ]] || want=$(<"$1/expected/status")
    [[ ! -f $1/expected/args ]] || file=$1/expected/args
    if ((want == 0 && status != 0)) || ((want != 0 && status == 0)); then
        echo "# status $status, expected ${want/#1/a failure}"
        return 1
    fi
    if ((want == 0)) && ! diff -a "$file" "$scratch/out" >"$scratch/diff"; then
        head -n 6 "$scratch/diff" | cut -c 1-150 | cat -v | sed 's/^/# /'
        return 1
    fi
    says_what_is_expected "$1"
}

for name in "${only[@]}"; do
    dir=$here/cases/$name
    n=$((n + 1)) status=0
    # Some loop for ever.
    (ulimit -v "$memory"; timeout 20 unshare -m "$BASH" "$here/run.sh" --inside "$dir" "$command" \
        "$@") >"$scratch/out" 2>"$scratch/err" \
        </dev/null || status=$?
    if judge "$dir" >"$scratch/why"; then
        echo "ok $n - $name"
    elif [[ -n $original && -f $dir/mends ]]; then
        echo "not ok $n - $name # TODO mends stap++: $(<"$dir/mends")"
    else
        echo "not ok $n - $name"
        failed=1
    fi
    cat "$scratch/why"
    grep -aq . "$scratch/why" && head -n 3 "$scratch/err" | cut -c 1-150 | cat -v |
        sed 's/^/# stderr: /'
done
echo "1..$n"
exit "$failed"
