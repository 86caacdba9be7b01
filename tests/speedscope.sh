#!/bin/bash
#
# speedscope's own page (the npm package, headless in Chromium) opens what ngstap writes for it, and
# its table of functions has our names and counts.
#
# Needs chromium, npm and python3, and once the registry: the package is kept in the user's cache.
# About 5 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

version=1.25.0
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || :)
[[ -n $browser ]] || skip_all 'no chromium'
command -v npm >/dev/null || skip_all 'no npm'
command -v python3 >/dev/null || skip_all 'no python3'
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/ngstap-tests/speedscope-$version
if [[ ! -f $cache/package/dist/release/index.html ]]; then
    mkdir -p "$cache"
    (cd "$cache" && timeout 60 npm pack "speedscope@$version" >/dev/null 2>&1 &&
        tar xzf "speedscope-$version.tgz") ||
        skip_all 'speedscope cannot be fetched by npm'
fi

# "TOTAL SELF NAME" of each function, as the page shows them.
shown() { # STACKS
    "$ngstap" convert "$1" --format speedscope --title 'a <b> title' -o "$scratch/p.json"
    printf 'speedscope.loadFileFromBase64("p.speedscope.json", "%s")\n' \
        "$(base64 -w0 "$scratch/p.json")" \
        >"$scratch/p.js"
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --enable-unsafe-swiftshader \
        --allow-file-access-from-files --user-data-dir="$scratch/profile" \
        --virtual-time-budget=8000 \
        --window-size=1200,800 --dump-dom \
        "file://$cache/package/dist/release/index.html#view=sandwich&localProfilePath=$scratch/p.js" \
        >"$scratch/page.html" 2>/dev/null || :
    python3 - "$scratch/page.html" <<'END'
import html, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
for row in re.findall(r"<tr.*?</tr>", page, re.S):
    cells = [html.unescape(re.sub(r"<[^>]*>", "", c)).strip() for c in re.findall(r"<td.*?</td>",
        row, re.S)]
    if len(cells) >= 3:
        print(cells[0].split()[0], cells[1].split()[0], cells[-1])
END
}

cat >"$scratch/expected" <<'END'
209 209 @/srv/app/hot.lua:13
30 0 @/srv/app/hot.lua:13
30 30 builtin#78
323 0 @/srv/app/main.lua:37
383 0 =content_by_lua(nginx.conf:52):0
60 0 @/srv/app/main.lua:48
60 60 C:ngx_http_lua_ngx_print
84 84 @/srv/app/cold.lua:25
END
shown tests/out/lua.txt | LC_ALL=C sort >"$scratch/got"
check 'speedscope shows our functions with their samples' diff \
    <(LC_ALL=C sort "$scratch/expected") "$scratch/got"
check '... and the title as text' grep -q '<title>a &lt;b&gt; title' "$scratch/page.html"
shown tests/out/hostile.txt >"$scratch/got"
check 'hostile names are text there' grep -qF '@/srv/<script>alert(1)</script>.lua:1' "$scratch/got"
finish
