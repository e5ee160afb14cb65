"""Runs a steady load for a long time: memory, descriptors, tasks and queue must not grow, and every answer must be
consistent in itself.

The events are about a fixed set of desks and slots, which open and end over and over. Conversations are left out: the
state keeps each for 24 hours with its whole history, and that growth could not be distinguished from a leak in minutes.
"""
import argparse
import asyncio
import random
import sys
import tempfile
import time
import typing

from client import Client
from questions import QUESTIONS, ask
from service import Postgres, Service
from world import anything, event, make_tenants

USERS, WRITERS, READERS = 500, 4, 4
SAMPLE = 5.0  # seconds between samples
# The most growth of memory after the warm-up, by the fitted line: MiB, or a share of the mean if that is more.
GROWTH_MIB, GROWTH_SHARE = 4.0, 0.05
# Runs shorter than so many seconds end before the caches are full, and may grow by so many MiB.
SHORT, SHORT_MIB = 300.0, 16.0
DESCRIPTORS, TASKS = 3, 3  # the most growth of each; connections of the store come and go


class Sample(typing.NamedTuple):
    seconds: float
    mib: float
    descriptors: int
    tasks: int
    threads: int
    waiting: int


class Soak:
    def __init__(self, service, tenant, flaw=None):
        self.service, self.tenant, self.flaw, self.done = service, tenant, flaw, False
        self.findings, self.samples, self.writes, self.reads, self.events = [], [], 0, 0, 0

    def find(self, what):
        self.findings.append(what)
        self.done = True

    async def write(self, name):
        client = Client(self.service.port, self.tenant.key)
        while not self.done:
            some = []
            while len(some) < 4:
                made = anything(f"{name}-{self.events}", self.tenant)
                if not made["type"].startswith("conversation."):
                    some.append(made)
                    self.events += 1
            user = random.randint(1, USERS)
            some.append(event(f"beat-{self.events}", "desk.heartbeat", {"session": f"desk-{user}-0"}, user))
            answer = await client.post(some)
            if answer.status != 200 or len(answer.json()["results"]) != len(some):
                self.find(f"a write was answered {answer.status} {answer.body[:200]!r}")
            self.writes += 1
            await asyncio.sleep(0.02)

    async def read(self):
        client, last = Client(self.service.port, self.tenant.key), 0
        while not self.done:
            for question in QUESTIONS:
                answer = await ask(client, question, self.tenant.key)
                if answer.status != 200:
                    self.find(f"{question[1]} was answered {answer.status} {answer.body[:200]!r}")
                    return
                if self.flaw == "torn" and question[1] == "/graphql":
                    # Simulates an answer made of two instants.
                    answer.body = answer.body.replace(b'"connectedUsersCount":', b'"connectedUsersCount":1', 1)
                question[-1](answer, USERS, self.find)
                if answer.position < last:
                    self.find(f"{question[1]}: position {answer.position} after {last}")
                last = answer.position
                self.reads += 1
                await asyncio.sleep(0.02)

    async def sample(self, began):
        waiting, tasks = [await self.service.metric(f"rollcall_{name}") for name in ("queue_waiting", "tasks")]
        self.samples.append(Sample(time.monotonic() - began, self.service.rss_mib(), self.service.descriptors(),
                                   int(tasks), self.service.status("Threads"), int(waiting)))

    async def run(self, seconds):
        began = time.monotonic()
        tasks = [asyncio.create_task(self.write(f"w{n}")) for n in range(WRITERS)]
        tasks += [asyncio.create_task(self.read()) for _ in range(READERS)]
        held = []
        while time.monotonic() < began + seconds and not self.done:
            await asyncio.sleep(min(SAMPLE, seconds / 20))
            await self.sample(began)
            if self.flaw == "leak":  # opens connections and never closes them
                held.append(await asyncio.open_connection("127.0.0.1", self.service.port))
        self.done = True
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, BaseException):
                self.findings.append(f"a client ended with {ended!r}")
        for _ in range(50):
            depth = await self.service.metric("rollcall_queue_waiting")
            if depth == 0:
                break
            await asyncio.sleep(0.1)
        else:
            self.findings.append(f"{depth} requests are still waiting at the end")
        self.judge(seconds)

    def judge(self, seconds):
        """Fits a straight line to the samples after the warm-up, and compares its growth with the bounds."""
        warm = min(120.0, seconds / 4)
        rest = [sample for sample in self.samples if sample.seconds >= warm]
        if len(rest) < 8:
            self.findings.append(f"only {len(rest)} samples")
            return
        span, figures = rest[-1].seconds - rest[0].seconds, Sample(*zip(*rest))
        gained = Sample(*(slope(figures.seconds, figure) * span for figure in figures))
        mean = sum(figures.mib) / len(rest)
        bound = max(SHORT_MIB if seconds < SHORT else GROWTH_MIB, GROWTH_SHARE * mean)
        print(f"   {self.writes} writes, {self.events} events, {self.reads} reads in {rest[-1].seconds:.0f} s; after "
              f"{warm:.0f} s: memory {rest[0].mib:.1f} to {rest[-1].mib:.1f} MiB, mean {mean:.1f}, fitted growth "
              f"{gained.mib:+.2f} MiB in {span / 60:.1f} min (bound {bound:.1f}); descriptors {min(figures.descriptors)} "
              f"to {max(figures.descriptors)}, fitted {gained.descriptors:+.1f}; tasks {min(figures.tasks)} to "
              f"{max(figures.tasks)}, fitted {gained.tasks:+.1f}; threads {min(figures.threads)} to "
              f"{max(figures.threads)}; queue at most {max(figures.waiting)}", flush=True)
        if gained.mib > bound:
            self.findings.append(f"memory grows: {gained.mib:.1f} MiB in {span:.0f} s")
        if gained.descriptors > DESCRIPTORS:
            self.findings.append(f"descriptors grow: {gained.descriptors:.1f} in {span:.0f} s")
        if gained.tasks > TASKS:
            self.findings.append(f"tasks grow: {gained.tasks:.1f} in {span:.0f} s")
        if max(figures.threads) > max(s.threads for s in self.samples if s.seconds < warm) + 8:
            self.findings.append("threads grow")


