"""Cancels requests at random moments: nothing may be lost or stuck, and other clients get answers (docs/promises.md W4)."""
import argparse
import asyncio
import random
import sys
import tempfile
import time

from client import Client, Gone, request
from ledger import Ledger
from questions import QUESTIONS, ask
from service import Postgres, Service
from world import anything, make_tenants

TENANTS, USERS, CANCELLERS = 3, 25, 24
DESCRIPTORS = 8  # the most descriptors above those before, once all requests have ended: store connections come and go


class Storm:
    def __init__(self, service, ledger, count, flaw=None):
        self.service, self.ledger, self.left, self.flaw = service, ledger, count, flaw
        self.cut_short, self.waited, self.slowest, self.writes, self.done = 0, 0, 0.0, 0, False
        self.held = []

    async def cancel(self, name):
        """Opens connections one after the other, sends all or a part of a request on each, and closes it."""
        while self.left > 0:
            self.left -= 1
            tenant = random.choice(self.ledger.tenants)
            if random.random() < 0.8:
                count = random.choice((1, 1, 3, 30))
                events = [anything(f"{name}-{self.left}-{m}", tenant) for m in range(count)]
                self.ledger.open(tenant, events)
                data = request("POST", "/v1/events", tenant.key, events)
            else:
                method, path, body, headers, _judge = random.choice(QUESTIONS)
                data = request(method, path, tenant.key, body, headers)
            whole = random.random() < 0.7
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", self.service.port)
                writer.write(data if whole else data[:random.randrange(len(data))])
                if whole:
                    self.waited += 1
                    # Commits take a few milliseconds: closes the connection before, during and after them.
                    await asyncio.sleep(random.choice((0, random.uniform(0, 0.002), random.uniform(0, 0.02))))
                else:
                    self.cut_short += 1
            except OSError:
                continue
            if self.flaw == "held":
                self.held.append(writer)
            elif random.random() < 0.5:
                writer.transport.abort()
            else:
                writer.close()

    async def behave(self):
        """Sends requests and waits for the answers, all of which must come."""
        client, n = Client(self.service.port), 0
        while not self.done:
            n += 1
            tenant = random.choice(self.ledger.tenants)
            entry = self.ledger.open(tenant, [anything(f"good-{n}", tenant)])
            began = time.monotonic()
            try:
                answer = await client.post(entry.events, token=tenant.key)
                if answer.status == 200:
                    entry.answered(answer)
                    self.writes += 1
                elif answer.status != 503:
                    self.ledger.find(f"a write was answered {answer.status}")
                question = random.choice(QUESTIONS)
                client.token = tenant.key
                answer = (await ask(client, question, tenant.key)).ok()
                question[-1](answer, USERS, self.ledger.find)
            except Gone as gone:
                self.ledger.find(f"a client that waits got no answer: {gone}")
                return
            self.slowest = max(self.slowest, time.monotonic() - began)
            await asyncio.sleep(0.005)


async def storm(service, count, flaw=None):
    await service.start()
    ledger = Ledger(await make_tenants(service.port, TENANTS, USERS))
    before = service.descriptors()
    run = Storm(service, ledger, count, flaw)
    good = asyncio.create_task(run.behave())
    await asyncio.gather(*(run.cancel(f"c{n}") for n in range(CANCELLERS)))
    run.done = True
    await good
    for _ in range(100):
        waiting, after = await service.metric("rollcall_queue_waiting"), service.descriptors()
        if waiting == 0 and after <= before + DESCRIPTORS:
            break
        await asyncio.sleep(0.1)
    else:
        ledger.find(f"10 s later {waiting:.0f} requests wait, and there are {after} descriptors, not {before}")
    if flaw == "lost":  # records as acknowledged what may not have been sent
        for entry in ledger.entries:
            entry.outcomes = entry.outcomes or ["applied"]
    await ledger.settle(service.port)
    await ledger.resend(service.port, ledger.entries)
    await ledger.count(service.port)
    service.stop()
    ledger.lost(service)
    ledger.tables(service)
    ledger.digests(service)
    print(f"   {count} cancelled ({run.waited} after they were sent, {run.cut_short} before), {run.writes} writes beside "
          f"them acknowledged, the slowest write and read took {run.slowest:.2f} s; descriptors {before} before, {after} "
          f"after; {ledger.unknown} unknown requests sent again, {len(ledger.findings)} findings", flush=True)
    return ledger.findings


async def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    p.add_argument("--requests", type=int, default=100_000)
    p.add_argument("--store", choices=("embedded", "postgres"), default="embedded")
    p.add_argument("--control", action="store_true", help="seed a lost request and held connections, which must be found")
    a = p.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="rollcall-cancel.") as folder:
        made = []

        def make(name):
            url = Postgres().database(f"cancel_{name}") if a.store == "postgres" else None
            made.append(Service(a.program, f"{folder}/{name}", url, ["--checkpoint-seconds", "1"]))
            return made[-1]

        print(f"== cancelled requests: {a.store}", flush=True)
        try:
            if a.control:
                for flaw, words in (("lost", "is lost"), ("held", "descriptors")):
                    findings = [f for f in await storm(make(flaw), 600, flaw) if words in f]
                    print(f"   control {flaw}: {findings[0] if findings else 'NOT FOUND'}")
                    failed += [] if findings else [flaw]
            else:
                failed = await storm(make("storm"), a.requests)
        finally:
            for service in made:
                service.kill()
    if failed:
        sys.exit("\n".join(failed[:20]))


if __name__ == "__main__":
    asyncio.run(main())
