# shellcheck shell=bash
#
# What the tests that compare ngstap with SystemTap share: how a case of tests/judge is run, and
# what of its output counts. Sourced after tap.sh.
#
# A case is NAME.stp; lines "// options:" and "// arguments:" in it hold command line words.
# NAME.out is what SystemTap printed for it, NAME.err the errors and warnings it gave. Both are of
# SystemTap 4.8 on Linux 6.1, recorded by UPDATE_GOLDEN=1 make check-vm TESTS=tests/vm/judge.sh.

# shellcheck disable=SC2154 # tap.sh sets what is used here

case_words() { # FILE WHAT: options or arguments
    sed -n "s,^// $2: ,,p" "$1"
}

# Errors and warnings as both tell them: without folders; without what only one of them counts, and
# what the compiler says.
said_at_run_time() {
    sed -nE '/^(ERROR|WARNING): /{
        /strings cut at MAXSTRINGLEN|elements not stored/d
        /transport failures/d
        /never-assigned|symbol table missing|probe .*is never|exited with status|Pass 5/d
        s/^(ERROR: MAXACTION exceeded).*/\1/ # each checks it in places of its own
        s, at [^ ]*/([^ /]*\.stp), at \1,
        p
    }'
}

# run_ngstap FILE: leaves $scratch/got.out and got.err.
run_ngstap() {
    # shellcheck disable=SC2046 # words
    timeout 60 "$ngstap" -I tapset -D STP_NO_OVERLOAD $(case_words "$1" options) "$1" $(case_words "$1" arguments) \
        >"$scratch/got.out" 2>"$scratch/got.all" </dev/null || :
    said_at_run_time <"$scratch/got.all" >"$scratch/got.err"
}

# same FILE FILE: shows the first lines that differ.
same() {
    diff -a "$1" "$2" >"$scratch/diff" && return
    head -n 12 "$scratch/diff" | cut -c 1-200 | cat -v | sed 's/^/# /'
    return 1
}
