#!/bin/bash
#
# How much of SystemTap's own tests ngstap takes and refuses as SystemTap does.
#
#   tests/conformance.sh CLONE         ("make conformance CLONE=DIR"; V=1: a line a file)
#
# CLONE is SystemTap's source, or its folder testsuite. Each file of testsuite/parseok, parseko,
# semok, semko and buildok is run as its first line says, a script by `stap OPTIONS FILE` and a
# shell script by its shell, where ngstap is the stap of $PATH and makes eBPF; of
# testsuite/systemtap.examples each script is compiled as its .meta file says (test_check). In
# folders that end in "ko" what fails is as expected, elsewhere what succeeds; what is killed, or
# takes more than CONFORMANCE_SECONDS (20), never is. Prints a line of counts a folder, and then why
# what was to be taken was refused: first messages by count, without names. What is refused for
# this kernel alone, since it lets nobody probe its functions, was resolved by then, and is counted
# apart. Files that do not call stap are left out.
#
# It runs shell scripts of the clone. By hand; tests/conformance-test.sh tries it.

set -euo pipefail

builddir=$(realpath "${top_builddir:-.}")
self=$(realpath "${BASH_SOURCE[0]}")
folders=(parseok parseko semok semko buildok systemtap.examples)

usage() { sed -n '2,/^$/s/^# \?//p' "$self"; }

# ---- one file

# options FILE: those of its first line, or what its folder is for; without -W, which is about
# warnings
options() {
    local line default=-p4
    case $(basename "$(dirname "$1")") in
    parse*) default=-p1 ;;
    sem*) default=-p2 ;;
    esac
    IFS= read -r line <"$1" || :
    line=$(sed -nE 's/^#! *[^ ]*\bstap +(.*)/\1/p' <<<"$line" |
        sed -E 's/-([a-zA-Z]*)p5/-\1p4/; s/(^| )-W /\1/; s/(^| )-W/\1-/')
    echo "${line:-$default}"
}

# run_one FILE: as its folder's tests are run, in a copy of nothing or of the example's folder
run_one() {
    local file=$1 check
    case $file in
    */systemtap.examples/*)
        cp -r "$(dirname "$file")/." .
        check=$(sed -n 's/^test_check: *//p' "${file%.stp}.meta" 2>/dev/null || :)
        bash -c "${check:-stap -p4 $(basename "$file")}"
        ;;
    *)
        if head -n 1 "$file" | grep -qE '^#!.*/(ba|k|z)?sh\b'; then
            bash "$file"
        else
            # shellcheck disable=SC2046 # its words
            stap $(options "$file") "$file"
        fi
        ;;
    esac
}

# judge FOLDER FILE: prints "FOLDER FILE yes|no|kernel MESSAGE" with tabs between
judge() {
    local folder=$1 file=$2 dir status=0 as=no why
    dir=$(mktemp -d "$scratch/one.XXXX")
    (cd "$dir" && timeout -k 5 "${CONFORMANCE_SECONDS:-20}" bash "$self" --run "$file") \
        >"$dir.out" 2>&1 </dev/null || status=$?
    case $folder/$status in
    */1[23]?) why="ended by status $status" ;; # a signal, or timeout's
    *ko/0) why='was not refused' ;;
    *ko/*) as=yes why='' ;;
    */0) as=yes why='' ;;
    *)
        why=$(grep -m 1 -aE 'error:|ERROR' "$dir.out" || head -n 1 "$dir.out")
        why=$(sed -E 's/^[^ ]*:[0-9]+:[0-9]+: //; s/^(error|ERROR): //' <<<"$why" | tr '\t' ' ')
        why=${why:-no message}
        [[ $why != *'lets nobody probe its functions'* ]] || as=kernel
        ;;
    esac
    printf '%s\t%s\t%s\t%s\n' "$folder" "${file##*/testsuite/}" "$as" "$why"
    rm -rf "$dir" "$dir.out"
}

# ---- all

# files FOLDER: those that call stap
files() {
    local name
    find "$tests/$1" -type f -name '*.stp' | sort | while IFS= read -r name; do
        ! head -n 1 "$name" | grep -qE '^#!.*sh\b' ||
            grep -qE '(^|[^[:alnum:]_])stap[^[:alnum:]_]' "$name" || continue
        printf '%s\0%s\0' "$1" "$name"
    done
}

summary() {
    awk -F '\t' '
        !($1 in all) { order[++n] = $1 }
        { all[$1]++; yes[$1] += $3 == "yes"; kernel[$1] += $3 == "kernel" }
        END {
            for (i = 1; i <= n; i++) {
                what = order[i] ~ /^parse/ ? "parsed" : order[i] ~ /^sem/ ? "analysed" : "compiled"
                if (order[i] ~ /ko$/)
                    what = "refused"
                printf "%-20s %3d of %3d %s", order[i], yes[order[i]], all[order[i]], what
                if (kernel[order[i]])
                    printf ", %d more but for functions of this kernel", kernel[order[i]]
                print ""
            }
        }' "$1"
}

# Messages without what differs from one script to the next.
reasons() {
    awk -F '\t' '$1 !~ /ko$/ && $3 == "no" { print $4 }' "$1" |
        sed -E -e "s/'[^']*'/'...'/g" -e 's/\b[A-Za-z_0-9]+\(\)/...()/g' \
            -e 's/[$][a-zA-Z_]+/$.../g; s/ \[[a-z-]+\]$//; s/[0-9]+/N/g' |
        sort | uniq -c | sort -k 1,1rn -k 2 | head -n "${REASONS:-20}"
}

main() {
    local folder
    tests=$(realpath "$1")
    [[ ! -d $tests/testsuite ]] || tests+=/testsuite
    scratch=$(mktemp -d)
    trap 'rm -rf --one-file-system "$scratch"' EXIT
    mkdir "$scratch/bin"
    printf '#!/bin/bash\nexec -a stap %q --backend=bpf "$@"\n' "$builddir/ngstap" >"$scratch/bin/stap"
    chmod 755 "$scratch/bin/stap"
    export scratch PATH=$scratch/bin:$PATH
    for folder in "${folders[@]}"; do
        [[ ! -d $tests/$folder ]] || files "$folder"
    done | xargs -0 -r -n 2 -P "$(nproc)" bash "$self" --judge | sort >"$scratch/all"
    if [[ ! -s $scratch/all ]]; then
        echo "conformance.sh: $1 has none of ${folders[*]}" >&2
        return 1
    fi
    [[ ${V:-0} = 0 ]] || cut -f 2- "$scratch/all"
    summary "$scratch/all"
    printf '\nWhy what was to be taken was not:\n'
    reasons "$scratch/all"
}

case ${1:-} in
--run) run_one "$2" ;;
--judge) judge "$2" "$3" ;;
*)
    (($# == 1)) && [[ -d $1 ]] || { usage >&2; exit 1; }
    main "$1"
    ;;
esac
