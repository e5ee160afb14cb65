# shellcheck shell=bash
# Searches the output of a test run for keys, tokens and tickets. Sourced, never run.
#
#   secrets_search FILE   exits with 1, and prints the lines, if FILE holds a secret; or if it does not hold every planted
#                         key (tests/it/cli/leaks.rs), since then the search does not work

# Matches more characters of a secret than lists may show, in plain text or in base64. Each kind of secret has its own
# prefix (src/auth/secret.rs).
SECRETS_PATTERN='(rk|rt|ra|dt|wl|lt)_[0-9a-f]{9,}|(cmtf|cnRf|cmFf|ZHRf|d2xf|bHRf)[A-Za-z0-9+/]{12,}'
SECRETS_PLANTED='^rk_c0ffee'
SECRETS_PLANTED_COUNT=4

secrets_search() {
    local found planted
    found=$(grep -aohE "$SECRETS_PATTERN" "$1" | sort -u || true)
    planted=$(grep -cE "$SECRETS_PLANTED" <<<"$found" || true)
    if ((planted != SECRETS_PLANTED_COUNT)); then
        echo "only $planted of $SECRETS_PLANTED_COUNT planted keys were found in the output" >&2
        exit 1
    fi
    found=$(grep -vE "$SECRETS_PLANTED" <<<"$found" || true)
    if [[ -n $found ]]; then
        echo "the output holds secrets:" >&2
        while read -r secret; do
            grep -anF -m 3 "$secret" "$1" | cut -c 1-400 >&2
        done <<<"$found"
        exit 1
    fi
    echo "   $(du -h "$1" | cut -f 1) of output hold no key, token or ticket but the $SECRETS_PLANTED_COUNT planted keys"
}
