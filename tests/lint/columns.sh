#!/bin/bash
#
# No line is longer than 100 columns (characters, a tab being one): code, comments, macros, prose.
# Exceptions are made by kind, so that no line needs a mark of its own:
#
# - What flex and bison make, and data: inputs, expected outputs, pictures, patches, manual pages.
# - In documents: tables, links, and code in fences or indented, which readers copy.
# - In tests, scripts and benchmarks, up to 160: a line that holds a string of 40 columns or more,
#   which cannot be broken (a message, a pattern, a command of another shell).
#
# Prints TAP: a line a folder.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${top_srcdir:-$here/../..}"
export LC_ALL=C.UTF-8

tests=0
failed=0

# long_lines KIND FILE...: those that break the rule of KIND, as FILE:LINE.
long_lines() {
    local kind=$1
    shift
    case $kind in
    code) grep -HnE '^.{101}' "$@" || : ;;
    tests)
        grep -HnE '^.{101}' "$@" |
            grep -vE "^[^:]*:[0-9]*:(.*('[^']{38,}|\"[^\"]{38,}).*|# shellcheck .*)$" || :
        grep -HnE '^.{161}' "$@" || :
        ;;
    prose)
        awk '/^```/ { fence = !fence }
            FNR == 1 { fence = 0 }
            !fence && length($0) > 100 && !/^ *\|/ && !/^    / && !/https?:|\]\([^)]*\)/ {
                print FILENAME ":" FNR ":" }' "$@"
        ;;
    esac | cut -d : -f 1,2
}

# check NAME KIND FILE...
check() {
    local name=$1 kind=$2 file found=''
    shift 2
    for file; do
        found+=$(long_lines "$kind" "$file")${found:+$'\n'}
    done
    tests=$((tests + 1))
    if [[ -z ${found//$'\n'/} ]]; then
        echo "ok $tests - $name"
    else
        echo "not ok $tests - $name"
        sed '/^$/d; s/^/# over 100 columns: /' <<<"$found"
        failed=1
    fi
}

# sources FOLDER: what was written by hand; beside a .l or .y lies what was made of it.
sources() {
    local file
    while IFS= read -r file; do
        [[ -e ${file%.[ch]}.l || -e ${file%.[ch]}.y || $file = */flamegraph_page.h ]] ||
            echo "$file"
    done < <(find "$1" -type f -name '*.[chly]' -o -name '*.js' -o -name '*.css' \
        -o -name '*.mk' | sort)
}

for folder in src/*/; do
    mapfile -t files < <(sources "${folder%/}")
    check "${folder%/}" code "${files[@]}"
done
mapfile -t files < <(find tapset -type f)
check 'tapset' code "${files[@]}"
check 'Makefile.am' code Makefile.am
mapfile -t files < <(find tests -type f '(' -name '*.sh' -o -name '*.awk' -o -name '*.mk' ')' |
    sort)
check 'scripts of tests' tests "${files[@]}"
mapfile -t files < <(find tests -type f '(' -name '*.[ch]' -o -name '*.py' -o -name '*.js' ')' |
    sort)
check 'programs of tests' tests "${files[@]}"
mapfile -t files < <(find bench scripts stapxx -type f '(' -name '*.sh' -o -name '*.bash' \
    -o -name docker-root ')')
check 'other scripts' tests quickstart "${files[@]}"
check 'documents' prose README.md CONTRIBUTING.md docs/*.md stapxx/README.md
echo "1..$tests"
exit $failed
