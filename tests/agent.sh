#!/bin/bash
# shellcheck disable=SC2016,SC2317 # check calls functions
#
# "ngstap agent" on two nginx masters of four workers each and a luajit program: what fits is
# profiled, comes and goes, and is sent; another configuration is read; the receiver stays away and
# comes back; the spool and the budget hold; a killed agent leaves nothing; Debian's prometheus
# reads its metrics. What it is told is wrong with a configuration, by line.
#
# Needs root, NGSTAP_TARGETS, curl, python3; fetches prometheus with apt, and skips what it lacks.
# About 90 s. Prints TAP.
set -uo pipefail
source "${BASH_SOURCE[0]%/*}/tap.sh"

# ---- the configuration

refused() { # LINE PATTERN TEXT
    printf '%b' "$3" >"$scratch/conf"
    ! run_once agent -f "$scratch/conf" --check && said "conf:$1:[0-9]+: error: .*$2"
}
check 'a section that there is not' refused 1 'no section \[agnet\]' '[agnet]\n'
check 'a key that there is not' refused 2 'no key windw' '[agent]\nwindw = 5\n'
check '... and the one that is near' said 'did you mean window'
check 'a value that is none' refused 3 'cpu takes a share' '[agent]\n# x\ncpu = much\n'
check 'a value out of range' refused 2 'hz takes from 1 to' '[agent]\nhz = 100000\n'
check 'a key that is said twice' refused 3 'hz is said twice' '[agent]\nhz = 1\nhz = 2\n'
check 'a rule that asks for nothing' refused 1 'asks for nothing' '[match a]\nservice = b\n'
check 'no rule' refused 1 'nothing to profile' '[agent]\nhz = 9\n'
check 'a key of no section' refused 1 'before any section' 'hz = 9\n'
check 'an address that is none' refused 2 'listen takes' '[agent]\nlisten = localhost:1\n'
check 'no file' fails_with 'cannot read' agent -f "$scratch/none"
check 'the sample is sound' run_once agent -f systemd/agent.conf --check

[[ $EUID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || {
    skip 'the rest' 'NGSTAP_TARGETS says no targets'
    finish
}
command -v curl >/dev/null || {
    skip 'the rest' 'no curl'
    finish
}

# ---- the targets: programs of our own, as others use this machine, too

cp -a "$NGSTAP_TARGETS/gc64" "$scratch/"
mkdir "$scratch/targets" && mv "$scratch/gc64" "$scratch/targets/"
export NGSTAP_TARGETS=$scratch/targets
luajit=$NGSTAP_TARGETS/gc64/srv/openresty/luajit/bin/luajit
masters=()
for _ in 1 2; do
    start_target nginx gc64 app 420 4
    # shellcheck disable=SC2154 # start_target sets it
    masters+=("$master")
done
# twelve minutes, not two
slow_clock="local time = os.time; os.time = function() return time() / 6 end"
"$luajit" -e "$slow_clock" tests/burn.lua &
burner=$!
pids+=("$burner")

mkdir "$scratch/got"
receive() { # [PORT]
    rm -f "$scratch/got/port"
    PORT=${1:-0} python3 tests/push/receiver.py "$scratch/got" &
    receiver=$!
    pids+=("$receiver")
    eventually 60 test -s "$scratch/got/port"
}
eventually() { # SECONDS COMMAND...
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < until)) || return 1
        sleep 0.3
    done
}
receive || { echo "Bail out! no receiver"; exit 1; }
port=$(cat "$scratch/got/port")
configure() { # LINE OF [agent]...
    {
        printf '%s\n' '[agent]' "spool = $scratch/spool" 'window = 3s' 'settle = 1s' \
            'scan = 500ms' 'listen = 127.0.0.1:0' "$@" \
            '[push]' "pyroscope = http://127.0.0.1:$port" 'label = env=test'
        printf '[match nginx]\nexe = %s\nservice = shop.web\n' \
            "$NGSTAP_TARGETS/gc64/srv/openresty/nginx/sbin/nginx"
        printf '[match late]\ncomm = luajit-late\n'
        [[ ${changed:-no} = no ]] || printf 'service = later\n'
        printf '[match lua]\nexe = %s/*/luajit*\nframes = lua\n' "$NGSTAP_TARGETS"
    } >"$scratch/agent.conf"
}
begin() { # LINE OF [agent]...
    configure "$@"
    "$ngstap" agent -f "$scratch/agent.conf" >"$scratch/out" 2>"$scratch/err" </dev/null &
    agent=$!
    pids+=("$agent")
    eventually 20 said '^metrics at ' &&
        url=$(sed -n 's/^metrics at //p' "$scratch/err")
}
metric() { # NAME: its value
    curl -s "$url" | sed -n "s/^ngstap_agent_$1 //p"
}
is() { # NAME OPERATOR NUMBER
    local value
    value=$(metric "$1")
    [[ -n $value ]] && awk "BEGIN { exit !($value $2 $3) }"
}
end() {
    kill -TERM "$agent" && wait "$agent"
}
got() { # PATTERN: of a name that came
    grep -qE -e "$1" "$scratch/got/names" 2>/dev/null
}
holds() { # SERVICE TEXT: of a pprof that came
    zcat "$scratch/got/$1.pb.gz" 2>/dev/null | grep -qaF "$2"
}
children() { pgrep -P "$1" | tr '\n' ' '; }
before=$(held)

