#!/bin/bash
#
# Bash completes what --help and --args list. Needs nothing but bash and the built ngstap. Prints
# TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

shopt -s extglob progcomp
compopt() { :; } # outside of readline there is nothing to set
# shellcheck source-path=SCRIPTDIR source=../scripts/ngstap.bash
. scripts/ngstap.bash

# completes WORD... EXPECTED: the last word but one is being typed.
completes() {
    local expected=${*: -1}
    COMP_WORDS=("$ngstap" "${@:1:$#-1}")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _ngstap "$ngstap" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    [[ " ${COMPREPLY[*]} " == *" $expected "* ]]
}

all_options() {
    local option
    while read -r option; do
        completes "$option" "$option" || return
    done < <("$ngstap" --help | grep -o -- '--[a-z-]*')
}

check 'every option that --help lists' all_options
check 'a short option' completes -x -x
check 'a back end' completes --backend st stap
check 'a format' completes --format sp speedscope
check "... of a command's" completes convert --format fo folded
check 'a pid' completes -x "$$" "$$"
check 'a script' completes samples/lj-lua-s samples/lj-lua-stacks.sxx
check 'no other file' eval '! completes config configure.ac'
check 'an argument of the script' completes samples/lj-lua-stacks.sxx --arg tim time=
finish
