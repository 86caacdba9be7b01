#!/bin/sh
# Checks the includes of src/ against src/DEPS: a folder may include itself, base and the folders
# its line names. And only the files of DWARF as a source include libdw. Prints TAP.
set -eu
src=${top_srcdir:-.}/src
n=0
failed=0
for folder in $(sed -n 's/^\([a-z]*\):.*/\1/p' "$src/DEPS"); do
    [ -d "$src/$folder" ] || continue
    allowed=" $folder base $(sed -n "s/^$folder://p" "$src/DEPS") "
    bad=$(grep -rnoE --include='*.[chly]' '#include "[a-z]+/[^"]*"' "$src/$folder" |
        while IFS= read -r line; do
            to=$(printf '%s\n' "$line" | sed 's/.*#include "\([a-z]*\)\/.*/\1/')
            case $allowed in *" $to "*) ;; *) printf '%s\n' "$line" ;; esac
        done)
    n=$((n + 1))
    if [ -z "$bad" ]; then
        echo "ok $n - src/$folder includes only what src/DEPS lets it"
    else
        echo "not ok $n - src/$folder includes what src/DEPS does not let it"
        printf '%s\n' "$bad" | sed 's/^/# /'
        failed=1
    fi
done

n=$((n + 1))
bad=$(grep -rnE --include='*.[chly]' '#include .(elfutils/libdw|debug/dwarf_priv\.h)' "$src" |
    grep -vE '^[^:]*/debug/((dwarf_?[a-z]*|debugfile|cfi|pack_[a-z]+)\.c|(dwarf_priv|index_format|pack)\.h):' || :)
if [ -z "$bad" ]; then
    echo "ok $n - libdw is included by the files of src/debug/ that read DWARF only"
else
    echo "not ok $n - libdw is included by others than the files of src/debug/ that read DWARF"
    printf '%s\n' "$bad" | sed 's/^/# /'
    failed=1
fi
echo "1..$n"
exit $failed
