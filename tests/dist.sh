#!/bin/bash
# The tarball holds every file that git holds, but what belongs to the repository itself. Prints
# TAP.

set -uo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

git rev-parse --is-inside-work-tree >/dev/null 2>&1 && [[ -e .git ]] ||
    skip_all 'not in a git work tree'

tracked() { git ls-files | grep -vE '^\.ci/|(^|/)\.gitignore$' | sort; }
shipped() { (cd "$scratch/dist" && find . -type f -printf '%P\n' | sort); }

lay_out() {
    make -s -C "$builddir" distdir distdir="$scratch/dist" am__remove_distdir=: >"$scratch/out" \
        2>"$scratch/err"
}

check 'the files of the tarball can be laid out' lay_out
comm -23 <(tracked) <(shipped) >"$scratch/out"
check 'the tarball lacks no file that git holds' test ! -s "$scratch/out"
finish
