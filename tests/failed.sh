#!/bin/bash
#
# Prints what the last run of the tests found wrong, from the logs that it left: each test that
# failed, with the lines that it printed after it. Run from where ngstap was built.

set -euo pipefail
shopt -s nullglob

for results in tests/*.trs tests/*/*.trs; do
    ! grep -q '^:recheck: yes' "$results" || printf '%s\0' "${results%.trs}.log"
done | while IFS= read -r -d '' log; do
    awk -v name="$log" '
        /^(not ok|Bail out)/ && !/# TODO/ { print name ": " $0; left = 24; next }
        /^ok / { left = 0 }
        left > 0 { print "    " $0; left-- }
        /^ERROR: / || /exit status: [^0]/ { print name ": " $0 }' "$log" | cut -c 1-300
done
