#!/bin/bash
#
# Scripts of begin probes (tests/judge/*.stp) print with ngstap what they printed with SystemTap,
# byte for byte. What they are compared with was recorded from real modules (see judge/common.sh),
# so no VM is needed. And the checklist: every construct of judge/constructs stands in a case.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=judge/common.sh
. tests/judge/common.sh

for script in tests/judge/*.stp; do
    name=$(basename "$script" .stp)
    run_ngstap "$script"
    check "$name" same "tests/judge/$name.out" "$scratch/got.out"
    check "$name: errors and warnings" same "tests/judge/$name.err" "$scratch/got.err"
done

# Comments and the text of formats are no use of a construct.
sed -E 's,^//.*|// .*$,,' tests/judge/*.stp >"$scratch/all"
while IFS=$'\t' read -r name pattern; do
    [[ -n $name && $name != \#* ]] || continue
    check "a case uses $name" grep -qE -e "$pattern" "$scratch/all"
done <tests/judge/constructs
finish
