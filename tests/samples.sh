#!/bin/bash
#
# Which scripts of a folder run, and what they do: a row of a table for each, as
# docs/compatibility.md has them.
#
#   tests/samples.sh DIR TARGET                        the table of one folder
#   tests/samples.sh --document TARGET TITLE=DIR ...   docs/compatibility.md as a whole
#
# DIR holds scripts of stap++ (*.sxx) or SystemTap (*.stp), in folders or not, or programs that
# call stap with one, as openresty-systemtap-toolkit's: what they call it with is tried. TARGET is
# the pid of a process, or VARIANT/MODE/WORKERS: an nginx of tests/targets/target.sh under its load,
# started here. Arguments that a script must be given are made up (argument).
#
# becomes: eBPF; stap, where only SystemTap's back end takes it (it is printed for it, not built);
# refused; no stap, where a program called none. hits, lines and errors are those of a run of
# SAMPLES_SECONDS (3) as eBPF: handlers run, lines printed, errors told. The last column is the
# first error, or why there is no code.
#
# By hand, with clones; it needs root and NGSTAP_TARGETS. tests/samples-test.sh tries it.

set -euo pipefail

builddir=$(realpath "${top_builddir:-.}")
cd "${top_srcdir:-$(dirname "${BASH_SOURCE[0]}")/..}"
ngstap=$builddir/ngstap
seconds=${SAMPLES_SECONDS:-3}
scratch=$(mktemp -d)
run=''

usage() { sed -n '2,/^$/s/^# \?//p' "${BASH_SOURCE[0]}"; }

# shellcheck disable=SC2317 # the trap calls it
clean() {
    [[ -z $run ]] || tests/targets/target.sh stop "$run" 2>/dev/null || :
    rm -rf --one-file-system "$scratch"
}
trap clean EXIT
trap 'exit 130' INT TERM

# ---- the target

# open_target TARGET: $pid, $exe, and what the document says of it in $title
open_target() {
    local told
    if [[ $1 =~ ^[0-9]+$ ]]; then
        pid=$1 master=$1 whose=(-x "$1") exe=$(readlink "/proc/$1/exe")
        title="a process of ${exe##*/}"
        return
    fi
    # In the background of nothing: it ends by itself.
    told=$(tests/targets/target.sh start nginx "$(cut -d / -f 1 <<<"$1")" \
        "$(cut -d / -f 2 <<<"$1")" 3600 "$(cut -sd / -f 3 <<<"$1/4")")
    eval "$told"
    # shellcheck disable=SC2154 # told sets it
    run=$name whose=(--master "$master")
    title=$("$exe" -v 2>&1 | sed 's/.*: //')
    title+=" with ngx_lua and LuaJIT, variant/load/workers $1"
}

# ---- one script

# argument NAME: a value for one that a script must have
argument() {
    case $1 in
    func | probe) echo "process(\"$exe\").function(\"ngx_http_handler\")" ;;
    time) echo 2 ;;
    port) echo "${port:-80}" ;;
    dict) echo pages ;;
    file) echo /dev/null ;;
    *) echo 1 ;;
    esac
}

# Words that make $call run what is in a file of stap++'s or SystemTap's language.
call_script() {
    local name shown
    call=()
    while read -r name; do
        call+=(--arg "$name=$(argument "$name")")
    done < <("$ngstap" --args "$1" 2>/dev/null |
        sed -nE 's/^\t--arg (\w+)=VALUE$/\1/p; s/^\t--arg (time)=VALUE.*/\1/p' | sort -u)
    shown=$(grep -o '[$@][1-9]' "$1" | tail -c 2 || :)
    ! grep -q '%{' "$1" || call+=(-g)
    call+=("${whose[@]}" "$1")
    for ((; ${shown:-0} > 0; shown--)); do call+=(1); done
}

