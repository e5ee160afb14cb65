#!/usr/bin/env python3
"""What a short question waits for while another tenant floods: 16 connections, each with 10,000 events over and over, all
of which are rejected once they were read (5.5 MB a request). The programs given take turns.

    cargo build --release && benches/flood.py [--rounds 3] [PROGRAM…]       target/release/rollcall, or those given
"""
import argparse
import http.client
import json
import multiprocessing
import socket
import statistics
import subprocess
import tempfile
import time

ADMIN = "throw-away-administrator"
FLOODING, CALM_SECONDS, SECONDS, PAUSE = 16, 3, 8, 0.005
QUESTION = json.dumps({"query": "{connectedUsersIndicator{connectedUsersCount}}"})


def ask(port, path, token, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", path, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    assert answer.status < 300, (answer.status, raw[:300])
    return json.loads(raw)


def flood(port, key, batch, stop):
    while not stop.is_set():
        ask(port, "/v1/events", key, batch)


def waits(port, key, seconds):
    """Median and 99th percentile, in milliseconds."""
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        ask(port, "/graphql", key, QUESTION)
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(PAUSE)
    return statistics.median(took), sorted(took)[int(len(took) * 0.99)]


def measure(program, batch):
    with tempfile.TemporaryDirectory(prefix="rollcall-flood.") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [program, "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", folder, "--admin-token", ADMIN, "--log", "error"]
        service = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            keys = [new_key(port, name) for name in ("quiet", "flooding")]
            calm, stop = waits(port, keys[0], CALM_SECONDS), multiprocessing.Event()
            arguments = (port, keys[1], batch, stop)
            flooding = [multiprocessing.Process(target=flood, args=arguments) for _ in range(FLOODING)]
            for process in flooding:
                process.start()
            time.sleep(1)
            under = waits(port, keys[0], SECONDS)
            stop.set()
            for process in flooding:
                process.join()
            return calm, under
        finally:
            service.terminate()
            service.wait()


def new_key(port, name):
    for _ in range(100):
        try:
            tenant = ask(port, "/v1/tenants", ADMIN, json.dumps({"name": name}))["id"]
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    return ask(port, f"/v1/tenants/{tenant}/keys", ADMIN, json.dumps({"name": name, "scopes": ["*"]}))["key"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("programs", nargs="*", default=["target/release/rollcall"])
    a = p.parse_args()
    event = {"specversion": "1.0", "id": "x", "source": "/flood", "type": "status.changed", "subject": "1",
             "time": "2026-11-21T00:00:00Z", "data": {"presence": "x" * 400}}
    batch = json.dumps([event] * 10_000)
    seen = {program: [] for program in a.programs}
    for _ in range(a.rounds):
        for program in a.programs:
            seen[program].append(measure(program, batch))
    for program, rounds in seen.items():
        calm, under = ([statistics.median(figure) for figure in zip(*kind)] for kind in zip(*rounds))
        print(f"{program}: calm p50 {calm[0]:.1f} ms, p99 {calm[1]:.1f} ms; under the flood p50 {under[0]:.1f} ms, p99 "
              f"{under[1]:.1f} ms (medians of {a.rounds} rounds)")


if __name__ == "__main__":
    main()
