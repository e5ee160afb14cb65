#!/usr/bin/env bash
# Measures load over HTTP on this machine: the server's CPU time per request, and the rate of acknowledged events.
#
#   benches/http.sh                  10,000 users on a private PostgreSQL
#   benches/http.sh --embedded       the same on the embedded store
#   --users N --rounds N --seconds N --connections N         the reads: 10000, 5, 3, 32
#   --ingest-seconds N --ingest-connections N                the writes: 10, 256; 0 seconds skips them
#
# Reads: one request of each dialect, compared with POST /echo in the same router with the same middleware (the route exists
# only with the hidden flag --bench-echo). They take turns in each round, so that a machine that slows down slows all of
# them. The cost is the server's CPU time (user and system, of all threads) divided by the requests that it answered.
# Writes: single events with unique ids, acknowledged when durable. The tenant's position must account for each of them.
# Takes about two minutes. wrk and PostgreSQL share the machine's cores with the server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/postgres.sh
source scripts/lib/postgres.sh
# shellcheck source=scripts/lib/service.sh
source scripts/lib/service.sh

usage() {
    sed -n '2,/^set -euo/{/^set -euo/!p}' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'
    exit "$1"
}

STORE=postgres USERS=10000 ROUNDS=5 SECONDS_EACH=3 CONNECTIONS=32 INGEST_SECONDS=10 INGEST_CONNECTIONS=256
while (($# > 0)); do
    case $1 in
    --embedded) STORE=embedded && shift && continue ;;
    --help | -h) usage 0 ;;
    --users | --rounds | --seconds | --connections | --ingest-seconds | --ingest-connections)
        if [[ ! ${2:-} =~ ^[0-9]+$ ]]; then
            echo "$1 needs a number" >&2
            exit 2
        fi
        ;;&
    --users) USERS=$2 ;;
    --rounds) ROUNDS=$2 ;;
    --seconds) SECONDS_EACH=$2 ;;
    --connections) CONNECTIONS=$2 ;;
    --ingest-seconds) INGEST_SECONDS=$2 ;;
    --ingest-connections) INGEST_CONNECTIONS=$2 ;;
    *) usage 2 >&2 ;;
    esac
    shift 2
done

for tool in cargo curl python3; do
    if ! command -v "$tool" >/dev/null; then
        echo "$tool was not found: the measurement needs it" >&2
        exit 2
    fi
done
if ! command -v wrk >/dev/null; then
    echo "== installing wrk (Debian package)"
    if ! { apt-get -qq update && apt-get -qq install -y --no-install-recommends wrk; } >/dev/null 2>&1; then
        echo "wrk was not found and could not be installed: apt-get install wrk" >&2
        exit 2
    fi
fi