# ---- what fits is profiled and sent

lists() {
    local one
    run_once agent -f "$scratch/agent.conf" --check && printed '9 processes fit' || return
    for one in "${masters[@]}"; do
        printed "^\[nginx\] .*nginx: the workers of $one\$" || return
    done
    printed "^\[lua\] .*: $burner\$"
}
configure
sleep 1
check '--check lists what fits: workers by their masters' lists
check 'the agent begins' begin 'cpu = 100%' 'spool-size = 1M'
check 'a session for each master, and one for luajit' eventually 60 is sessions == 3
check 'profiles of nginx come, by their labels' eventually 60 \
    got '^shop\.web\{env=test,match=nginx,node='
of_both() {
    local one
    for one in "${masters[@]}"; do
        grep -qx "pid=$one" "$scratch"/spool/*.labels || return
    done
}
check '... of both masters' of_both
check '... that hold its Lua' eventually 30 holds shop.web 'render'
check '... of luajit, too' eventually 60 got '^lua\{env=test,match=lua,'
check '... that hold its hot function' eventually 30 holds lua 'hot'
check 'the spool is empty then' eventually 30 is spool_files '<=' 1
check 'none failed' is sessions_failed_total == 0
check 'sessions are not started anew for a window' is sessions_started_total == 3

# ---- a target comes, another goes

cp "$luajit" "$NGSTAP_TARGETS/gc64/luajit-late"
LD_LIBRARY_PATH=${luajit%/bin/*}/lib "$NGSTAP_TARGETS/gc64/luajit-late" -e "$slow_clock" \
    tests/burn.lua &
late=$!
pids+=("$late")
check 'what comes is profiled' eventually 120 got '^late\{env=test,match=late,'
kill "$late"
check 'what goes ends its session' eventually 60 is sessions == 3
check '... which is no failure' is sessions_failed_total == 0

# ---- two processes of one session: one goes

run_late() {
    LD_LIBRARY_PATH=${luajit%/bin/*}/lib "$NGSTAP_TARGETS/gc64/luajit-late" -e "$slow_clock" \
        tests/burn.lua &
    pids+=("$!")
    late+=("$!")
}
late=()
run_late && run_late
before_two=$(metric sessions_started_total)
check 'two at a time are one session' eventually 60 is sessions == 4
check '... which says so' said "profiles \[late\] .*, ${late[0]} ${late[1]} at"
kill "${late[0]}"
sleep 4
check '... and goes on when one of them ends' is sessions == 4
check '... without another' is sessions_started_total == "$((before_two + 1))"
rm -f "$scratch/got/late.pb.gz"
check '... as profiles of the other come' eventually 30 test -s "$scratch/got/late.pb.gz"
kill "${late[1]}"
check 'the last one to go ends it' eventually 60 is sessions == 3

# ---- another configuration

reload() { # LINE OF [agent]...
    configure "$@"
    kill -HUP "$agent"
}
rm -f "$scratch/got/lua.pb.gz"
reload 'cpu = 100%' 'hz = nonsense'
check 'a configuration that is not sound is not taken' \
    eventually 20 said 'agent.conf is not taken: all stays as it was'
check '... as the line says' said 'agent.conf:[0-9]+:[0-9]+: error: .*hz takes a whole number'
check '... and the sessions go on' is sessions == 3
check '... and send' eventually 30 test -s "$scratch/got/lua.pb.gz"
session_of() { # WORD OF ITS ARGUMENTS: the pid of that session
    local child
    for child in $(children "$agent"); do
        ! tr '\0' ' ' <"/proc/$child/cmdline" 2>/dev/null | grep -q -e "$1" || echo "$child"
    done
}
all_there() { eventually 60 is sessions == 3; } # each is renewed after 60 windows
all_there
reload 'cpu = 100%' 'spool-size = 2M'
check 'what concerns no session ends none' eventually 20 said 'again; 3 sessions go on, 0 end'
changed=yes # the rule of luajit-late
sleep 2
all_there
of_nginx=$(session_of '--master')
of_lua=$(session_of '--frames lua')
reload 'cpu = 100%' 'spool-size = 2M'
check 'a rule that has changed' eventually 20 said 'again; 2 sessions go on, 1 end'
anew() { [[ $(session_of '--frames lua') =~ ^[0-9]+$ && ${BASH_REMATCH[0]} != "$of_lua" ]]; }
check '... those above it go on' eval '[[ $(session_of --master) = "$of_nginx" ]]'
check '... that behind it begins anew' eventually 60 anew
check '... three in all' eventually 20 is sessions == 3
rm -f "$scratch"/got/{lua,shop.web}.pb.gz
for service in lua shop.web; do
    check "... and profiles of $service come" eventually 30 test -s "$scratch/got/$service.pb.gz"
done
reload 'cpu = 100%' 'hz = 49' 'spool-size = 2M'
check 'SIGHUP makes it read its configuration again' eventually 20 said 'again; 0 sessions go on, 3 end'
check '... the sessions of it have its rate' eventually 60 is rate_hz == 49
check '... and begin anew' eventually 60 is sessions_started_total '>=' 9
at_49() { said '^.*profiles \[lua\] .* at 49 Hz'; }
check '... as the log says' eventually 20 at_49
rm -f "$scratch/got/lua.pb.gz"
check '... and their profiles come' eventually 30 test -s "$scratch/got/lua.pb.gz"
check '... none failed' is sessions_failed_total == 0

# ---- the receiver goes away, and comes back

told=$(wc -l <"$scratch/err")
kill "$receiver"
wait "$receiver" 2>/dev/null
check 'without a receiver profiles wait' eventually 60 is spool_files '>=' 4
check '... and that is said' eventually 60 said 'profiles wait in .*; the next try is in'
longer() { # of the tries since then
    tail -n "+$((told + 1))" "$scratch/err" | sed -n 's/.*profiles wait in .* is in \([0-9]*\) s$/\1/p' |
        awk '$1 <= last { same = 1 } { last = $1 } END { exit same || NR < 3 }'
}
check '... each time for longer' eventually 60 longer
check 'an agent that ends keeps them' end
kept() { (($(ls "$scratch"/spool/*.pb.gz | wc -l) >= 4)); }
check '... on disk' kept
check '... and nothing is attached' as_before "$before"
receive "$port"
check 'the next one begins' begin 'cpu = 100%'
check '... and sends them' eventually 60 is profiles_sent_total '>=' 4
check '... all of them' eventually 60 is spool_files '<=' 1

# ---- a slow or hostile client does not hold it

hostile() {
    local fds=() i fd
    for i in {1..12}; do
        exec {fd}<>"/dev/tcp/127.0.0.1/$(sed 's/.*:\([0-9]*\).*/\1/' <<<"$url")" || return
        fds+=("$fd")
        ((i % 2)) || head -c 1500 /dev/zero | tr '\0' x >&"$fd"
    done
    curl -s -m 15 "$url" | grep -q '^ngstap_agent_sessions [1-9]'
    local ok=$?
    for fd in "${fds[@]}"; do exec {fd}>&-; done
    return "$ok"
}
check 'clients that say nothing, or nonsense, are let go' hostile
answers() { # STATUS ARGUMENT OF CURL...
    [[ $(curl -s -o /dev/null -w '%{http_code}' "${@:2}") = "$1" ]]
}
check 'another path is none' answers 404 "${url%/*}/x"
check 'another method is none' answers 405 -X POST -d a "$url"

