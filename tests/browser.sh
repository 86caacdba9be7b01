#!/bin/bash
#
# Flame graphs in a real browser: Chromium, headless, with real key presses and clicks (browser.py).
#
# Needs chromium and python3, and skips without. About 5 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || :)
[[ -n $browser ]] || skip_all 'no chromium'
command -v python3 >/dev/null || skip_all 'no python3'

"$ngstap" convert tests/out/lua.txt -o "$scratch/lua.svg"
"$ngstap" convert tests/out/hostile.txt -o "$scratch/hostile.svg"
printf 'main;work;hot 10\nmain;new 10\n' >"$scratch/after.txt"
"$ngstap" diff tests/out/folded.txt "$scratch/after.txt" -o "$scratch/diff.svg"
timeout 120 python3 tests/browser.py "$browser" "$scratch/lua.svg" "$scratch/hostile.svg" "$scratch/diff.svg"
