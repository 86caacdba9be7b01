#!/bin/bash
# shellcheck disable=SC2016,SC2317 # check calls functions, and evaluates
#
# Profiles as OpenTelemetry's collectors take them: "--format otlp" by a reader of ours, whose tables
# are written from the published .proto (tests/push/wire.py), and by protoc; "ngstap push" of saved
# files to a server of ours (tests/push/receiver.py) that checks each request, refuses, stalls and
# dies. UPDATE_GOLDEN=1 writes tests/out/*.otlp. Needs python3, libcurl; TLS needs openssl. About
# 30 s. Prints TAP.

set -uo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=push/serve.sh
. "${BASH_SOURCE[0]%/*}/push/serve.sh"
command -v python3 >/dev/null || skip_all "no python3"
[[ $(ldconfig -p 2>/dev/null) == *libcurl* ]] || skip_all "no libcurl"
unset "${!OTEL_@}" http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NODE_NAME \
    CURL_CA_BUNDLE SSL_CERT_FILE

wire() { python3 tests/push/wire.py "$@"; }

# ---- the format ----

golden() { # NAME: all but the time, and what follows from it
    local file=tests/out/$1.otlp
    "$ngstap" convert "tests/out/$1.txt" -o "$scratch/$1.otlp.gz" 2>"$scratch/err" &&
        wire "$scratch/$1.otlp.gz" 2>"$scratch/err" | sed '/ time_unix_nano:/d; / profile_id:/d' \
            >"$scratch/$1.otlp" || return
    [[ -z ${UPDATE_GOLDEN:-} ]] || cp "$scratch/$1.otlp" "$file"
    diff "$file" "$scratch/$1.otlp" >"$scratch/out"
}
# The folded form without the marks that say a frame's kind, which are attributes here.
bare() { sed -E '/^#/d; s/(^|;)T:/\1/g; s/(^|;)builtin:/\1/g; s/_\[k\](;| )/\1/g'; }
same() { # FILE NAME: its stacks and counts are those of the folded form of NAME.txt
    "$ngstap" convert "$2" --format folded 2>"$scratch/err" | bare | sort >"$scratch/want"
    wire --folded "$1" 2>"$scratch/err" | tr ';' '\n' | sort >"$scratch/got.frames"
    tr ';' '\n' <"$scratch/want" | sort | diff - "$scratch/got.frames" >"$scratch/out"
}
# As many different stacks as a busy server has, recursion, and counts that need many bytes.
awk 'BEGIN { srand(3); for (i = 0; i < 600; i++) {
    for (d = 0; d < 12; d++) printf "%s@/srv/m%d.lua:%d\n",
    rand() < .3 ? "T:" : "", rand() * 30, rand() * 40; printf "\t%d\n", 1 + rand() * 1e6 } }' \
        >"$scratch/many.txt"
for name in lua c folded hostile off; do
    check "$name as otlp" golden "$name"
done
for name in lua c folded many; do
    input=$scratch/$name.txt # its time is now: receivers ask for it
    [[ $name = many ]] || cp "tests/out/$name.txt" "$input"
    "$ngstap" convert "$input" -o "$scratch/$name.otlp.gz"
    "$ngstap" convert "$input" -o "$scratch/$name.pb.gz"
    check "$name: the stacks and counts of the folded form" same "$scratch/$name.otlp.gz" "$input"
    check "... and so has its pprof" same "$scratch/$name.pb.gz" "$input"
done
raw() { # NAME: protoc finds the same counts, 1 { 2 { 2 { 2 { 4: ".." } } } } }
    zcat "$scratch/$1.otlp.gz" | protoc --decode_raw >"$scratch/raw" 2>"$scratch/err" &&
        python3 tests/push/raw.py "$scratch/raw" "$scratch/$1.otlp.gz" 2>"$scratch/err"
}
if command -v protoc >/dev/null; then
    for name in lua many; do
        check "protoc reads $name as that" raw "$name"
    done
else
    skip "protoc reads it as that" "no protoc (Debian: protobuf-compiler)"
fi

# ---- who takes it ----

got=$scratch/got
serve "$got"
url=http://127.0.0.1:$port

