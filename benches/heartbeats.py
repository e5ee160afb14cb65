"""Measures heartbeats through HTTP, on the embedded store and on PostgreSQL.

alone     One heartbeat after the other on one connection, with random pauses of up to 0.2 s.
beside    The same beside 670 heartbeats every 100 ms, which is what 100,000 desks send that do so every 15 s.
flood     Heartbeats of all --desks, 1,000 a request on four connections, without a pause. On PostgreSQL the rate is that
          of the statement: heartbeats a second of the time that it took, by rollcall_heartbeat_write_seconds.
"""
import argparse
import asyncio
import random
import sys
import tempfile
import time

from client import Client
from service import Postgres, Service
from world import event, make_tenants

LEASE = 3600  # seconds
EACH = 1_000  # desks opened, and heartbeats sent in a flood, by one request
STEADY, TICK = 670, 0.1  # heartbeats of a load, and seconds between two


def beats(desks, first, count):
    return [event(f"b-{n}", "desk.heartbeat", {"session": "desk"}, 1 + (first + n) % desks) for n in range(count)]


async def send(client, events):
    answer = (await client.post(events, timeout=10)).ok()
    wrong = [result for result in answer.json()["results"] if result["outcome"] != "applied"]
    if wrong:
        raise AssertionError(f"{len(wrong)} events were not applied: {wrong[0]}")


async def single(port, tenant, count):
    """Returns the sorted seconds that single heartbeats take."""
    client, seconds = Client(port, tenant.key), []
    for n in range(count):
        await asyncio.sleep(random.random() * 0.2)
        began = time.monotonic()
        await send(client, beats(len(tenant.users), n, 1))
        seconds.append(time.monotonic() - began)
    client.close()
    return sorted(seconds)


async def steady(port, tenant):
    client, due = Client(port, tenant.key), time.monotonic()
    while True:
        await send(client, beats(len(tenant.users), random.randrange(len(tenant.users)), STEADY))
        due += TICK
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def flood(service, tenant, seconds):
    """Returns heartbeats a second: all that were acknowledged, and all of them by the time of the statements."""
    until, sent = time.monotonic() + seconds, 0
    before = await service.metric("rollcall_heartbeat_write_seconds_sum")

    async def one(number):
        nonlocal sent
        client, first = Client(service.port, tenant.key), number * EACH * 7
        while time.monotonic() < until:
            await send(client, beats(len(tenant.users), first, EACH))
            sent, first = sent + EACH, first + EACH
        client.close()

    began = time.monotonic()
    await asyncio.gather(*(one(number) for number in range(4)))
    passed = time.monotonic() - began
    written = await service.metric("rollcall_heartbeat_write_seconds_sum") - before
    return sent / passed, sent / written if written else None


def shown(seconds):
    return f"p50 {seconds[len(seconds) // 2] * 1000:.1f}, p99 {seconds[len(seconds) * 99 // 100] * 1000:.1f} ms"


async def measure(service, name, arguments):
    await service.start()
    tenant = (await make_tenants(service.port, 1, arguments.desks, 0))[0]
    tenant.users = range(1, arguments.desks + 1)
    client = Client(service.port, tenant.key)
    for first in range(0, arguments.desks, EACH):
        await send(client, [event(f"o-{n}", "desk.connected", {"session": "desk", "lease_seconds": LEASE}, n + 1)
                            for n in range(first, min(first + EACH, arguments.desks))])
    await asyncio.sleep(1)
    print(f"{name}: alone {shown(await single(service.port, tenant, arguments.singles))}", flush=True)
    load = asyncio.create_task(steady(service.port, tenant))
    print(f"{name}: beside {shown(await single(service.port, tenant, arguments.singles))}", flush=True)
    if load.done():
        load.result()
    load.cancel()
    rate, statement = await flood(service, tenant, arguments.seconds)
    by_statement = f", {statement:,.0f} a second of the statement" if statement else ""
    print(f"{name}: flood {rate:,.0f} heartbeats a second{by_statement}", flush=True)
    service.stop()


async def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--desks", type=int, default=10_000)
    p.add_argument("--singles", type=int, default=300, help="single heartbeats that are timed")
    p.add_argument("--seconds", type=float, default=5, help="length of the flood")
    arguments = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--tenant-events", "10000000"]
        for name, url in [("embedded", None), ("PostgreSQL", Postgres().database("heartbeats"))]:
            service = Service(arguments.program, f"{folder}/{name}", url, flags)
            try:
                await measure(service, name, arguments)
            except AssertionError as error:
                print(f"{name}: {error}", file=sys.stderr)
                sys.exit(1)
            finally:
                service.kill()


asyncio.run(main())