def slope(xs, ys):
    """Returns the slope of the least-squares line."""
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys)) / sum((a - x) ** 2 for a in xs)


async def soak(program, folder, url, seconds, flaw=None):
    service = Service(program, folder, url)
    try:
        await service.start()
        run = Soak(service, (await make_tenants(service.port, 1, USERS))[0], flaw)
        await run.run(seconds)
        service.stop()
        status, lines = service.verify()
        if status != 0:
            run.findings.append("; ".join(lines))
        return run.findings
    finally:
        service.kill()


async def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    p.add_argument("--minutes", type=float, default=20)
    p.add_argument("--store", choices=("embedded", "postgres"), default="embedded")
    p.add_argument("--control", action="store_true", help="seed a torn answer and a leak, each of which must be found")
    a = p.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="rollcall-soak.") as folder:
        def url(name):
            return Postgres().database(f"soak_{name}") if a.store == "postgres" else None
        if a.control:
            for flaw, signs in (("torn", ["add up"]), ("leak", ["descriptors grow", "tasks grow"])):
                findings = await soak(a.program, f"{folder}/{flaw}", url(flaw), 20, flaw)
                for words in signs:
                    found = [finding for finding in findings if words in finding]
                    print(f"   control {flaw}: {found[0][:200] if found else f'{words}: NOT FOUND'}")
                    failed += [] if found else [f"{flaw}: {words}"]
        else:
            print(f"== soak: {a.store}, {a.minutes:g} minutes", flush=True)
            failed = await soak(a.program, f"{folder}/soak", url("soak"), a.minutes * 60)
    if failed:
        sys.exit("\n".join(failed[:20]))


if __name__ == "__main__":
    asyncio.run(main())
