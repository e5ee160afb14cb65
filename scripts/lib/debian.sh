# shellcheck shell=bash
# Installs Debian packages that a script needs and does not find. Sourced, never run.
#
#   debian_install WHAT PACKAGE...   installs packages; ends the script with a message about WHAT if that fails
#   debian_as_root COMMAND...        runs a command as root

debian_as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

debian_install() {
    local what=$1 log
    shift
    if ! command -v apt-get >/dev/null; then
        echo "$what was not found: install it, then run this again" >&2
        exit 2
    fi
    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        echo "$what was not found, and installing it needs root or sudo: apt-get install $*" >&2
        exit 2
    fi
    printf '== %s\n' "installing $* (Debian packages)" >&2
    log=$(mktemp)
    if ! {
        debian_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
            debian_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"
    } >"$log" 2>&1; then
        cat "$log" >&2
        echo "apt-get could not install $*: see above" >&2
        exit 2
    fi
    rm -f "$log"
}