# ---- kill -9

sessions=$(children "$agent")
kill -KILL "$agent"
wait "$agent" 2>/dev/null
gone() {
    local one
    for one in $sessions; do
        ! kill -0 "$one" 2>/dev/null || return
    done
}
check 'a killed agent takes its sessions with it' eventually 30 gone
check '... and nothing is left attached' as_before "$before"

# ---- the spool is bounded

kill "$receiver"
wait "$receiver" 2>/dev/null
begin 'cpu = 100%' 'spool-files = 3'
check 'a full spool drops the oldest, and counts them' \
    eventually 60 is profiles_dropped_total '>=' 2
check '... and has no more than it may' is spool_files '<=' 3
check 'it ends' end

# ---- the budget

begin 'cpu = 0.02%' 'hz = 99'
check 'what costs too much is sampled less often' eventually 90 is rate_hz '<' 99
check '... which is said' said 'took .* % of a CPU, and 0.02 % are allowed: 49 Hz, not 99'
check '... and counted' is 'rate_changes_total{to="lower"}' '>=' 1
check '... and no session is started anew for it' is sessions == "$(metric sessions_started_total)"
check 'it ends, too' end
begin 'cpu = 100%' 'memory = 1M'
check 'sessions that take too much memory are stopped' \
    eventually 60 is 'sessions_stopped_total{budget="memory"}' '>=' 1
