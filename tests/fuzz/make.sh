#!/bin/bash
# What "make fuzz" runs: make.sh FOLDER MAKE builds the readers in FOLDER for libFuzzer, with ASan
# and UBSan, and says how to run them. FUZZ_CC: the compiler, clang or AFL++'s afl-clang-fast.
set -euo pipefail
folder=$1
make=$2
cc=${FUZZ_CC:-clang}
command -v "$cc" >/dev/null || {
    echo "make fuzz: no $cc (Debian: apt-get install clang; AFL++: afl++, FUZZ_CC=afl-clang-fast)" >&2
    exit 1
}
"$make" -s distdir distdir="$folder.new" >/dev/null
mkdir -p "$folder"
cp -ru "$folder.new/." "$folder"
chmod -R u+w "$folder" "$folder.new"
rm -rf "$folder.new"
cd "$folder"
[[ -f Makefile ]] || ./configure -q CC="$cc" \
    CFLAGS="-g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
            -fno-sanitize-recover=undefined"
"$make" -s -j"$(nproc)" ngstap tests/fuzz/fuzzer
ngstap=$folder/ngstap tests/fuzz/seeds.sh "$folder/seeds"
cat <<TEXT
Readers: $(sed -n 's/^    {"\([a-z]*\)".*/\1/p' tests/fuzz/fuzz.c | tr '\n' ' ')
For libFuzzer: tests/fuzz/run.sh $folder READER SECONDS
For AFL++:     NGSTAP_FUZZ=READER afl-fuzz -i $folder/seeds/READER -o OUT \\
                   [-x tests/fuzz/READER.dict] $folder/tests/fuzz/fuzzer
TEXT
