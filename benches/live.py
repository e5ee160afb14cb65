"""Measures live queries over WebSockets, on the embedded store.

idle      Resident memory of the service for each socket that has no operation.
change    Single changes, one a second: the time from the request that makes one to its message on each socket.
          Operations have a minIntervalMs of 100. The aim for p99 is 300 ms.
cpu       Processor time of the service for 1,000 operations: without changes, and with one every 100 ms.
flood     --rate events a second of one tenant, without and with its operations, in turns. Another tenant's client counts
          its connected users meanwhile, one request after the other: the aim for its p99 is 1.25 times that without
          operations. Of each operation at most one message arrives in each interval. Medians of the turns are printed.

Sockets, flood and the other client are processes of their own.
"""
import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

from client import Client
from service import Service, processor_time
from world import event, make_tenants

INTERVAL = 0.1  # seconds, minIntervalMs
TEXT = "subscription{live(minIntervalMs:100){position connectedUsersIndicator{connectedUsersCount}}}"
QUESTION = {"query": "{connectedUsersIndicator{connectedUsersCount}}"}
EACH = 500  # events of one request of the flood
USERS = 1_000


class Socket(asyncio.Protocol):
    """One WebSocket. Reads the position of each message, and answers pings."""

    def __init__(self, port, key, seen):
        self.port, self.key, self.seen, self.buffer = port, key, seen, b""
        self.is_open, self.times = False, []
        self.acknowledged, self.lost = asyncio.get_running_loop().create_future(), None

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"GET /graphql HTTP/1.1\r\nHost: rollcall\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n")
        self.send({"type": "connection_init", "payload": {"authorization": f"Bearer {self.key}"}})

    def send(self, message):
        data = json.dumps(message).encode()
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        # With a mask of zeros the text stays as it is.
        self.transport.write(b"\x81" + length + bytes(4) + data)

    def subscribe(self):
        self.send({"type": "subscribe", "id": "1", "payload": {"query": TEXT}})

    def unsubscribe(self):
        self.send({"type": "complete", "id": "1"})

    def data_received(self, data):
        now, self.buffer = time.monotonic(), self.buffer + data
        if not self.is_open:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            assert b" 101 " in head.split(b"\r\n")[0], head
            self.is_open, self.buffer = True, rest
        while frame := self.frame():
            self.take(frame, now)

    def frame(self):
        """Returns the payload of the next frame, if all of it is here."""
        if len(self.buffer) < 2:
            return None
        length, start = self.buffer[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(self.buffer[2:4], "big"), 4
        if len(self.buffer) < start + length:
            return None
        assert self.buffer[0] != 0x88, f"closed: {self.buffer[start:start + length]!r}"
        payload, self.buffer = self.buffer[start:start + length], self.buffer[start + length:]
        return payload

    def take(self, payload, now):
        if b'"type":"next"' in payload:
            digits = payload.partition(b'"position":')[2]
            position = int(digits[:min(digits.find(b","), 20)])
            self.times.append(now)
            self.seen(self, position, now)
        elif b'"type":"ping"' in payload:
            self.send({"type": "pong"})
        elif b'"type":"connection_ack"' in payload:
            self.acknowledged.set_result(None)
        else:
            raise AssertionError(payload[:300])

    def connection_lost(self, why):
        if not self.acknowledged.done():
            self.acknowledged.set_exception(AssertionError(f"lost: {why}"))
        self.lost = why or True


async def open_sockets(port, key, count, seen):
    loop, sockets = asyncio.get_running_loop(), []
    for _ in range(count):
        _, socket = await loop.create_connection(lambda: Socket(port, key, seen), "127.0.0.1", port)
        await asyncio.wait_for(socket.acknowledged, 10)
        sockets.append(socket)
    return sockets


async def subscribe_all(sockets):
    """Starts the operation of each socket, and waits for its first message."""
    for socket in sockets:
        socket.times.clear()
        socket.subscribe()
    while not all(socket.times for socket in sockets):
        await asyncio.sleep(0.1)


def spread(seconds):
    seconds = sorted(seconds)
    return seconds[len(seconds) // 2] * 1000, seconds[len(seconds) * 99 // 100] * 1000


def toggled(n):
    """An event that changes the number of connected users."""
    kind = "desk.disconnected" if n % 2 else "desk.connected"
    data = {"session": "toggled"} if n % 2 else {"session": "toggled", "lease_seconds": 3600}
    return event(f"c-{n}-{time.monotonic_ns()}", kind, data, 1)


async def change(client, n):
    answer = (await client.post([toggled(n)])).ok()
    assert answer.json()["applied"] == 1, answer.body
    return answer.position


async def measure_changes(client, sockets, waiting, changes):
    """Returns the seconds from each change to its message on each socket."""
    seconds = []
    for n in range(changes):
        began, left = time.monotonic(), len(sockets)
        # Messages can be faster than the answer to the request, so every one since its beginning is looked at.
        arrived, complete = {}, asyncio.Event()

        def seen(socket, position, now):
            arrived.setdefault(socket, []).append((position, now))
            complete.set()

        waiting.append(seen)
        position = await change(client, n)
        until = time.monotonic() + 20
        while left:
            done = [s for s, all_of in arrived.items() if any(p >= position for p, _ in all_of)]
            left = len(sockets) - len(done)
            if left:
                assert time.monotonic() < until, f"{left} sockets have no message of position {position}"
                complete.clear()
                try:
                    await asyncio.wait_for(complete.wait(), 1)
                except TimeoutError:
                    pass
                await asyncio.sleep(0.01)
        waiting.remove(seen)
        seconds += [min(now for p, now in all_of if p >= position) - began for all_of in arrived.values()]
        await asyncio.sleep(1)
    return seconds


async def measure_cpu(service, client, seconds, operations):
    """Prints the processor time for 1,000 operations, at rest and with changes."""
    shares = []
    for is_changing in (False, True):
        began, before, n = time.monotonic(), processor_time(service.process.pid), 0
        while time.monotonic() < began + seconds:
            if is_changing:
                await change(client, n)
                n += 1
            await asyncio.sleep(INTERVAL)
        passed = time.monotonic() - began
        shares.append((processor_time(service.process.pid) - before) / passed / operations * 1_000)
        if n % 2:
            await change(client, n)
    print(f"cpu: {shares[0] * 1000:.0f} ms a second for 1,000 operations at rest, {shares[1] * 1000:.0f} with a change every "
          f"{INTERVAL * 1000:.0f} ms", flush=True)


async def flood(port, key, rate, until):
    """Sends events at a rate, on four connections; returns the number of those that were acknowledged."""
    sent = 0

    async def one(number):
        nonlocal sent
        client, n, due = Client(port, key), 0, time.monotonic()
        while time.monotonic() < until:
            # All users connect and disconnect in turns, so that every batch changes the number that operations have.
            kind = "desk.disconnected" if n // (USERS // EACH) % 2 else "desk.connected"
            data = {"session": f"flood {number}"} | ({"lease_seconds": 3600} if kind == "desk.connected" else {})
            events = [event(f"f-{number}-{n}-{k}-{until}", kind, data, 1 + (n * EACH + k) % USERS) for k in range(EACH)]
            answer = await client.post(events)
            # A store that is slower than the rate is answered 503; the rate that is printed shows it.
            if answer.status != 503:
                answer.ok()
                sent += EACH
            n, due = n + 1, due + 4 * EACH / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        # All are disconnected at the end, so that a later change changes the number.
        for first in range(1, USERS + 1, EACH):
            data = {"session": f"flood {number}"}
            events = [event(f"e-{number}-{user}-{until}", "desk.disconnected", data, user) for user in range(first, first + EACH)]
            (await client.patient("POST", "/v1/events", events)).ok()
        client.close()

    await asyncio.gather(*(one(number) for number in range(4)))
    return sent


async def ask(port, key, until):
    """Returns the seconds of requests, one after the other."""
    client, seconds = Client(port, key), []
    while time.monotonic() < until:
        began = time.monotonic()
        (await client.ask("POST", "/graphql", QUESTION)).ok()
        seconds.append(time.monotonic() - began)
        await asyncio.sleep(0.005)
    client.close()
    return seconds


def run(work, *arguments):
    return asyncio.run(work(*arguments))


async def measure_flood(pool, port, tenant, other, rate, seconds):
    """Returns events a second, and p50 and p99 of the other tenant's requests."""
    loop, until = asyncio.get_running_loop(), time.monotonic() + seconds
    parts = [(flood, port, tenant.key, rate, until), (ask, port, other.key, until)]
    events, times = await asyncio.gather(*(loop.run_in_executor(pool, run, *part) for part in parts))
    return events / seconds, *spread(times)


async def measure_floods(pool, service, tenants, sockets, arguments):
    """Floods without and with operations, in turns. Checks that no operation gets more than one message in an interval."""
    ratios, alone, beside, most, held = [], [], [], 0, service.rss_mib()
    for _ in range(arguments.turns):
        for socket in sockets:
            socket.unsubscribe()
        await asyncio.sleep(1)
        alone.append(await measure_flood(pool, service.port, *tenants, arguments.rate, arguments.seconds))
        await subscribe_all(sockets)
        for socket in sockets:
            socket.times.clear()
        began = time.monotonic()
        beside.append(await measure_flood(pool, service.port, *tenants, arguments.rate, arguments.seconds))
        passed, most_here = time.monotonic() - began, max(len(socket.times) for socket in sockets)
        # One more, for a message that was under way at the beginning.
        assert most_here <= passed / INTERVAL + 2, f"{most_here} messages in {passed:.1f} s"
        most = max(most, most_here)
        ratios.append(beside[-1][2] / alone[-1][2])
    for name, figures in (("alone", alone), (f"beside {len(sockets)} operations", beside)):
        rate, p50, p99 = (statistics.median(column) for column in zip(*figures))
        print(f"flood {name}: {rate:,.0f} events a second; other requests p50 {p50:.2f}, p99 {p99:.2f} ms", flush=True)
    print(f"  p99 {statistics.median(ratios):.2f} of that alone ({min(ratios):.2f} to {max(ratios):.2f}, aim 1.25); at most "
          f"{most} messages of an operation in {arguments.seconds:.0f} s; resident {service.rss_mib() - held:+.1f} MiB", flush=True)


async def measure(pool, service, arguments):
    await service.start()
    tenant, other = await make_tenants(service.port, 2, USERS, 0)
    client, waiting = Client(service.port, tenant.key), []

    def seen(socket, position, now):
        for one in waiting:
            one(socket, position, now)

    # What a first flood leaves with the process is not of the sockets.
    await measure_flood(pool, service.port, tenant, other, arguments.rate, arguments.seconds)
    await asyncio.sleep(2)
    before = service.rss_mib()
    sockets = await open_sockets(service.port, tenant.key, arguments.sockets, seen)
    print(f"idle: {(service.rss_mib() - before) * 1024 / len(sockets):.1f} KiB a socket", flush=True)
    await subscribe_all(sockets)
    p50, p99 = spread(await measure_changes(client, sockets, waiting, arguments.changes))
    print(f"change: to its message on {len(sockets)} sockets p50 {p50:.0f}, p99 {p99:.0f} ms (aim 300)", flush=True)
    await measure_cpu(service, client, arguments.seconds, len(sockets))
    # The sockets' clients are elsewhere: they take what the service, the flood and the other client leave of the cores.
    os.nice(19)
    await measure_floods(pool, service, (tenant, other), sockets, arguments)
    assert not any(socket.lost for socket in sockets), "a socket was closed"
    client.close()
    for socket in sockets:
        socket.transport.abort()
    service.stop()


async def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--sockets", type=int, default=1_000, help="sockets, with one operation each")
    p.add_argument("--changes", type=int, default=20, help="single changes that are timed")
    p.add_argument("--rate", type=int, default=20_000, help="events a second of the flood")
    p.add_argument("--seconds", type=float, default=10, help="length of each flood and of each processor time")
    p.add_argument("--turns", type=int, default=5, help="floods without and with operations")
    arguments = p.parse_args()
    pool = ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))
    # Both processes are started now, with the usual priority.
    list(pool.map(time.sleep, (0.5, 0.5)))
    with tempfile.TemporaryDirectory() as folder, pool:
        service = Service(arguments.program, folder, None, ["--tenant-events", "10000000", "--tenant-rate", "0"])
        try:
            await measure(pool, service, arguments)
        except AssertionError as error:
            print(error, file=sys.stderr)
            sys.exit(1)
        finally:
            service.kill()


if __name__ == "__main__":
    asyncio.run(main())