check '... which is said' said 'takes more memory than memory = allows'
check 'no other begins' is sessions_started_total '<=' 3

# ---- Debian's prometheus

prometheus=$(command -v prometheus)
if [[ -z $prometheus ]]; then
    (cd "$scratch" && apt-get download prometheus && dpkg-deb -x prometheus_*.deb debian) \
        >/dev/null 2>&1 && prometheus=$scratch/debian/usr/bin/prometheus
fi
if [[ -n $prometheus ]]; then
    cat >"$scratch/prometheus.yml" <<CONFIG
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: ngstap
    static_configs: [{targets: ["$(sed 's/.*\/\/\(.*\)\/.*/\1/' <<<"$url")"]}]
CONFIG
    web=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
    "$prometheus" --config.file="$scratch/prometheus.yml" --storage.tsdb.path="$scratch/tsdb" \
        --web.listen-address="127.0.0.1:$web" >"$scratch/prometheus.log" 2>&1 &
    pids+=("$!")
    scraped() { # QUERY WANT
        curl -s --data-urlencode "query=$1" "http://127.0.0.1:$web/api/v1/query" |
            grep -q "\"result\":\[{.*,\"$2\"\]}\]"
    }
    check 'prometheus scrapes it' eventually 40 scraped 'up{job="ngstap"}' 1
    as_told() { scraped ngstap_agent_targets "$(metric targets)"; }
    check '... and knows its numbers' eventually 20 as_told
    check '... and their types' eval \
        'curl -s "http://127.0.0.1:$web/api/v1/metadata?metric=ngstap_agent_samples_total" |
         grep -q "\"type\":\"counter\""'
else
    skip 'prometheus scrapes it' 'no prometheus, and apt has none'
fi
check 'the last one ends' end
check 'nothing is attached at the end' as_before "$before"
finish
