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
# All kinds of code, names that do not fit, a title and a command that do not fit either.
printf '%s\n' 'resty.core.regex:gsub_with_a_long_name;x:y 25' 'C:ngx_http_lua_ngx_print_more 15' \
    'T:a:b 30' \
    'builtin#7 30' >"$scratch/long.txt"
"$ngstap" convert "$scratch/long.txt" -o "$scratch/long.svg" \
    --title 'A title that goes on and on, longer than there is room for beside the box to search in'
sed -i '/id="about"/s/<.text>/ \xc2\xb7 ngstap flame --container a-name-that-goes-on -t 10 -F 199 -o a-file-with-a-long-name to the end of it&/' \
    "$scratch/long.svg"
timeout 120 python3 tests/browser.py "$browser" "$scratch/lua.svg" "$scratch/hostile.svg" \
    "$scratch/diff.svg" \
    "$scratch/long.svg"
