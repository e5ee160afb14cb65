# shellcheck shell=bash
# The completions and manual pages of a program, loaded as their users load them. Sourced, never run.
#
#   shell_help_check PROGRAM SHELL...   completes in each shell, and formats every manual page
#
# Its control: a script that is cut short, and a page with an unknown request, must be found.

shell_help_say() { printf '== %s\n' "$*" >&2; }

# Prints what a shell offers for "rollcall ser" with the completions in file $2.
shell_help_complete() {
    case $1 in
        bash)
            # shellcheck disable=SC2016
            bash --norc --noprofile -c 'source "$1"; COMP_WORDS=(rollcall ser) COMP_CWORD=1
                _rollcall rollcall ser rollcall && printf "%s\n" "${COMPREPLY[@]}"' bash "$2"
            ;;
        zsh)
            # The words that _rollcall would offer can only be seen in a terminal, which zpty is.
            # shellcheck disable=SC2016
            zsh -f -c '
                zmodload zsh/zpty
                zpty -b shell zsh -f
                zpty -w shell "PROMPT=; stty -echo; autoload -U compinit && compinit -u -D && source $1 && print re\"\"ady"
                zpty -r shell got "*ready*" || exit 1
                zpty -w -n shell "rollcall ser"$'"'"'\t'"'"'
                zpty -r shell got "*serve*" && print -r -- serve
                zpty -d shell' zsh "$2"
            ;;
        fish)
            # shellcheck disable=SC2016
            fish --no-config -c 'source $argv[1]; complete --do-complete "rollcall ser" | string split --fields 1 \t' "$2"
            ;;
    esac
}

# Returns whether a shell offers "serve" with the completions in file $2, without a complaint.
shell_help_loads() {
    local found
    found=$(timeout 10 bash -c "$(declare -f shell_help_complete); shell_help_complete \"\$@\" 2>&1" bash "$1" "$2") || return 1
    [[ $found == serve ]]
}

# Prints what groff has to say about a page.
shell_help_warnings() { groff -man -ww -Tutf8 -z "$1" 2>&1; }

shell_help_check() {
    local program=$1 folder shell page
    shift
    folder=$(mktemp -d)
    for shell in "$@"; do
        "$program" completions "$shell" >"$folder/$shell"
        if ! shell_help_loads "$shell" "$folder/$shell"; then
            echo "$shell does not complete \"rollcall ser\" with the output of rollcall completions $shell" >&2
            return 1
        fi
        head -c 200 "$folder/$shell" >"$folder/cut"
        if shell_help_loads "$shell" "$folder/cut"; then
            echo "the control was not found: $shell completes with a script that is cut short" >&2
            return 1
        fi
    done
    command -v groff >/dev/null || debian_install "groff" groff
    mkdir "$folder/man"
    "$program" manual "$folder/man"
    for page in "$folder"/man/*.1; do
        if [[ -n $(shell_help_warnings "$page") ]]; then
            shell_help_warnings "$page" >&2
            return 1
        fi
    done
    printf '.TH control 1\n.XY unknown\n' >"$folder/control.1"
    if [[ -z $(shell_help_warnings "$folder/control.1") ]]; then
        echo "the control was not found: groff accepts a page with an unknown request" >&2
        return 1
    fi
    shell_help_say "completions load in $*, and $(find "$folder/man" -name '*.1' | wc -l) manual pages are without a warning"
    rm -rf "$folder"
}