WORK=$(mktemp -d "${TMPDIR:-/tmp}/rollcall-bench.XXXXXX")
clean_up() {
    service_kill
    postgres_stop
    rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- the server's own figures ---

# CPU seconds so far, of all its threads: utime and stime are the 12th and 13th field after the name in brackets.
cpu_seconds() {
    sed 's/.*) //' "/proc/$SERVICE_PID/stat" | awk -v tick="$(getconf CLK_TCK)" '{ printf "%.2f", ($12 + $13) / tick }'
}

resident_bytes() { awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$SERVICE_PID/status"; }

position() {
    curl --silent --show-error --fail --dump-header - --output /dev/null --header "X-API-Key: $KEY" "$BASE_URL/operator/live?filters%5Bid%5D=100000" |
        tr -d '\r' | awk 'tolower($1) == "rollcall-position:" { print $2 }'
}

# --- the requests ---

NAMES=()
declare -A PATHS
JSON='Content-Type: application/json'
FORM='Content-Type: application/x-www-form-urlencoded'

# target NAME METHOD PATH BODY MUST_CONTAIN HEADER...: writes wrk's script, and sends the request once to check its answer.
target() {
    local name=$1 method=$2 path=$3 body=$4 must=$5 answer header curl_headers=()
    shift 5
    {
        echo "wrk.method = '$method'"
        if [[ -n $body ]]; then echo "wrk.body = [==[$body]==]"; fi
        for header in "$@"; do echo "wrk.headers['${header%%: *}'] = '${header#*: }'"; done
        cat benches/report.lua
    } >"$WORK/$name.lua"
    for header in "$@"; do curl_headers+=(--header "$header"); done
    if [[ -n $body ]]; then curl_headers+=(--data-binary "$body"); fi
    answer=$(curl --silent --show-error --request "$method" "${curl_headers[@]}" --write-out ' %{http_code}' "$BASE_URL$path" 2>&1) || true
    if [[ ${answer// /} != *"$must"*200 ]]; then
        echo "$name: the answer is not as expected: $answer" >&2
        tail -n 20 "$SERVICE_LOG" >&2
        exit 1
    fi
    NAMES+=("$name")
    PATHS[$name]=$path
}

# load NAME SECONDS CONNECTIONS THREADS [ARGUMENT...]: prints wrk's RESULT line without its first word.
load() {
    local name=$1 seconds=$2 connections=$3 threads=$4 output
    shift 4
    output=$(wrk --threads "$threads" --connections "$connections" --duration "${seconds}s" --timeout 10s \
        --script "$WORK/$name.lua" "$BASE_URL${PATHS[$name]}" -- "$@")
    if ! sed -n 's/^RESULT //p' <<<"$output" | grep .; then
        echo "$output" >&2
        return 1
    fi
}

# --- the run ---

echo "== cargo build --release"
cargo build --release --locked --quiet
STORE_OPTIONS=()
if [[ $STORE == postgres ]]; then
    postgres_start
    url=$(postgres_database bench)
    STORE_OPTIONS=(--database-url "$url")
fi
service_prepare "$WORK/service" --bench-echo --tenant-rate 0 --tenant-concurrency 0 \
    "${STORE_OPTIONS[@]+"${STORE_OPTIONS[@]}"}"
service_start
EMPTY_BYTES=$(resident_bytes)
echo "== $USERS users on the $STORE store"
KEY=$(python3 benches/seed.py --base-url "$BASE_URL" --admin-token "$ADMIN_TOKEN" --users "$USERS")
echo "resident memory: $((($(resident_bytes) - EMPTY_BYTES) / USERS)) bytes a user, $(($(resident_bytes) / 1048576)) MiB in all"

SKILL=$(python3 -c 'import sys; sys.path.insert(0, "benches"); sys.dont_write_bytecode = True; import seed; print(seed.guid("skills", 3))')
SEARCH="auth_token=$KEY&campaign_id=111"
# shellcheck disable=SC2016 # $g is GraphQL's
INDICATOR='query($g:[LegacyId!]){connectedUsersIndicator(groupIds:$g){connectedUsersCount countByChatAvailabilityStatus{available busy toggleOff} usersInProductionChatOccupancy{maximumSimultaneousConversationAverage simultaneousConversationAverage occupancyRate}}}'
target echo POST /echo "$SEARCH" '' "$FORM"
target user-activity POST /v1/user-activity/search "$SEARCH" '"success":true' "$FORM"
target agents-availability POST /agents-availability "{\"liveness\":\"semilive\",\"skillGuids\":[\"$SKILL\"]}" '"availabilitySummary":' \
    "$JSON" 'Accept: application/vnd.newvoicemedia.v1+json' "Authorization: Bearer $KEY"
target operator-live GET "/operator/live?filters%5Bid%5D=$((100000 + USERS / 2))" '' '"data":' "X-API-Key: $KEY"
target graphql POST /graphql "{\"query\":\"$INDICATOR\",\"variables\":{\"g\":[3]}}" '"connectedUsersCount":' "$JSON" "Authorization: Bearer $KEY"

echo "== reads: $ROUNDS rounds, ${SECONDS_EACH} s each, $CONNECTIONS connections"
for name in "${NAMES[@]}"; do load "$name" 1 "$CONNECTIONS" 1 >/dev/null; done # warm
for _ in $(seq "$ROUNDS"); do
    for name in "${NAMES[@]}"; do
        before=$(cpu_seconds)
        result=$(load "$name" "$SECONDS_EACH" "$CONNECTIONS" 1)
        echo "$name $before $(cpu_seconds) $result" >>"$WORK/rounds"
    done
done
python3 - "$WORK/rounds" <<'PYTHON'
import collections, statistics, sys
rounds = collections.defaultdict(list)  # name -> [(CPU µs a request, requests/s, p50, p99, failures)]
for line in open(sys.argv[1]):
    name, *numbers = line.split()
    before, after, requests, seconds, p50, p99, failures = map(float, numbers)
    rounds[name].append(((after - before) / max(requests, 1) * 1e6, requests / seconds, p50, p99, failures))
print(f"{'':20} {'CPU µs/req':>10} {'to echo':>8} {'lowest':>7} {'highest':>8} {'req/s':>9} {'p50 ms':>7} {'p99 ms':>7} {'failed':>7}")
for name, seen in rounds.items():
    ratios = [mine[0] / echo[0] for mine, echo in zip(seen, rounds["echo"])]
    cost, rate, p50, p99, _ = (statistics.median(column) for column in zip(*seen))
    print(f"{name:20} {cost:10.1f} {statistics.median(ratios):8.2f} {min(ratios):7.2f} {max(ratios):8.2f} {rate:9.0f} {p50:7.2f} {p99:7.2f} {sum(s[4] for s in seen):7.0f}")
failed = sum(s[4] for seen in rounds.values() for s in seen)
sys.exit(f"{failed:.0f} requests failed" if failed else 0)
PYTHON

if ((INGEST_SECONDS > 0)); then
    echo "== writes: single events, $INGEST_SECONDS s, $INGEST_CONNECTIONS connections"
    PATHS[ingest]=/v1/events
    cat benches/ingest.lua benches/report.lua >"$WORK/ingest.lua"
    start=$(position) before=$(cpu_seconds)
    result=$(load ingest "$INGEST_SECONDS" "$INGEST_CONNECTIONS" 2 "$KEY" "$USERS" "run-$$")
    after=$(cpu_seconds)
    read -r requests seconds p50 p99 failures <<<"$result"
    positions=$(($(position) - start))
    awk -v n="$((requests - failures))" -v s="$seconds" -v cpu="$(awk "BEGIN { print $after - $before }")" -v p50="$p50" -v p99="$p99" -v failed="$failures" -v positions="$positions" 'BEGIN {
        printf "%.0f acknowledged/s (%d in %.1f s), p50 %.2f ms, p99 %.2f ms, server CPU %.1f µs each, %d failed, %d positions taken\n", n / s, n, s, p50, p99, cpu / (n + 1e-9) * 1e6, failed, positions }'
    # Requests that are unanswered when wrk stops take a position without being counted: there may be more, but not fewer.
    if ((failures > 0 || positions < requests)); then
        echo "writes failed, or were acknowledged without a position" >&2
        exit 1
    fi
fi
service_stop