push() { timeout 100 "$ngstap" push "$@" >"$scratch/out" 2>"$scratch/err"; }
fails() { # PATTERN ARGUMENT...
    local pattern=$1
    shift
    ! push "$@" && grep -q -- "$pattern" "$scratch/err" && (($(wc -l <"$scratch/err") <= 2))
}
holds() { # FILE EXPRESSION: of v, what the file holds
    python3 -c 'import json, sys; v = json.load(open(sys.argv[1])); assert eval("(" + sys.argv[2] + ")"), v' \
        "$got/$1" "$2"
}
sent() { # FILE: to each receiver, and what came is what was there
    push --otlp "$url" "$1" && bare <"$scratch/want" | cmp - <(sort "$got/stacks.folded") &&
        push --push "$url" "$1" &&
        wire --folded "$got/profile.pb.gz" | sort | cmp - "$scratch/want"
}
"$ngstap" convert "$scratch/many.txt" -o "$scratch/many.folded"
bare <"$scratch/many.folded" | sort >"$scratch/want"
cp "$scratch/many.txt" "$scratch/text"
for file in many.pb.gz many.folded text; do
    check "$file is sent, and each stack comes" sent "$scratch/$file"
done
check "the same sent twice has one name" eval 'push --otlp "$url" "$scratch/lua.pb.gz" &&
    push --otlp "$url" "$scratch/lua.pb.gz" && [[ $(tail -2 "$got/ids" | sort -u | wc -l) = 1 ]]'
check "two files" eval 'push --otlp "$url" "$scratch/lua.pb.gz" "$scratch/c.pb.gz" &&
    [[ $(tail -2 "$got/ids" | sort -u | wc -l) = 2 ]]'
check "labels are the resource" eval 'push --otlp "$url/" --label service=shop --label pod=web-1 \
    --label namespace=n --label node=n7 --label pid=12 --label phase=log \
    --label deployment.environment.name=x "$scratch/lua.pb.gz"'
check "... by the conventions" holds resource.json "v == {'service.name': 'shop',
    'k8s.pod.name': 'web-1', 'k8s.namespace.name': 'n', 'host.name': 'n7', 'k8s.node.name': 'n7',
    'process.pid': 12, 'phase': 'log', 'deployment.environment.name': 'x'}"
check "Pyroscope's labels" push --push "$url" --label service=shop --label node=n7 \
    --label pod=web-1 --label k8s.x=y "$scratch/lua.pb.gz"
check "... are its name's" holds query.json "v['name'] == 'shop{node=n7,pod=web-1,k8s_x=y}'"
# shellcheck disable=SC2034 # it is evaluated
node=$'a\e{"b",c=d}'
check "a name that is not printable" eval 'NODE_NAME=$node$(printf "\377") push --otlp "$url" \
    "$scratch/lua.pb.gz"'
check "... is made so" holds resource.json "v['host.name'] == r'a\x1b{\"b\",c=d}\xff'"
check "... and ends no value" eval 'NODE_NAME=$node push --push "$url" --label service=s \
    "$scratch/lua.pb.gz"'
check "... of others" holds query.json "v['name'] == r's{node=a\x1b__b__c_d_}'"
check "headers" env OTEL_EXPORTER_OTLP_HEADERS='X-Scope=a%20b, authorization=Bearer%2c' \
    "$ngstap" push --otlp "$url" --header 'X-Own: 7' "$scratch/lua.pb.gz"
check "... are sent" holds headers.json \
    "v['X-Scope'] == 'a b' and v['authorization'] == 'Bearer,' and v['X-Own'] == '7'"
check "a password is sent" push --otlp "http://joe:pw@127.0.0.1:$port" "$scratch/lua.pb.gz"
check "... as one" holds headers.json "v['Authorization'] == 'Basic am9lOnB3'"
check "the environment's address" env OTEL_EXPORTER_OTLP_ENDPOINT="$url/" "$ngstap" push \
    --otlp env "$scratch/lua.pb.gz"
check "... is needed" fails 'OTEL_EXPORTER_OTLP_ENDPOINT is not set' --otlp env "$scratch/lua.pb.gz"
check "... or its own" env OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT="$url/own/path" "$ngstap" push \
    --otlp env "$scratch/lua.pb.gz"
check "a path is kept" push --otlp "$url/own/path" "$scratch/lua.pb.gz"

# ---- what is no profile ----

printf '\x1f\x8bnothing' >"$scratch/bad.pb.gz"
printf 'x;y\n' >"$scratch/bad.folded"
head -c 200 "$scratch/many.pb.gz" >"$scratch/cut.pb.gz"
: >"$scratch/empty"
check "a damaged file" fails 'bad.pb.gz is not sent: its gzip is damaged' --otlp "$url" \
    "$scratch/bad.pb.gz"
