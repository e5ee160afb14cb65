# shellcheck shell=bash
# A private, temporary PostgreSQL for tests and measurements. Sourced, never run.
#
#   postgres_ensure     finds PostgreSQL's programs, or installs Debian's package
#   postgres_start      starts a private cluster on a free port of 127.0.0.1
#   postgres_database   creates an empty database in it, and prints its URL
#   postgres_stop       stops and deletes it; does nothing if none is running
#
# After postgres_start, TEST_POSTGRES holds the superuser's URL. Callers run postgres_stop from an EXIT trap.
# The cluster is as durable as an installed one (fsync stays on), because tests and measurements are about durability.

# shellcheck source=scripts/lib/debian.sh
source scripts/lib/debian.sh

POSTGRES_OLDEST=14 # the oldest major version that rollcall supports
POSTGRES_BIN=""    # the folder with initdb, pg_ctl and psql
POSTGRES_HOME=""   # the temporary folder: data, socket, log

postgres_say() { printf '== %s\n' "$*" >&2; }

# Prints the major version of the programs in folder $1; nothing if some are missing.
postgres_major() {
    [[ -x $1/initdb && -x $1/pg_ctl && -x $1/postgres ]] || return 0
    "$1/postgres" --version | sed -n 's/^[^0-9]*\([0-9][0-9]*\).*/\1/p'
}

# Sets POSTGRES_BIN to the newest PostgreSQL on this machine. Fails if none is new enough.
postgres_find() {
    local candidates=() folder major newest=0 initdb
    if command -v pg_config >/dev/null; then candidates+=("$(pg_config --bindir)"); fi
    if initdb=$(command -v initdb); then candidates+=("$(dirname "$initdb")"); fi
    candidates+=(/usr/lib/postgresql/*/bin)
    for folder in "${candidates[@]}"; do
        major=$(postgres_major "$folder")
        if [[ -n $major ]] && ((major >= POSTGRES_OLDEST && major > newest)); then
            newest=$major
            POSTGRES_BIN=$folder
        fi
    done
    ((newest > 0))
}

# Installs Debian's package, without the cluster that it would create and start on port 5432.
postgres_install() {
    debian_install "PostgreSQL $POSTGRES_OLDEST or newer (looked for on PATH and in /usr/lib/postgresql/*/bin)" postgresql-common
    debian_as_root sed -i 's/^#\{0,1\} *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    debian_install "PostgreSQL" postgresql
}

postgres_ensure() {
    postgres_find && return
    postgres_install
    postgres_find && return
    postgres_say "the installed PostgreSQL is older than $POSTGRES_OLDEST: install a newer one, then run this again"
    exit 2
}

# Runs a command as the cluster's owner. PostgreSQL refuses to run as root, so root switches to another user.
postgres_as_owner() {
    local owner
    if ((EUID != 0)); then
        "$@"
        return
    fi
    owner=$(postgres_owner)
    if command -v setpriv >/dev/null; then
        setpriv --reuid "$owner" --regid "$(id -g "$owner")" --clear-groups "$@"
    elif command -v runuser >/dev/null; then
        runuser -u "$owner" -- "$@"
    else
        su -s /bin/sh "$owner" -c "$(printf '%q ' "$@")"
    fi
}

postgres_owner() { if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi; }

postgres_start() {
    local port options
    [[ -n $POSTGRES_BIN ]] || postgres_ensure
    POSTGRES_HOME=$(mktemp -d "${TMPDIR:-/tmp}/rollcall-pg.XXXXXX")
    if ((EUID == 0)); then chown "$(postgres_owner)" "$POSTGRES_HOME"; fi
    # --no-sync skips only initdb's own flush, since the cluster is temporary; the server itself runs with fsync on.
    if ! (cd "$POSTGRES_HOME" && postgres_as_owner "$POSTGRES_BIN/initdb" --pgdata "$POSTGRES_HOME/data" \
        --username rollcall --auth trust --encoding UTF8 --no-locale --no-sync) >"$POSTGRES_HOME/initdb.log" 2>&1; then
        cat "$POSTGRES_HOME/initdb.log" >&2
        postgres_say "initdb failed"
        return 1
    fi
    # A port is known to be free only once the server listens on it, so several are tried. All are below the range of
    # outgoing connections.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        port=$((15000 + RANDOM % 15000))
        options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='$POSTGRES_HOME' -c max_connections=200"
        if (cd "$POSTGRES_HOME" && postgres_as_owner "$POSTGRES_BIN/pg_ctl" start --wait --pgdata "$POSTGRES_HOME/data" \
            --log "$POSTGRES_HOME/server.log" --options "$options") >/dev/null 2>&1; then
            export TEST_POSTGRES="postgres://rollcall@127.0.0.1:$port/postgres"
            postgres_say "PostgreSQL $(postgres_major "$POSTGRES_BIN") on 127.0.0.1:$port"
            return
        fi
    done
    cat "$POSTGRES_HOME/server.log" >&2 || true
    postgres_say "PostgreSQL did not start"
    return 1
}

postgres_database() {
    "$POSTGRES_BIN/psql" --no-psqlrc --quiet --set ON_ERROR_STOP=1 --command "create database $1" "$TEST_POSTGRES" >/dev/null
    echo "${TEST_POSTGRES%/*}/$1"
}

# 'immediate' does not wait for clients or a checkpoint: the data is about to be deleted.
postgres_stop() {
    [[ -n $POSTGRES_HOME ]] || return 0
    if [[ -f $POSTGRES_HOME/data/postmaster.pid ]]; then
        (cd "$POSTGRES_HOME" && postgres_as_owner "$POSTGRES_BIN/pg_ctl" stop --mode immediate --pgdata "$POSTGRES_HOME/data") >/dev/null 2>&1 || true
    fi
    rm -rf "$POSTGRES_HOME"
    POSTGRES_HOME=""
    unset TEST_POSTGRES
}
