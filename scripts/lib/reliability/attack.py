"""What strangers may do to a server, while a client that behaves goes on and measures how long its answers take."""
import argparse
import asyncio
import gzip
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time

from client import Client, Gone, read_answer, request
from ledger import Ledger
from questions import QUESTIONS, ask
from service import Service
from world import anything, make_tenants

USERS = 500
# The service may grow by so much, and by so much for each connection: hyper's buffers, and a task.
MEMORY_MIB, SOCKET_KIB = 96, 32
RATIO = 2.0  # the well-behaved client's p99 during an attack, to the one before


class Attack:
    """In a process of its own, so that what it costs is not taken for the service's delay."""

    def __init__(self, port, tenant, sockets):
        self.port, self.tenant, self.sockets = port, tenant, sockets
        self.done, self.count, self.odd, self.is_ready = False, 0, [], True

    @staticmethod
    def process(pipe, kind, port, tenant, sockets):
        asyncio.run(Attack(port, tenant, sockets).run(pipe, kind))

    async def run(self, pipe, kind):
        """Attacks until told to stop; says when it has begun, and in the end what it saw."""
        self.is_ready = kind != "slow_sockets"
        attacking = asyncio.create_task(getattr(self, kind)())
        while not self.is_ready:
            await asyncio.sleep(0.05)
        pipe.send("ready")
        while not pipe.poll():
            await asyncio.sleep(0.05)
        self.done = True
        await attacking
        pipe.send((self.count, self.odd[:3]))

    async def connection(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def expect(self, data, statuses, patience=40):
        """Sends bytes, and must be answered with one of the statuses, or have the connection closed."""
        writer = None
        try:
            async with asyncio.timeout(patience):
                reader, writer = await self.connection()
                writer.write(data)
                answer = await read_answer(reader)
                if answer.status not in statuses:
                    self.odd.append(f"{answer.status} {answer.body[:150]!r}")
        except (OSError, EOFError):
            pass
        except TimeoutError:
            self.odd.append(f"no answer within {patience} s to {data[:60]!r}")
        finally:
            self.count += 1
            if writer is not None:
                writer.transport.abort()

    async def repeat(self, make, statuses, pause=0.05):
        while not self.done:
            await self.expect(make(), statuses)
            await asyncio.sleep(pause)

    # --- one method an attack ---

    async def slow_sockets(self):
        """Very many connections that send a little, then a byte now and then, or nothing at all."""
        head = b"POST /v1/events HTTP/1.1\r\nHost: rollcall\r\nContent-Length: 1000\r\n"
        dripped = head + f"Authorization: Bearer {self.tenant.key}\r\nContent-Type: application/json\r\n\r\n[".encode()
        kinds = (b"", b"GET /livez HTT", head, dripped)
        held = []
        try:
            for n in range(self.sockets):
                if self.done:
                    break
                try:
                    async with asyncio.timeout(2):
                        _reader, writer = await self.connection()
                except (OSError, TimeoutError):
                    continue
                writer.write(kinds[n % 4])
                held.append((writer, n % 4 != 0))
                self.count += 1
                if n % 100 == 0:
                    await asyncio.sleep(0.01)
            self.is_ready = True
            while not self.done:
                for writer, drips in random.sample(held, min(200, len(held))):
                    if drips and not writer.is_closing():
                        writer.write(b" ")
                await asyncio.sleep(0.1)
        finally:
            for writer, _drips in held:
                writer.transport.abort()

    async def gzip_bombs(self):
        bomb = gzip.compress(b" " * 50_000_000)
        def make():
            path = random.choice(("/graphql", "/v1/events", "/agents-availability"))
            return request("POST", path, self.tenant.key, bomb, {"Content-Encoding": "gzip"})
        await asyncio.gather(*(self.repeat(make, {400, 413, 415}) for _ in range(4)))

    async def graphql(self):
        """Nested literals, fragments that double, floods of aliases, batches of documents."""
        nested = "{users(filters:%s){edges{cursor}}}" % ("[" * 4000 + "]" * 4000)
        objects = "{users(filters:%s){edges{cursor}}}" % ("{a:" * 2000 + "1" + "}" * 2000)
        doubling = "{...f0}" + "".join(f" fragment f{n} on Query{{...f{n + 1} ...f{n + 1}}}" for n in range(25))
        doubling += " fragment f25 on Query{__typename}"
        aliases = "{" + " ".join(f"a{n}:connectedUsersIndicator{{connectedUsersCount}}" for n in range(300)) + "}"
        documents = [{"query": text} for text in (nested, objects, doubling, aliases, "{" * 8000)]
        documents.append([{"query": "{__typename}"}] * 1000)
        bodies = [request("POST", "/graphql", self.tenant.key, document) for document in documents]
        await asyncio.gather(*(self.repeat(lambda: random.choice(bodies), {400, 413}) for _ in range(4)))

    async def huge_batches(self):
        """Events past either limit, a body that is far too long, and JSON that nests without end."""
        one = anything("huge", self.tenant)
        many = json.dumps([one] * 10_001).encode()
        bodies = [many, b" " * 9_000_000, b"[" * 1_000_000, b'{"a":' * 500_000]
        requests = [request("POST", "/v1/events", self.tenant.key, body) for body in bodies]
        await asyncio.gather(*(self.repeat(lambda: random.choice(requests), {400, 413}, 0.3) for _ in range(2)))

    async def bad_keys(self):
        """Guesses, and requests that are none."""
        bodies = [request("GET", "/operator/live", "rk_" + "x" * 40), b"\x16\x03\x01\x00\xa5\x01\x00\x00" * 8,
                  b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000, b"POST /v1/events HTTP/1.1\r\nHost: a\r\n"
                  b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzzz\r\n\r\n"]
        await asyncio.gather(*(self.repeat(lambda: random.choice(bodies), {400, 401, 403, 431}) for _ in range(4)))


ATTACKS = ("slow_sockets", "gzip_bombs", "graphql", "huge_batches", "bad_keys")


async def behave(service, tenant, seconds, ledger, name, took):
    """A client of the good kind: reads in each dialect and writes, and how long each took."""
    client, until, n = Client(service.port, tenant.key), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        n += 1
        began = time.monotonic()
        try:
            if n % 5 == 0:
                entry = ledger.open(tenant, [anything(f"{name}-{n}", tenant)])
                answer = await client.post(entry.events)
                entry.answered(answer.ok())
            else:
                question = QUESTIONS[n % len(QUESTIONS)]
                answer = (await ask(client, question, tenant.key)).ok()
                question[-1](answer, USERS, ledger.find)
        except (Gone, AssertionError) as refused:
            ledger.find(f"a client of the good kind: {refused}")
            return
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.01)


def p99(times):
    return sorted(times)[int(len(times) * 0.99)] * 1000


async def siege(service, kinds, sockets, timing, strict):
    seconds, rounds = timing
    await service.start()
    # Those who attack have a key of their own: what they may have at a time is not the other tenant's.
    tenant, hostile = await make_tenants(service.port, 2, USERS)
    ledger = Ledger([tenant])
    await behave(service, tenant, 2, ledger, "warm", [])
    before_mib, findings = service.rss_mib(), []
    for kind in kinds:
        calm, under, count, most = [], [], 0, 0.0
        for n in range(rounds):  # in turns, since the machine is not the same from one minute to the next
            await behave(service, tenant, seconds, ledger, f"{kind}-{n}-calm", calm)
            ours, theirs = multiprocessing.Pipe()
            arguments = (theirs, kind, service.port, hostile, sockets)
            attack = multiprocessing.get_context("spawn").Process(target=Attack.process, args=arguments)
            attack.start()
            await asyncio.to_thread(ours.recv)
            await asyncio.sleep(seconds / 4)
            await behave(service, tenant, seconds, ledger, f"{kind}-{n}-under", under)
            held = service.descriptors()
            most = max(most, service.rss_mib())
            ours.send("stop")
            times, odd = await asyncio.to_thread(ours.recv)
            attack.join()
            count += times
            findings += [f"{kind}: {what}" for what in odd]
            await asyncio.sleep(0.5)
        if not service.is_running() or not calm or not under:
            findings.append(f"{kind}: no answers at all: {service.said()[-300:]}")
            break
        ratio = p99(under) / p99(calm)
        print(f"   {kind:13} {count:6} times, {held:5} descriptors, {most:4.0f} MiB at most; p99 {p99(calm):6.1f} ms calm, "
              f"{p99(under):6.1f} ms under it: {ratio:.2f}", flush=True)
        if ratio > RATIO and strict:
            findings.append(f"{kind}: p99 is {ratio:.1f} times what it was")
        bound = before_mib + MEMORY_MIB + (sockets * SOCKET_KIB / 1024 if kind == "slow_sockets" else 0)
        if most > bound:
            findings.append(f"{kind}: memory grew from {before_mib:.0f} to {most:.0f} MiB, more than {bound:.0f}")
    print(f"   memory {before_mib:.0f} MiB before, {service.rss_mib():.0f} after", flush=True)
    await ledger.settle(service.port)
    await ledger.resend(service.port, ledger.entries)
    service.stop()
    ledger.digests(service)
    return findings + ledger.findings


async def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    p.add_argument("--sockets", type=int, default=10_000)
    p.add_argument("--seconds", type=float, default=4)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--control", action="store_true", help="fewer places than slow sockets, which must be found")
    p.add_argument("--only", choices=ATTACKS, action="append", help="this attack; may be given more than once")
    p.add_argument("--latency", choices=("judge", "report"), default="judge")
    a = p.parse_args()
    # Both sides of every socket are on this machine, each with the descriptors of its own process.
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    sockets = min(a.sockets, limit - 500)
    less = "" if sockets == a.sockets else f" (the limit is {limit} descriptors)"
    print(f"== attack: {sockets} slow sockets{less}", flush=True)
    with tempfile.TemporaryDirectory(prefix="rollcall-attack.") as folder:
        # Room for those that behave beside all the others, who hold their places until their time is up. The control
        # has none: whoever behaves waits for a place, and that must be found.
        places = sockets // 2 if a.control else sockets + 1_000
        kinds = ["slow_sockets"] if a.control else a.only or ATTACKS
        waiting = ["--without-budget", "sockets"] if a.control else []
        service = Service(a.program, folder, None, ["--max-connections", str(places), *waiting])
        try:
            findings = await siege(service, kinds, sockets, (a.seconds, a.rounds), a.latency == "judge")
        finally:
            service.kill()
    if a.control:
        starved = [finding for finding in findings if "the good kind" in finding]
        print(f"   control places: {starved[0] if starved else 'NOT FOUND'}")
        sys.exit(0 if starved else "the control passed")
    if findings:
        sys.exit("\n".join(findings[:20]))


if __name__ == "__main__":
    asyncio.run(main())
