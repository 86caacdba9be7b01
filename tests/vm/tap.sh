# shellcheck shell=bash
#
# What the tests that boot VMs share, on the host's side: in_vm runs a script of tests in a VM and
# passes its TAP on as part of this test's. Sourced; it sources ../tap.sh, and the script in the VM
# does so, too.

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

# Of the TAP of a script that was started again in a second VM the first one's is left out.
last_tap() {
    awk '
        /^(not )?ok 1( |$)/ { for (i = 0; i < count; i++) if (line[i] ~ /^(not )?ok/) { count = 0;
            break } }
        { line[count++] = $0 }
        END { for (i = 0; i < count; i++) print line[i] }'
}

vm_options=()

# in_vm SUITE SECONDS SCRIPT [ARGUMENT]...: each test of SCRIPT, which must print its plan, is one
# of this script, its name with SUITE before it; vm_options are for run.sh. A VM that does not come
# up is a test that is skipped.
in_vm() {
    local suite=$1 seconds=$2 result=0 count=0 planned='' line text
    shift 2
    tests/vm/run.sh -v "${vm_options[@]}" -k "$suite" -t "$seconds" bash "$@" >"$scratch/vm.out" \
        2>"$scratch/vm.err" || result=$?
    if ((result == 77)); then
        skip "$suite: ${1##*/}" "$(tail -n 1 "$scratch/vm.err")"
        return
    fi
    while IFS= read -r line; do
        case $line in
        'ok '* | 'not ok '*)
            count=$((count + 1)) tests=$((tests + 1))
            text=${line#*ok }
            text=${text#"${text%%[!0-9]*}"}
            echo "${line%%ok *}ok $tests - $suite: ${text# - }"
            [[ $line != 'not ok '* || $line == *' # TODO '* ]] || failed=1
            ;;
        1..*) planned=${line#1..} ;;
        *) echo "$line" ;;
        esac
    done < <(last_tap <"$scratch/vm.out")
    if [[ $planned == '0 # SKIP '* ]]; then
        skip "$suite: ${1##*/}" "${planned#0 # SKIP }"
        return
    fi
    tests=$((tests + 1))
    if [[ $planned == "$count" && $result -le 1 ]]; then
        echo "ok $tests - $suite: $(head -n 1 "$scratch/vm.err")"
    else
        echo "not ok $tests - $suite: ${1##*/} ends with status $result after $count tests, of ${planned:-?}"
        tail -n 12 "$scratch/vm.err" | cut -c 1-300 | sed 's/^/# /'
        failed=1
    fi
}