check "... one that is cut" fails 'cut.pb.gz is not sent: its gzip' --push "$url" \
    "$scratch/cut.pb.gz"
check "... other protobuf" fails 'is not sent: it is no pprof' --otlp "$url" "$scratch/c.otlp.gz"
check "... text that is no stack" fails 'bad.folded is not sent: .*bad.folded:1' --otlp "$url" \
    "$scratch/bad.folded"
check "... an empty one" fails 'it holds no stack' --otlp "$url" "$scratch/empty"
check "... one that is not there" fails 'No such file' --otlp "$url" "$scratch/nothing"
check "a label that would be more" fails 'is no label' --push "$url" --label 'a=b,c=d' x
check "a header that would be two" fails 'is no NAME: VALUE' --push "$url" --header $'a: b\nc: d' x
check "two receivers" fails 'name one receiver' --push "$url" --otlp "$url" x
check "none" fails 'push where to' x
check "no address of the web" fails 'is no address of the web' --push "file://$scratch/x" x

# ---- who does not take it ----

one=$scratch/lua.pb.gz
for status in 400 401 413 500; do
    check "$status says why, on one clean line, at once" fails \
        "HTTP $status, no .x1b\[31mroom for it" --otlp "$url/refuse/$status" "$one"
done
check "... in Pyroscope's form, too" fails 'HTTP 422, no .x1b\[31mroom for it' \
    --push "$url/refuse/422" "$one"
check "401 wants a header" grep -q Authorization <(push --otlp "$url/refuse/401" "$one"
    cat "$scratch/err")
check "elsewhere is not followed" fails 'HTTP 302' --otlp "$url/elsewhere" "$one"
waited() { # SECONDS FROM TO: between the first try and the last
    holds busy.json "len(v) == $1 and $2 <= v[-1] - v[0] < $3"
}
check "429 with Retry-After" push --otlp "$url/busy/429/2/2" "$one"
check "... is asked again then" waited 3 4 9
check "503 with a date" push --otlp "$url/busy/503/date/1" "$one"
check "... is asked again then" waited 2 1 7
check "502 without" push --otlp "$url/busy/502/0/2" "$one"
check "... is asked later each time" waited 3 3 9
check "who asks to wait for long" fails 'asks to wait for 99 s' --otlp "$url/busy/429/99/9" "$one"
check "what was taken in part is not sent again" fails 'HTTP 200, of no use' --otlp "$url/partial" \
    "$one"
check "a warning" eval 'push --otlp "$url/warn" "$one" &&
    grep -q "warning: .* says: slow .x1bdown" "$scratch/err"'
check "who dies" fails 'has not taken .*: Empty reply' --otlp "$url/die" "$one"
check "who dies in the middle" fails 'has not taken .*: ' --otlp "$url/cut" "$one"
check "who says too much" fails 'larger than 4 MiB' --otlp "$url/flood" "$one"
check "nobody there" fails 'has not taken .*: .*onnect' --otlp http://joe:pw@127.0.0.1:9 "$one"
check "... and the password is not shown" eval '! grep -q pw "$scratch/err"'
begun=$SECONDS
check "who stalls" fails 'has not taken .*: ' --otlp "$url/stall" "$one"
check "... is left alone in time" test $((SECONDS - begun)) -lt 60

# ---- TLS ----

if command -v openssl >/dev/null; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout "$scratch/key" \
        -addext 'subjectAltName=DNS:localhost' -out "$scratch/certificate" 2>/dev/null
    serve "$scratch/tls" "$scratch/certificate" "$scratch/key"
    check "a certificate that nobody vouches for" fails 'has not taken .*: .*certificate' \
        --otlp "https://localhost:$port" "$one"
    check "... and one that is named" env OTEL_EXPORTER_OTLP_CERTIFICATE="$scratch/certificate" \
        "$ngstap" push --otlp "https://localhost:$port" "$one"
    check "... in curl's words" env SSL_CERT_FILE="$scratch/certificate" \
        "$ngstap" push --push "https://localhost:$port" "$one"
    check "a certificate of another name" eval '! SSL_CERT_FILE=$scratch/certificate push \
        --otlp "https://127.0.0.1:$port" "$one"'
else
    skip "TLS" "no openssl"
fi
check "the server has said nothing" eval '! grep -v "Broken\|reset" "$scratch/served" |
    grep -q "^[A-Za-z]*Error"'
finish
