# shellcheck shell=bash disable=SC2034,SC2154 # callers read $port; tap.sh sets $scratch
#
# serve FOLDER ARGUMENT...: starts tests/push/receiver.py, which writes what it takes into FOLDER;
# its port is in $port, what it says of requests in $scratch/served.
serve() {
    mkdir -p "$1"
    python3 tests/push/receiver.py "$@" 2>"$scratch/served" &
    pids+=($!)
    for _ in {1..200}; do
        [[ ! -s $1/port ]] || break
        sleep 0.1
    done
    port=$(cat "$1/port")
}
