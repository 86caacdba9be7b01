#!/bin/bash
#
# The documents are true: docs/reference.md is what the tables say (UPDATE_GOLDEN=1 writes it), and
# the commands of README.md and docs/*.md run on a live nginx. A command is an indented line that
# begins with "ngstap ", "$ ngstap " or setpriv; PID, MASTER and /srv/.../nginx in it are the
# target's, a copy without an end of its own gets -T. What needs a container, a module or another
# machine (see needs_more) is left out. Needs root and NGSTAP_TARGETS for the commands. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

reference() {
    "$builddir/tests/unit/reference" tapset/*.stp tapset/x86_64/*.stp tapset/*.sxx \
        tapset/luajit/*.sxx tapset/kernel/*.sxx tapset/nginx/*.sxx >"$scratch/reference" || return
    [[ ${UPDATE_GOLDEN:-} != 1 ]] || cp "$scratch/reference" docs/reference.md
    diff docs/reference.md "$scratch/reference" >"$scratch/out"
}
check 'docs/reference.md says what the tables say' reference

# Files that the documents name are there.
missing() {
    # shellcheck disable=SC2016 # the backquotes are the text's
    grep -ohE '`(docs|tests|samples|scripts|patches|src|tapset|stapxx|bench)/[A-Za-z0-9_./-]+`' \
        README.md docs/*.md CONTRIBUTING.md |
        tr -d '`' | grep -v NAME | sort -u | while IFS= read -r file; do
        [[ -e $file ]] || echo "$file"
    done
    # shellcheck disable=SC2016 # the backquotes are the text's
    grep -ohE '\]\([a-z./-]+\.(md|svg)\)' README.md | tr -d '()]' | while IFS= read -r file; do
        [[ -e $file ]] || echo "$file"
    done
    grep -ohE '\]\([a-z./-]+\.(md|svg)[)#]' docs/*.md | tr -d '()]#' | while IFS= read -r file; do
        [[ -e docs/$file ]] || echo "docs/$file"
    done
    # "| `FOLDER/` | ... `FILE.c` ... |": the rooms of docs/architecture.md.
    local folder row
    while IFS='|' read -r _ folder row _; do
        folder=${folder//[\` ]/}
        grep -oE '`[a-z_*]+\.[chly]`' <<<"$row" | tr -d '`' | while IFS= read -r file; do
            compgen -G "src/$folder$file" >/dev/null || echo "src/$folder$file"
        done
    done < <(grep -E '^\| `[a-z]+/` \|' docs/architecture.md)
}
all_there() { missing >"$scratch/out"; [[ ! -s $scratch/out ]]; }
check 'files that the documents name are there' all_there

# Messages that docs/troubleshooting.md explains are those of the sources: what stands between "..."
# does stand there.
untrue() {
    local said parts
    # Strings that go on in the next line are one.
    cat src/*/*.c src/*/*/*.c src/base/abi.h samples/*.sxx | tr -d '\n' |
        sed -E 's/" *"//g; s/\\"/"/g; s/%"? ?PRI[a-z0-9]+ ?"?/%d/g' >"$scratch/sources"
    grep -oE '\*\*`[^`]*`\*\*' docs/troubleshooting.md | sed 's/^\*\*`//; s/`\*\*$//' |
        while IFS= read -r said; do
        parts=${said//...//}
        parts=${parts%: No such file or directory} parts=${parts%: Permission denied}
        tr '/' '\n' <<<"${parts//\/exe/}" | while IFS= read -r part; do
            ((${#part} < 5)) || grep -qF -e "$part" "$scratch/sources" || echo "$said: no '$part'"
        done
    done
}
true_messages() { untrue >"$scratch/out"; [[ ! -s $scratch/out ]]; }
check 'the messages of docs/troubleshooting.md are those of the sources' true_messages

if ((UID != 0)) || [[ -z ${NGSTAP_TARGETS:-} ]]; then
    skip 'the commands of the documents' 'they need root and NGSTAP_TARGETS'
    finish
fi

start_target nginx gc64 app 200 2
# shellcheck disable=SC2154
busiest=${workers%% *} most=0
sleep 1
for worker in $workers; do # one of two may get all requests
    ticks=$(awk '{ print $14 + $15 }' "/proc/$worker/stat")
    ((ticks < most)) || { most=$ticks; busiest=$worker; }
done

mkdir "$scratch/bin" "$scratch/here"
ln -s "$ngstap" "$scratch/bin/ngstap"
repository=$PWD

needs_more() { grep -qE \
    -- '--container|--pod|--push| agent |docker|kubectl|web\.pack|\.ko|--backend=stap| -r |SCRIPT|NAME|\.\.\.' <<<"$1"; }
# Has it an end of its own?
ends_itself() { grep -qE -- \
    ' flame .*-t |diff | -T |time=|exit\(\)| -c |types |convert |--args|--help|--version|-p4|lj-gc\.sxx|lj-lua-bt' <<<"$1"; }

commands() { # FILE
    sed -nE 's/^    (\$ )?((setpriv .* )?ngstap .*)/\2/p' "$1" | sed -E 's/ +# .*//'
}

# As a user would have it; only shorter.
shorten() { # COMMAND
    local line=$1
    line=${line//PID/$busiest}
    line=${line//MASTER/$master}
    line=${line//-t 10/-t 1} line=${line//-t 3/-t 1} line=${line//time=5/time=1} \
        line=${line//time=3/time=1}
    line=${line//\/srv\/openresty\/nginx\/sbin\/nginx/$exe}
    line=${line//-o before.txt/-o saved.txt} # others read that one meanwhile
    ends_itself "$line" || line="ngstap -T 1.3 ${line#ngstap }"
    echo "$line"
}

run_command() { # NUMBER COMMAND
    local status=0
    (cd "$scratch/here" && PATH=$scratch/bin:$PATH timeout 60 bash -c "$2") \
        >"$scratch/$1.out" 2>"$scratch/$1.err" </dev/null || status=$?
    echo "$status" >"$scratch/$1.status"
}

did_well() { # NUMBER COMMAND: it ended well and said something, or wrote a file
    cp "$scratch/$1.out" "$scratch/out"
    cp "$scratch/$1.err" "$scratch/err"
    [[ $(<"$scratch/$1.status") = 0 ]] && [[ -s $scratch/out || -s $scratch/err ||
        $2 == *" flame "* || $2 == *" -o "* ]]
}

# They wait more than they work: four at a time.
printf '@/srv/a.lua:3\n=main:1\n\t12\n' | tee "$scratch/here/stacks.txt" \
    "$scratch/here/before.txt" >"$scratch/here/after.txt"
titles=()
running=()
for document in README.md docs/*.md; do
    while IFS= read -r command; do
        ! needs_more "$command" || continue
        ((${#titles[@]} % 4)) || { wait "${running[@]}"; running=(); }
        run_command "${#titles[@]}" "$(shorten "$command")" &
        running+=($!)
        titles+=("$document: $command")
    done < <(commands "$repository/$document")
done
wait "${running[@]}"
for i in "${!titles[@]}"; do
    check "${titles[i]:0:110}" did_well "$i" "${titles[i]}"
done
check 'there were commands' test "${#titles[@]}" -gt 20
finish
