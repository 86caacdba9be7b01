#!/bin/bash
#
# Probes that fire too often: what they take of the target is held to the budget, by the kernel's
# count and by the target's own; what is left out is said, and counted where it can be; what fires
# rarely loses nothing. Needs root. Prints TAP.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
[[ $(id -u) = 0 ]] || skip_all 'not root'

program=$scratch/calls
${CC:-cc} -g -O2 -fno-pie -no-pie -o "$program" tests/overload/calls.c 2>/dev/null ||
    ${CC:-cc} -g -O2 -o "$program" tests/overload/calls.c
pushed="process(\"$program\").function(\"pushed\")"
plain="process(\"$program\").function(\"plain\")"

# budgeted ARGUMENT...: as trace, with the budget that users have
budgeted() {
    status=0
    timeout 60 "$ngstap" -I tapset "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}
# The calls of "pushed" and "plain" that the target has counted, and what the script has.
truth() { awk '$1 == "total" { print $2 + $3 }' "$scratch/out"; }
seen() { sed -nE 's/^seen ([0-9]+)$/\1/p' "$scratch/out"; }
# In all, as it is said at the end.
left_out() {
    sed -nE 's/^WARNING: ([0-9]+) hits(,| were left out).*/\1/p' "$scratch/err" |
        awk '{ n += $1 } END { print n + 0 }'
}
quiet() { ! grep -q 'left out' "$scratch/err"; }
all_counted() { [[ $(truth) -gt 0 && $(($(seen) + $(left_out))) -eq $(truth) ]]; }
# ns of a call, the median of the seconds that awk's condition $1 takes
ns_of() {
    awk "\$1 != \"total\" && NF == 3 && ($1) { print \$3 }" "$scratch/out" | sort -g |
        awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
# -v: the processor time of all programs, as a percentage of SECONDS
programs_took() {
    sed -nE 's/^([0-9]+) ns per hit \(([0-9]+) .*/\1 \2/p' "$scratch/err" |
        awk -v s="$1" '{ printf "%d\n", $1 * $2 / s / 1e7 }'
}
counter="global n probe end { printf(\"seen %d\\n\", n) }"

budgeted -e "$counter probe $pushed { n++ }" -c "$program pushed:3:300"
check 'what fires rarely loses nothing' test "$(seen)" -eq "$(truth)"
check '... and says nothing' quiet

# A handler of some 50 us, so that the breakpoint is the lesser part.
heavy="for (i = 0; i < 3000; i++) s += i * i; n++"
budgeted -v -e "$counter global s probe $pushed { $heavy }" -c "$program pushed:6:3000"
words='^WARNING: hits are left out: probe process\(".*"\)\.function\("pushed@.*"\) took more '
words+='than 5 % of a processor; -D OVERLOAD=20 allows more, -D STP_NO_OVERLOAD everything$'
check 'a heavy handler is throttled' said "$words"
check '... its hits are seen or counted as left out' all_counted
check '... how many is said at the end' said '^WARNING: [1-9][0-9]* hits were left out: probe '
took=$(programs_took 6)
check "... its programs take no more than the budget ($took %)" test "$took" -le 7

budgeted -D OVERLOAD=90 -e "$counter global s probe $pushed { $heavy }" \
    -c "$program pushed:3:1500"
check '-D OVERLOAD=90 lets it run' quiet
check '... and all is seen' test "$(seen)" -eq "$(truth)"

budgeted -D STP_OVERLOAD_INTERVAL=1000LL -D STP_OVERLOAD_THRESHOLD=20 \
    -e "$counter global s probe $pushed { $heavy }" -c "$program pushed:3:3000"
check "SystemTap's interval and threshold make 2 %" said \
    'took more than 2 % of a processor; -D OVERLOAD=8 allows more'

# As fast as it can: the seconds before the probe, and with it.
fast() { # FUNCTION POINT...
    local function=$1 before after point script=$counter
    shift
    for point; do
        script+=" probe $point { n++ }"
    done
    "$program" "$function:12" >"$scratch/target" &
    pids+=("$!")
    sleep 4
    budgeted -T 7 "${options[@]}" -e "$script" -x "$!"
    wait "$!" || :
    mv "$scratch/out" "$scratch/script"
    cp "$scratch/target" "$scratch/out"
    before=$(ns_of 'NR > 1 && NR < 4')
    after=$(ns_of 'NR > 6 && NR < 11')
    part=$(awk -v b="$before" -v a="$after" 'BEGIN { printf "%d", 100 * (a / b - 1) }')
    cat "$scratch/script" >>"$scratch/out"
}
options=()
for point in plain pushed; do
    fast "$point" "process(\"$program\").function(\"$point\")"
    check "$point, as fast as it can: a call costs as before ($part %)" test "$part" -le 7
    check '... hits are seen nevertheless' test "$(seen)" -gt 100
    check '... those that nobody could count are told' said \
        'all hits of [4-7]\.[0-9] s, which nobody counted, were left out: probe '
done
fast plain "$plain" "$plain.return"
check "with its returns: a call costs as before ($part %)" test "$part" -le 7
options=(--no-feature=uprobe_multi)
fast plain "$plain"
check "without links of many: a call costs as before ($part %)" test "$part" -le 7

# A function is left within a second, and a start is never forgotten: what was left out is no time
# that a call took.
budgeted -e "global start, worst, n probe $plain { start = gettimeofday_us() }
    probe $plain.return { if (start) n++
        if (start && gettimeofday_us() - start > worst) worst = gettimeofday_us() - start }
    probe end { printf(\"worst %d\nseen %d\n\", worst, n) }" -c "$program plain:11"
worst=$(sed -nE 's/^worst ([0-9]+)$/\1/p' "$scratch/out")
check "an entry and its return are of one call (longest: $worst us)" test "$worst" -lt 250000
check '... and there are some' test "$(seen)" -gt 1000

# shellcheck disable=SC2016 # the script's own
budgeted -e "$counter global wrong probe $pushed.return { n++; if (\$n < 0) wrong++ }
    probe end { printf(\"wrong %d\\n\", wrong) }" -c "$program pushed:6"
check 'what a return is given of its entry is there' printed '^wrong 0$'
check '... always' bash -c "! grep -q 'did not find' '$scratch/err'"

budgeted -D STP_NO_OVERLOAD -e "$counter probe $plain { n++ }" -c "$program plain:2"
check '-D STP_NO_OVERLOAD: every hit is seen' test "$(seen)" -eq "$(truth)"
check '... and nothing is said' quiet
"$ngstap" -D STP_NO_OVERLOAD -p4 -m x --dump-bpf -e "probe $plain { }" >"$scratch/out" \
    2>"$scratch/err" || :
check '... no instruction is left of it' bash -c "grep -q ^uprobe '$scratch/out' &&
    ! grep -q spe '$scratch/out'"

# Fast, then rare: what comes later is seen again.
budgeted -e "global late probe $plain { late++ }
    probe timer.s(8) { late = 0 } probe end { printf(\"late %d\\n\", late) }" \
    -c "$program plain:2 plain:10:200"
late=$(sed -nE 's/^late ([0-9]+)$/\1/p' "$scratch/out")
check "a probe that has calmed down sees every hit again ($late)" test "$late" -ge 700

# Ticks are thinned evenly.
budgeted -v -e "$counter global s probe timer.profile.hz(3000) {
    for (i = 0; i < 20000; i++) s += i * i; n++ }" -c "$program pushed:4"
took=$(programs_took 4)
check "ticks: their programs take no more than the budget ($took %)" test "$took" -le 7
check '... and are said to be left out' said \
    '^WARNING: [1-9][0-9]* hits were left out: probe timer\.profile'
check '... some are seen' test "$(seen)" -gt 20

for bad in OVERLOAD=0 OVERLOAD=101 STP_OVERLOAD_THRESHOLD=x STP_OVERLOAD_INTERVAL=0; do
    check "-D $bad is refused" fails_with "$bad" -D "$bad" -e 'probe begin { exit() }'
done
finish
