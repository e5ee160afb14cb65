"""Measures a cluster in one run: durable events a second, delays between replicas, heartbeats, polls, memory, stops.

All parts and the clients share the machine's cores, so that the figures compare with each other and not with others.
"""
import argparse
import asyncio
import itertools
import json
import statistics
import time

from client import Client
from service import ADMIN, processor_time
from stage import Cluster, temporary
from world import event, make_tenants

FLAGS = ["--tenant-rate", "1000000", "--tenant-events", "10000000", "--tenant-concurrency", "1000"]
BATCH = 20  # events a request
CONNECTIONS = 48
USERS, MANY = 100, 30
LEASE = 3600


def events(name, tenant, numbers):
    """Returns the body of a request with new events that are all applied."""
    return [event(f"{name}-{n}", "status.changed", {"channels": {"chat": n % 2 == 0}}, 1 + n % tenant.users) for n in numbers]


async def load(ports, tenants, seconds):
    """Returns the durable events a second of clients that wait for each answer."""
    done, until, serial = 0, time.monotonic() + seconds, itertools.count(time.monotonic_ns())

    async def one(number):
        nonlocal done
        client, tenant = Client(ports[number % len(ports)]), tenants[number % len(tenants)]
        while time.monotonic() < until:
            answer = await client.ask("POST", "/v1/events", events(f"f-{next(serial)}", tenant, range(BATCH)), token=tenant.key)
            if answer.status == 200:
                done += sum(result["outcome"] != "rejected" for result in json.loads(answer.body)["results"])
            else:
                await asyncio.sleep(0.05)
        client.close()

    began = time.monotonic()
    await asyncio.gather(*(one(number) for number in range(CONNECTIONS)))
    return done / (time.monotonic() - began)


async def throughput(cluster, seconds, turns):
    """Events a second with one replica and with all, in turns, on one tenant and on many."""
    tenants = await make_tenants(cluster.replicas[0].port, MANY, USERS)
    rates = {(count, name): [] for count in (1, len(cluster.replicas)) for name in ("one tenant", f"{MANY} tenants")}
    for _ in range(turns):
        for count in (1, len(cluster.replicas)):
            # Replicas that are not used do not run: they follow and poll as well.
            for replica in cluster.replicas[count:]:
                replica.stop()
            for name, some in (("one tenant", tenants[:1]), (f"{MANY} tenants", tenants)):
                rates[count, name].append(await load([r.port for r in cluster.replicas[:count]], some, seconds))
            for replica in cluster.replicas[count:]:
                await replica.start()
    for name in ("one tenant", f"{MANY} tenants"):
        one, all_of_them = (statistics.median(rates[count, name]) for count in (1, len(cluster.replicas)))
        print(f"durable events a second, {name}: {one:,.0f} with 1 replica, {all_of_them:,.0f} with {len(cluster.replicas)} "
              f"({all_of_them / one:.2f})", flush=True)


async def visibility(cluster, count):
    """Seconds from the answer of a write to its being shown by another replica that is asked without a position."""
    tenant = (await make_tenants(cluster.replicas[0].port, 1, USERS))[0]
    writer, reader = (Client(replica.port, tenant.key) for replica in cluster.replicas[:2])
    delays = []
    await reader.patient("GET", "/v1/state")
    for number in range(count):
        position = (await writer.post(events(f"v-{number}", tenant, [number]))).ok().json()["position"]
        began = time.monotonic()
        while (await reader.ask("GET", "/v1/state")).ok().json()["position"] < position:
            pass
        delays.append(time.monotonic() - began)
        await asyncio.sleep(0.02)
    delays.sort()
    print(f"committed at one replica to visible at another: p50 {delays[count // 2] * 1e3:.1f} ms, "
          f"p99 {delays[count * 99 // 100] * 1e3:.1f} ms ({count} writes)", flush=True)


async def heartbeats(cluster, seconds, desks=10_000):
    """Acknowledged heartbeats a second at all replicas together, 1,000 a request."""
    tenant = (await make_tenants(cluster.replicas[0].port, 1, desks, 0))[0]
    client = Client(cluster.replicas[0].port, tenant.key)
    for first in range(1, desks + 1, 1000):
        opened = [event(f"o-{n}", "desk.connected", {"session": "desk", "lease_seconds": LEASE}, n) for n in range(first, first + 1000)]
        (await client.post(opened)).ok()
    sent, until = 0, time.monotonic() + seconds

    async def beat(number):
        nonlocal sent
        other = Client(cluster.replicas[number % len(cluster.replicas)].port, tenant.key)
        first = 1 + number * 1000 % desks
        body = json.dumps([event(f"b-{n}", "desk.heartbeat", {"session": "desk"}, n) for n in range(first, first + 1000)]).encode()
        while time.monotonic() < until:
            if (await other.ask("POST", "/v1/events", body)).status == 200:
                sent += 1000
        other.close()

    began = time.monotonic()
    await asyncio.gather(*(beat(number) for number in range(6)))
    print(f"heartbeats a second at {len(cluster.replicas)} replicas: {sent / (time.monotonic() - began):,.0f}", flush=True)


async def polls(cluster, seconds, count):
    """Milliseconds of processor time a second that replicas and PostgreSQL take at rest, with few tenants and with `count`."""
    primary = cluster.primary()

    def taken():
        programs = [[replica.process.pid] for replica in cluster.replicas] + [primary.database_processes()]
        return [sum(map(processor_time, pids)) for pids in programs]

    async def at_rest():
        await asyncio.sleep(5)  # checkpoints of what was written
        before = taken()
        await asyncio.sleep(seconds)
        return [(now - at) / seconds * 1000 for now, at in zip(taken(), before)]

    few = await at_rest()
    names = iter(range(count))

    async def make():
        client = Client(cluster.replicas[0].port, ADMIN)
        for name in names:
            await client.patient("POST", "/v1/tenants", {"name": f"at rest {name}"})
        client.close()

    await asyncio.gather(*(make() for _ in range(8)))
    many = await at_rest()
    for when, figures in (("with the tenants of the parts above", few), (f"with {count:,} tenants more", many)):
        print(f"processor time at rest, {when}: {statistics.mean(figures[:-1]):.1f} ms a second for a replica, "
              f"{figures[-1]:.1f} for PostgreSQL's primary", flush=True)


async def stops(cluster):
    """Memory of each replica, and seconds from SIGTERM to the end."""
    print("resident memory of each replica: " + ", ".join(f"{replica.rss_mib():.0f} MiB" for replica in cluster.replicas), flush=True)
    lengths = []
    for replica in cluster.replicas:
        began = time.monotonic()
        await asyncio.to_thread(replica.stop)
        lengths.append(time.monotonic() - began)
    print("length of a stop: " + ", ".join(f"{length:.1f} s" for length in lengths), flush=True)


async def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--seconds", type=float, default=8, help="length of one load")
    p.add_argument("--turns", type=int, default=3, help="turns of loads with one and with three replicas")
    p.add_argument("--tenants", type=int, default=10_000, help="tenants at rest")
    p.add_argument("--writes", type=int, default=500, help="writes whose delay is measured")
    a = p.parse_args()
    with temporary() as folder:
        cluster = Cluster(a.program, folder, 3, FLAGS)
        try:
            await cluster.start()
            await throughput(cluster, a.seconds, a.turns)
            await visibility(cluster, a.writes)
            await heartbeats(cluster, a.seconds)
            await polls(cluster, a.seconds, a.tenants)
            await stops(cluster)
        finally:
            await cluster.stop()


if __name__ == "__main__":
    asyncio.run(main())
