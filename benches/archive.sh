#!/usr/bin/env bash
# Measures the time for a page of closed conversations early and late in a large archive: 100 conversations a page, by
# keyset, over GraphQL, on a private PostgreSQL.
#
#   benches/archive.sh                        1,000,000 conversations; the 1st and the 9,000th page, 100 times in turns
#   --conversations N --page N --rounds N     1000000, 9000, 100
#
# Inserts the conversations into the archive's table directly: three months of them, with five events and two contacts
# each, in random order. Requests both pages alternately, so that a machine that slows down slows both. Takes about two
# minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/postgres.sh
source scripts/lib/postgres.sh
# shellcheck source=scripts/lib/service.sh
source scripts/lib/service.sh

CONVERSATIONS=1000000 PAGE=9000 ROUNDS=100
while (($# > 0)); do
    if [[ ! ${2:-} =~ ^[0-9]+$ ]]; then
        sed -n '2,/^set -euo/{/^set -euo/!p}' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2
        exit 2
    fi
    case $1 in
    --conversations) CONVERSATIONS=$2 ;;
    --page) PAGE=$2 ;;
    --rounds) ROUNDS=$2 ;;
    *) echo "unknown: $1" >&2 && exit 2 ;;
    esac
    shift 2
done

WORK=$(mktemp -d "${TMPDIR:-/tmp}/rollcall-bench.XXXXXX")
clean_up() {
    service_kill
    postgres_stop
    rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "== cargo build --release"
cargo build --release --locked --quiet
postgres_ensure
postgres_start
URL=$(postgres_database bench_archive)
service_prepare "$WORK" --database-url "$URL" --log warn
service_start
echo "== $CONVERSATIONS closed conversations"
read -r TENANT KEY < <(python3 benches/archive.py tenant "$BASE_URL" "$ADMIN_TOKEN")
"$POSTGRES_BIN/psql" "$URL" --quiet --set ON_ERROR_STOP=1 --set tenant="$TENANT" --set count="$CONVERSATIONS" --file benches/archive.sql
python3 benches/archive.py pages "$BASE_URL" "$KEY" "$PAGE" "$ROUNDS" \
    "$("$POSTGRES_BIN/psql" "$URL" --quiet --no-align --tuples-only --command "SELECT closed_ms || '&&' || id FROM archive
        ORDER BY closed_ms, id OFFSET ($PAGE - 1) * 100 - 1 LIMIT 1")"
service_stop
