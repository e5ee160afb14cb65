#!/usr/bin/env bash
# Measures what must not depend on the size of a tenant, in one run of about fifteen minutes: reads, changes of the
# directory, the load of a million users, restarts, memory, and the intake of events.
#
#   benches/million.sh                     every part, on this build
#   benches/million.sh --before PROGRAM    the reads of another build beside this one, in the same turns
#
# The parts are benches/large-directory on both stores, benches/flat and benches/ingest; each has a --help. Exits with 1 if a
# part fails; the other parts run nevertheless.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    sed -n '2,/^set -uo/{/^set -uo/!p}' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'
    exit "$1"
}

case ${1:-} in
--before) if [[ ! -x ${2:-} ]]; then echo "--before needs a program" >&2 && exit 2; fi ;;
'') ;;
--help | -h) usage 0 ;;
*) usage 2 >&2 ;;
esac

failed=()
part() {
    printf '\n== %s\n' "$*"
    "$@" || failed+=("$*")
}

part benches/large-directory --sizes 1000,1000000 --writes 100
part benches/large-directory --sizes 1000,1000000 --writes 100 --store postgres
part benches/flat --rounds 2 --seconds 1 "$@"
part benches/ingest --rounds 2 --seconds 4
if ((${#failed[@]} > 0)); then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
