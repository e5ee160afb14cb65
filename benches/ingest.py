"""Measures the intake of events.

arrays    Arrays of 64 events over 16 and 64 connections; events a second, and the service's processor time an event.
singles   Single events over 256 connections; p50 and p99 of a request.
bare      On PostgreSQL, in the same turns: the rows of 1,024 events a statement on two connections (for arrays), and of as
          many as the service put in a batch, on one (for singles), inserted by a program that does nothing else. Of the
          service's, the bytes of the write-ahead log an event (pg_stat_wal).
beside    Single events of a small tenant, one after the other, while another tenant sends arrays of 500 on 4 connections;
          "calm" is the same sender to /echo, which costs processor time as well and changes nothing.

Medians of the rounds. A request that is answered other than 200 ends the measurement.
"""
import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import seed
from client import Client
from load import wrk
from service import ADMIN, Postgres, Service, processor_time
from world import event, make_tenants

USERS = 10_000
KINDS = {"arrays of 64, 16 connections": (64, 16), "arrays of 64, 64 connections": (64, 64), "singles, 256 connections": (1, 256)}
BARE_ROWS, BARE_CONNECTIONS = 1_024, 2
HUGE, HUGE_CONNECTIONS = 500, 4  # as many as fit in a body of /echo
FLAGS = ["--bench-echo", "--tenant-events", "10000000", "--tenant-rate", "0", "--tenant-concurrency", "0"]


def send(folder, port, key, path, each, connections, seconds):
    """Sends events with wrk. Returns the requests a second, and p50 and p99 of one in ms."""
    script, run = os.path.join(folder, "ingest.lua"), f"r{time.monotonic_ns()}"
    with open(script, "w") as file:
        for part in ("benches/ingest.lua", "benches/report.lua"):
            with open(part) as source:
                file.write(source.read())
    return wrk(script, f"http://127.0.0.1:{port}{path}", seconds, connections, key, USERS, run, each)[1:]


def bare(program, url, rows, connections, seconds):
    """Returns the events a second, and p50 and p99 of a statement in ms."""
    ran = subprocess.run([program, url, str(rows), str(connections), str(seconds)], capture_output=True, text=True, check=True)
    return tuple(map(float, ran.stdout.split()[1:]))


def bare_program():
    ran = subprocess.run(["cargo", "bench", "--locked", "--quiet", "--no-run", "--bench", "bare", "--message-format", "json"],
                         capture_output=True, text=True, check=True)
    built = (json.loads(line) for line in ran.stdout.splitlines())
    return next(one["executable"] for one in built if one.get("executable") and one["target"]["name"] == "bare")


async def position(service, key):
    client = Client(service.port, key)
    answer = (await client.ask("GET", "/v1/state")).ok()
    client.close()
    return answer.position


def wal_bytes(service):
    return int(service.sql("SELECT wal_bytes FROM pg_stat_wal")[0][0]) if service.url else 0


async def round_of(service, folder, key, options, url, program, found):
    for name, (each, connections) in KINDS.items():
        batches, before = await service.metric("rollcall_batch_events_count"), processor_time(service.process.pid)
        start, wal = await position(service, key), wal_bytes(service)
        rate, p50, p99 = send(folder, service.port, key, "/v1/events", each, connections, options.seconds)
        taken, spent = await position(service, key) - start, processor_time(service.process.pid) - before
        # Requests that are unanswered when wrk stops take positions without being counted: there may be more, never fewer.
        assert taken >= rate * each * options.seconds * 0.999, f"{name}: {taken} positions"
        batches = max(await service.metric("rollcall_batch_events_count") - batches, 1)
        figures = {"events/s": rate * each, "p50": p50, "p99": p99, "µs": spent / taken * 1e6, "batch": taken / batches}
        if url:
            figures["WAL bytes an event"] = (wal_bytes(service) - wal) / taken
            rows, beside = (BARE_ROWS, BARE_CONNECTIONS) if each > 1 else (max(round(taken / batches), 1), 1)
            figures["bare"], _, figures["bare p99"] = bare(program, url, rows, beside, options.seconds)
            figures["÷ bare"] = figures["events/s"] / figures["bare"]
        found.setdefault(name, []).append(figures)


async def small(port, key, seconds):
    """Sends single events for some seconds, one after the other. Returns p50 and p99 in ms."""
    client, times, until = Client(port, key), [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        made = event(f"small-{time.time_ns()}", "status.changed", {"presence": ("Away", "Ready")[len(times) % 2]}, 1)
        (await client.post([made])).ok()
        times.append((time.monotonic() - began) * 1e3)
        await asyncio.sleep(0.001)
    client.close()
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


async def beside(service, folder, key, other, options, found):
    """The small tenant's events beside the huge arrays of another, after the same with a sink."""
    figures = {}
    for name, path in (("calm", "/echo"), ("beside", "/v1/events")):
        sending = asyncio.to_thread(send, folder, service.port, key, path, HUGE, HUGE_CONNECTIONS, options.seconds)
        (rate, _, _), (p50, p99) = await asyncio.gather(sending, small(service.port, other.key, options.seconds - 0.5))
        figures |= {f"{name} events/s": rate * HUGE, f"{name} p50": p50, f"{name} p99": p99}
    figures["p99 ÷ calm"] = figures["beside p99"] / figures["calm p99"]
    found.setdefault("a small tenant beside arrays of 500", []).append(figures)


async def measure(options, store, folder):
    url = Postgres().database("ingest") if store == "postgres" else None
    service, found, program = Service(options.program, folder, url, FLAGS), {}, bare_program() if url else None
    try:
        await service.start()
        api = seed.Api(f"http://127.0.0.1:{service.port}")
        key = seed.fill(api, ADMIN, USERS, desks=0)
        (other,) = await make_tenants(service.port, 1, 25)
        for number in range(options.rounds):
            print(f"   round {number + 1}", flush=True)
            await round_of(service, folder, key, options, url, program, found)
            await beside(service, folder, key, other, options, found)
    finally:
        service.kill()
    for name, rounds in found.items():
        medians = {figure: statistics.median(one[figure] for one in rounds) for figure in rounds[0]}
        print(f"{name}: " + ", ".join(f"{figure} {value:,.{0 if value >= 100 else 2}f}" for figure, value in medians.items()),
              flush=True)


async def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--stores", type=lambda text: text.split(","), default=["embedded", "postgres"])
    p.add_argument("--seconds", type=int, default=5, help="length of each turn")
    p.add_argument("--rounds", type=int, default=3)
    options = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="rollcall-ingest.") as folder:
        for store in options.stores:
            print(f"== {store}", flush=True)
            try:
                await measure(options, store, os.path.join(folder, store))
            except AssertionError as error:
                sys.exit(f"{store}: {error}")


if __name__ == "__main__":
    asyncio.run(main())
