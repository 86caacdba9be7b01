# Bash completion of ngstap and stap++. The options and commands are those that --help lists, the
# formats those of convert --help, a script's arguments those that --args lists: nothing is said
# twice.

_ngstap_help() { "$1" "${@:2}" --help 2>/dev/null; }

# What follows an option, by the word that --help has for it.
_ngstap_value() {
    local program=$1 kind=$2 option=$3 cur=$4 command=$5 live=''
    case $kind in
    PID) mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur") ;;
    DIR) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    FILE | PATH) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    COMMAND) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
    NAME* | FORMAT)
        case $option in
        --container)
            # compgen expands words as the shell does: names alone, whatever an engine says
            mapfile -t COMPREPLY < <(compgen -W "$({ docker ps --format '{{.Names}}' 2>/dev/null ||
                podman ps --format '{{.Names}}' 2>/dev/null; } |
                grep -xE '[A-Za-z0-9][A-Za-z0-9_.-]*')" -- "$cur")
            ;;
        --backend) mapfile -t COMPREPLY < <(compgen -W 'auto bpf stap' -- "$cur") ;;
        --format)
            # A script's run has two more.
            [[ -n $command ]] || live='stap json'
            mapfile -t COMPREPLY < <(compgen -W "$live $(_ngstap_help "$program" convert |
                sed -n '/^Formats:/,$s/^  \([a-z]*\) .*/\1/p')" -- "$cur")
            ;;
        --arg)
            local word
            for word in "${COMP_WORDS[@]}"; do
                [[ $word == *.@(sxx|stp) && -r $word ]] || continue
                compopt -o nospace
                mapfile -t COMPREPLY < <(compgen -W \
                    "$("$program" --exec /bin/true --args "$word" 2>/dev/null |
                        sed -n 's/^\t--arg \([A-Za-z0-9_]*=\).*/\1/p')" -- "$cur")
            done
            ;;
        esac
        ;;
    esac
}

_ngstap() {
    local program=$1 cur=$2 prev=$3 command='' help kind
    COMPREPLY=()
    help=$(_ngstap_help "$program")
    # A command is the first word, or none is.
    if ((COMP_CWORD > 1)) && sed -n '/^Commands:/,/^$/p' <<<"$help" | grep -q "^  ${COMP_WORDS[1]} "; then
        command=${COMP_WORDS[1]}
        help=$(_ngstap_help "$program" "$command")
    fi
    if [[ $prev == -* ]]; then
        kind=$(sed -n "s/^  \(-., \)\{0,1\}$prev \([A-Z][A-Z=|]*\).*/\2/p" <<<"$help" | head -n 1)
        if [[ -n $kind ]]; then
            _ngstap_value "$program" "$kind" "$prev" "$cur" "$command"
            return
        fi
    fi
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep -o '^  -[^ []*\( --[a-z-]*\)\{0,1\}' <<<"$help" | tr -d ,)" -- "$cur")
        return
    fi
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -d -- "$cur")
    if [[ -z $command ]]; then
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -X '!*.@(sxx|stp|bpf.o|ko)' -- "$cur")
        ((COMP_CWORD > 1)) || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W \
            "$(sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' <<<"$help")" -- "$cur")
    else
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
    fi
}

complete -F _ngstap ngstap stap++
