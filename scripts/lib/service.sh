# shellcheck shell=bash
# Runs the built service as a child of a script. Sourced, never run.
#
#   service_prepare FOLDER ARGUMENT...   chooses an empty store in FOLDER and a free port: sets SERVICE, SERVICE_LOG and
#                                        BASE_URL
#   service_start                        starts the service, and waits until it is ready
#   service_stop                         stops it with SIGTERM; fails unless it ends cleanly
#   service_kill                         kills it; does nothing if none is running

SERVICE_PROGRAM=target/release/rollcall
SERVICE=()     # the command line of the service
SERVICE_PID="" # the running process
SERVICE_LOG="" # the file with its output
BASE_URL=""    # the URL of its listener
ADMIN_TOKEN=throw-away-administrator

service_prepare() {
    local folder=$1 port
    shift
    mkdir -p "$folder"
    port=$(service_free_port)
    BASE_URL=http://127.0.0.1:$port
    SERVICE_LOG=$folder/service.log
    # Without a drain: no load balancer has to notice the end.
    SERVICE=("$SERVICE_PROGRAM" serve --listen "127.0.0.1:$port" --admin-token "$ADMIN_TOKEN" --drain-seconds 0 "$@")
    # The two exclude each other.
    [[ " $* " == *" --database-url "* ]] || SERVICE+=(--data-dir "$folder/data")
}

# Prints a free port below the range of outgoing connections, so that none of them takes it while the service is down.
service_free_port() {
    python3 - <<'PYTHON'
import random, socket
while True:
    port = random.randrange(15000, 30000)
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", port)) != 0:
            print(port)
            break
PYTHON
}

service_start() {
    "${SERVICE[@]}" >>"$SERVICE_LOG" 2>&1 &
    SERVICE_PID=$!
    for _ in $(seq 600); do
        if curl --silent --fail --output /dev/null --max-time 2 "$BASE_URL/readyz"; then return; fi
        if ! kill -0 "$SERVICE_PID" 2>/dev/null; then break; fi
        sleep 0.1
    done
    echo "the service did not become ready: ${SERVICE[*]}" >&2
    tail -n 20 "$SERVICE_LOG" >&2
    return 1
}

# A clean end has exit status 0, within 30 seconds.
service_stop() {
    local pid=$SERVICE_PID status=0
    SERVICE_PID=""
    kill -TERM "$pid" 2>/dev/null || true
    for _ in $(seq 300); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" || status=$?
    # Kept for the search for secrets, if there is one (scripts/lib/secrets_in_output.sh).
    if [[ -n ${TEST_OUTPUT:-} ]]; then cat "$SERVICE_LOG" >>"$TEST_OUTPUT"; fi
    if ((status != 0)); then echo "the service ended with status $status" >&2; fi
    return "$status"
}

service_kill() {
    [[ -n $SERVICE_PID ]] || return 0
    kill -9 "$SERVICE_PID" 2>/dev/null || true
    wait "$SERVICE_PID" 2>/dev/null || true
    SERVICE_PID=""
}