# Words that a program calls stap with, its own first example being its command line; the script
# that it gives on standard input is a file then. False: it calls none.
call_program() {
    local file=$1 example
    example=$(awk -v name="${file##*/}" '/^Example/ { on = 1 }
        on && $1 == name { $1 = ""; print; exit }' "$file" |
        sed -E "s/-m 12345/-m $master/; s/12345/$pid/; s/-t [0-9]+/-t 2/; s/--lua51/--luajit20/")
    [[ ${file##*/} != sample-bt ]] || example+=' -u' # it wants -k or -u, and its examples have none
    rm -f "$scratch/call"
    # shellcheck disable=SC2086 # its words
    PATH=$scratch/bin:$PATH timeout 20 perl "$file" $example </dev/null >"$scratch/out" 2>&1 || :
    [[ -s $scratch/call ]] || return
    mapfile -d '' -t call <"$scratch/call"
}

# Is FILE a program that calls stap?
is_program() { head -n 1 "$1" | grep -aq perl && grep -aq '[|`"]stap ' "$1"; }

# A stap that keeps what it is called with.
make_recorder() {
    mkdir "$scratch/bin"
    cat >"$scratch/bin/stap" <<END
#!/bin/bash
case \$1 in
-V | --version) exec "$ngstap" --version ;;
esac
args=()
for one; do
    [[ \$one != - ]] || { cat >"$scratch/script.stp"; one=$scratch/script.stp; }
    args+=("\$one")
done
printf '%s\0' "\${args[@]}" >"$scratch/call"
END
    # The version is asked for by the name of SystemTap.
    sed -i "s|exec \"$ngstap\"|exec -a stap \"$ngstap\"|" "$scratch/bin/stap"
    chmod 755 "$scratch/bin/stap"
}

# first PATTERN FILE: the message that it has there, without places of this machine
first() {
    { grep -m 1 -E -e "$1" "$2" || :; } |
        sed -E "s|^[^ ]*:[0-9]+:[0-9]+: ||; s/^(error|ERROR|warning): //; s/ \[[a-z-]+\]\$//
            s|/[^ ',:()]*/||g; s/\|/\\\\|/g; s/[[:cntrl:]]/?/g" | cut -c 1-160
}

# row NAME: of the script that $call runs
row() {
    local becomes=refused hits='' lines='' errors='' why=''
    if (cd "$scratch" && timeout 120 "$ngstap" --backend=bpf -p4 -m made "${call[@]}") \
        >"$scratch/out" 2>"$scratch/err"; then
        becomes=eBPF
        timeout -k 5 -s INT "$((seconds + 30))" "$ngstap" -t -T "$seconds" "${call[@]}" \
            >"$scratch/out" 2>"$scratch/err" </dev/null || :
        hits=$(sed -nE 's/^hits: ([0-9]+),.*/\1/p' "$scratch/err")
        lines=$(wc -l <"$scratch/out")
        errors=$(grep -cE '^(ERROR|error)|: error:|Number of errors' "$scratch/err" || :)
        why=$(first '^(ERROR|error)|: error:' "$scratch/err")
    else
        why=$(first 'error:' "$scratch/err")
        ! timeout 120 "$ngstap" --dump-stap "${call[@]}" >"$scratch/out" 2>"$scratch/err" ||
            becomes=stap
    fi
    echo "| $1 | $becomes | $hits | $lines | $errors | $why |"
    rm -f "$scratch"/made*
}

# ---- a folder

# files DIR: names of what may be a script, one a line
files() {
    (cd "$1" && find . -type f ! -path '*/tapset/*' ! -path '*/.*/*' | sed 's|^\./||' | sort)
}

# table DIR: its rows, and how many of each kind, in $scratch/rows and $scratch/counts
table() {
    local name
    : >"$scratch/rows"
    while IFS= read -r name; do
        case $name in
        *.sxx | *.stp) call_script "$1/$name" ;;
        *.*) continue ;;
        *)
            is_program "$1/$name" || continue
            if ! call_program "$1/$name"; then
                echo "| $name | no stap |  |  |  | $(first . "$scratch/out") |" >>"$scratch/rows"
                continue
            fi
            ;;
        esac
        row "$name" >>"$scratch/rows" </dev/null
    done < <(files "$1")
    awk -F ' [|] ' '{ n[$2]++; all++ }
        $2 == "eBPF" && $5 == 0 { well++ }
        END {
            printf "%d scripts: %d become eBPF ", all, n["eBPF"]
            printf "(%d of them run without an error),\n", well
            printf "%d are for SystemTap alone, %d are refused", n["stap"], n["refused"]
            printf n["no stap"] ? ", %d call no stap.\n" : ".\n", n["no stap"]
        }' \
        "$scratch/rows" >"$scratch/counts"
}

print_table() { # DIR
    table "$(realpath "$1")"
    cat "$scratch/counts"
    printf '\n| script | becomes | hits | lines | errors | first message |\n'
    printf '|---|---|---|---|---|---|\n'
    cat "$scratch/rows"
}

document() {
    local kernel tapset="without SystemTap's tapset"
    [[ ! -d ${SYSTEMTAP_TAPSET:-/usr/share/systemtap/tapset} ]] ||
        tapset="with SystemTap's tapset installed"
    kernel=$(uname -r | sed -E 's/^([0-9]+\.[0-9]+).*/Linux \1/')
    cat <<END
# Which scripts run

Made by \`tests/samples.sh --document\`, which says in its head what the columns mean, with clones
of these collections, and this target:

    $title
    $kernel, $("$ngstap" --version | head -n 1), $tapset

Each script was run for $seconds seconds, those of stap++ for all workers, programs for one. What
has no hits did not happen in this load, which says nothing of its answers. Arguments that a script
must have were made up. A script is refused with its first message; more may be missing.
END
    while (($#)); do
        printf '\n## %s\n\n' "${1%%=*}"
        print_table "${1#*=}"
        shift
    done
}

((UID == 0)) || { echo "samples.sh: it needs root" >&2; exit 1; }
make_recorder
if [[ ${1:-} == --document && $# -gt 2 ]]; then
    open_target "$2"
    document "${@:3}"
elif [[ ${1:-} != -* && $# == 2 && -d $1 ]]; then
    open_target "$2"
    print_table "$1"
else
    usage >&2
    exit 1
fi
