# shellcheck shell=bash
# Whether keys, tokens or tickets are in what a run of the tests said. Sourced, never run.
#
#   told_search FILE   exits with 1, and names what it found, if a secret is in it; or if one that was told on purpose
#                      (tests/it/cli/leaks.rs) is not, since a search that finds nothing proves nothing

# More of a secret than lists may show, as it is or in base64; each kind has its own beginning (src/auth/secret.rs).
TOLD_SECRET='(rk|rt|ra|dt)_[0-9a-f]{9,}|(cmtf|cnRf|cmFf|ZHRf)[A-Za-z0-9+/]{12,}'
TOLD_CONTROL='^rk_c0ffee'
TOLD_WAYS=4

told_search() {
    local found controls
    found=$(grep -aohE "$TOLD_SECRET" "$1" | sort -u || true)
    controls=$(grep -cE "$TOLD_CONTROL" <<<"$found" || true)
    if ((controls != TOLD_WAYS)); then
        echo "of $TOLD_WAYS keys that were told on purpose $controls were found" >&2
        exit 1
    fi
    found=$(grep -vE "$TOLD_CONTROL" <<<"$found" || true)
    if [[ -n $found ]]; then
        echo "secrets were told:" >&2
        while read -r secret; do
            grep -anF -m 3 "$secret" "$1" | cut -c 1-400 >&2
        done <<<"$found"
        exit 1
    fi
    echo "   $(du -h "$1" | cut -f 1) were told, and no key, token or ticket is in it but $TOLD_WAYS that were told on purpose"
}
