"""Kills PostgreSQL, postmaster and backends, with -9 under load, and starts it again
(docs/promises.md R3, "Faults")."""
import argparse
import asyncio
import random
import sys
import tempfile
import time

from client import Client, Gone
from ledger import Ledger
from service import Postgres, Service
from world import anything, make_tenants

TENANTS, USERS, WRITERS, READERS = 3, 25, 16, 2
RECOVERY = 5.0  # seconds within which a write succeeds after PostgreSQL is back
REFUSAL = 1.0  # seconds within which a write is rejected; slower ones are counted, and none may take twice as long


class Outages:
    def __init__(self, service):
        self.service, self.ledger, self.done = service, None, False
        self.is_away, self.returned, self.recoveries, self.refused = False, None, [], []
        self.reads_away, self.stale = 0, 0

    async def write(self, name):
        client, n = Client(self.service.port), 0
        while not self.done:
            n += 1
            tenant = random.choice(self.ledger.tenants)
            entry = self.ledger.open(tenant, [anything(f"{name}-{n}-{m}", tenant) for m in range(random.randint(1, 8))])
            while entry.outcomes is None and not self.done:
                began = time.monotonic()
                try:
                    answer = await client.post(entry.events, token=tenant.key)
                except Gone as gone:
                    self.ledger.find(f"a write got no answer: {gone}")
                    return
                if answer.status == 200:
                    entry.answered(answer)
                    # Only requests that were sent after the return measure the recovery.
                    if self.returned is not None and began >= self.returned:
                        self.recoveries.append(time.monotonic() - self.returned)
                        self.returned = None
                elif answer.status == 503 and "retry-after" in answer.headers:
                    self.refused.append(time.monotonic() - began)
                    await asyncio.sleep(0.02)
                else:
                    self.ledger.find(f"a write was answered {answer.status} {answer.body[:200]!r}")

    async def read(self):
        client, tenant, last = Client(self.service.port), self.ledger.tenants[0], 0
        while not self.done:
            was_away = self.is_away
            try:
                answer = await client.ask("GET", "/v1/directory", token=tenant.key)
            except Gone as gone:
                self.ledger.find(f"a read got no answer: {gone}")
                return
            if answer.status != 200:
                self.ledger.find(f"a read was answered {answer.status} {answer.body[:200]!r}")
                return
            if answer.position < last:
                self.ledger.find(f"a read was answered at position {answer.position} after {last}")
            last = answer.position
            if was_away and self.is_away:
                self.reads_away += 1
                self.stale += "rollcall-staleness-ms" in answer.headers
            await asyncio.sleep(0.01)

    async def outage(self, postgres):
        await asyncio.sleep(random.uniform(0.3, 1.0))
        self.is_away = True
        await asyncio.to_thread(postgres.kill)
        await asyncio.sleep(random.uniform(1.5, 2.5))
        await asyncio.to_thread(postgres.start)
        self.is_away = False
        self.returned = time.monotonic()
        while self.returned is not None:
            if self.ledger.findings:
                return
            if time.monotonic() > self.returned + 30:
                self.ledger.find("no write succeeded within 30 s of PostgreSQL's return")
                return
            await asyncio.sleep(0.02)
        if self.recoveries and self.recoveries[-1] > RECOVERY:
            self.ledger.find(f"the first 2xx came {self.recoveries[-1]:.1f} s after PostgreSQL's return")


async def rounds(program, folder, name, count, lies=False):
    postgres = Postgres()
    url = postgres.database(name)
    service = Service(program, f"{folder}/{name}", url, ["--checkpoint-seconds", "1"])
    try:
        await service.start()
        if lies:
            # Makes PostgreSQL answer before its log is on the disk. The service raises the setting on its own
            # connections, so a trigger lowers it again in each transaction that writes to the journal.
            service.sql("CREATE FUNCTION lie() RETURNS trigger LANGUAGE plpgsql AS "
                        "$$ BEGIN PERFORM set_config('synchronous_commit', 'off', true); RETURN NULL; END $$")
            service.sql("CREATE TRIGGER lie BEFORE INSERT ON journal FOR EACH STATEMENT EXECUTE FUNCTION lie()")
        pid, run = service.process.pid, Outages(service)
        run.ledger = Ledger(await make_tenants(service.port, TENANTS, USERS))
        tasks = [asyncio.create_task(run.write(f"w{n}")) for n in range(WRITERS)]
        tasks += [asyncio.create_task(run.read()) for _ in range(READERS)]
        for _ in range(count):
            await run.outage(postgres)
            if run.ledger.findings:
                break
        run.done = True
        await asyncio.gather(*tasks)
        if not lies and (not service.is_running() or service.process.pid != pid):
            run.ledger.find("the service's process ended")
        if not lies and (not run.reads_away or not run.stale):
            run.ledger.find(f"{run.reads_away} reads during outages, {run.stale} of them with their staleness")
        if not lies and max(run.refused, default=0) > 2 * REFUSAL:
            run.ledger.find(f"a rejection took {max(run.refused):.1f} s")
        if not lies:
            await run.ledger.settle(service.port)
            await run.ledger.resend(service.port, run.ledger.entries)
            await run.ledger.count(service.port)
        else:
            # The service detects the loss itself, as its journal has fewer entries than it has applied, and puts the
            # tenant in quarantine. The control is about the audit, which must find the loss without that.
            service.kill()
            lost = sum("history was lost" in line for line in service.said().splitlines())
            print(f"   the service put {lost} of {TENANTS} tenants in quarantine")
            run.ledger.findings.clear()
        run.ledger.lost(service)
        service.kill()
        if not lies:
            run.ledger.tables(service)
            run.ledger.digests(service)
        late = sum(seconds > REFUSAL for seconds in run.refused)
        print(f"   {len(run.recoveries)} kills, {run.ledger.acknowledged()} events acknowledged, {len(run.refused)} "
              f"refusals ({late} later than {REFUSAL:g} s, slowest {max(run.refused, default=0):.2f} s), "
              f"{run.reads_away} reads during outages ({run.stale} with their staleness), first 2xx after "
              f"{max(run.recoveries, default=0):.2f} s at most, {len(run.ledger.findings)} findings", flush=True)
        return run.ledger.findings
    finally:
        service.kill()


async def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--control", action="store_true", help="turn synchronous_commit off, which must be found")
    a = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="rollcall-kill.") as folder:
        print("== PostgreSQL killed", flush=True)
        if a.control:
            findings = await rounds(a.program, folder, "lies", 10, lies=True)
            print(f"   control synchronous_commit: {findings[0] if findings else 'NOT FOUND'}")
            sys.exit(0 if findings else "the control passed")
        findings = await rounds(a.program, folder, "kills", a.rounds)
    if findings:
        sys.exit("\n".join(findings[:20]))


if __name__ == "__main__":
    asyncio.run(main())
