# shellcheck shell=bash
# What the proofs of docs/RELIABILITY.md share: the program they run, and a private PostgreSQL. Sourced, never run.
#
#   reliability_run MODULE ARGUMENT...            builds the program, then runs scripts/lib/reliability/MODULE.py on it
#   reliability_run_with_postgres MODULE ...      the same beside a private PostgreSQL
#
# A MODULE that ends in .py is the path of a script, which may import those modules.
# RELIABILITY_BUILD=debug takes the debug build, as scripts/test does, which has built it already.

# shellcheck source=scripts/lib/postgres.sh
source scripts/lib/postgres.sh

reliability_run() {
    local script=$1 program
    shift
    if [[ $script != *.py ]]; then script=scripts/lib/reliability/$script.py; fi
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "Python 3.11 or newer was not found: install it, then run this again" >&2
        exit 2
    fi
    if [[ ${RELIABILITY_BUILD:-release} == debug ]]; then
        cargo build --locked --quiet
        program=${CARGO_TARGET_DIR:-target}/debug/rollcall
    else
        cargo build --release --locked --quiet
        program=${CARGO_TARGET_DIR:-target}/release/rollcall
    fi
    # As many descriptors as one may have: some of the proofs hold thousands of connections.
    ulimit -n "$(ulimit -Hn)"
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=scripts/lib/reliability POSTGRES_BIN=$POSTGRES_BIN POSTGRES_HOME=$POSTGRES_HOME \
        python3 "$script" --program "$program" "$@"
}

reliability_run_with_postgres() {
    trap postgres_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    postgres_start
    reliability_run "$@"
}
