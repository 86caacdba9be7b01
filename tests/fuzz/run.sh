#!/bin/bash
# Runs libFuzzer on a reader: run.sh FOLDER READER SECONDS, after "make fuzz" has built FOLDER. What
# it finds lies in FOLDER/found; a mended finding goes to tests/fuzz/corpus/READER. What it has
# learnt is kept in FOLDER/learnt.
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
folder=$1
reader=$2
seconds=$3
mkdir -p "$folder/learnt/$reader" "$folder/found"
options=()
[[ ! -f $here/$reader.dict ]] || options+=("-dict=$here/$reader.dict")
corpora=("$folder/learnt/$reader" "$folder/seeds/$reader")
[[ ! -d $here/corpus/$reader ]] || corpora+=("$here/corpus/$reader")
NGSTAP_FUZZ=$reader exec "$folder/tests/fuzz/fuzzer" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=3000 -artifact_prefix="$folder/found/$reader-" -print_final_stats=1 \
    "${options[@]}" "${corpora[@]}"
