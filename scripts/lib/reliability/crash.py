"""Kills the service with -9 at random moments while many clients write, and audits the store (docs/promises.md W1, W2)."""
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

TENANTS, USERS, WRITERS = 3, 25, 32


async def write(port, ledger, name, flaw):
    """Posts single events and batches until the service is killed."""
    client, n = Client(port), 0
    while True:
        n += 1
        tenant = random.choice(ledger.tenants)
        count = 1 if random.random() < 0.5 else random.randint(2, 12)
        entry = ledger.open(tenant, [anything(f"{name}-{n}-{m}", tenant) for m in range(count)])
        if flaw == "early":  # recorded as acknowledged before it is sent
            entry.outcomes = ["applied"] * count
        if flaw == "twice" and n % 5 == 0:  # sends the events with other ids as well, without recording them
            again = [{**event, "id": event["id"] + "-again"} for event in entry.events]
            try:
                await client.post(again, token=tenant.key)
            except Gone:
                return
        try:
            answer = await client.post(entry.events, token=tenant.key)
        except Gone:
            return
        if answer.status == 200:
            entry.answered(answer)
        elif answer.status != 503:
            ledger.find(f"{answer.status} {answer.body[:200]!r}")


async def rounds(service, count, flaw=None):
    """Runs the whole proof on one store. Returns the ledger with its findings."""
    await service.start()
    ledger = Ledger(await make_tenants(service.port, TENANTS, USERS))
    every, slowest, done = max(1, count // 20), 0.0, 0
    for number in range(count):
        began = len(ledger.entries)
        writers = [asyncio.create_task(write(service.port, ledger, f"{number}-{w}", flaw)) for w in range(WRITERS)]
        await asyncio.sleep(random.uniform(0.1, 0.8))
        service.kill()
        await asyncio.gather(*writers)
        if number % every == 0:
            ledger.tables(service)
            ledger.digests(service)
        slowest = max(slowest, await service.start())
        await ledger.settle(service.port)
        await ledger.resend(service.port, ledger.entries[began:])
        done += 1
        if ledger.findings:
            break
    await ledger.resend(service.port, ledger.entries)
    await ledger.count(service.port)
    service.kill()
    ledger.lost(service)
    ledger.tables(service)
    ledger.digests(service)
    print(f"   {done} kills, {len(ledger.entries)} requests, {ledger.acknowledged()} events acknowledged, "
          f"{ledger.unknown} requests without an answer, slowest restart {slowest:.2f} s, "
          f"{len(ledger.findings)} findings")
    return ledger


async def control(make):
    """Seeds three bugs, one at a time. Returns those that the audit did not find."""
    missed = []
    for flaw, words in (("early", "is lost"), ("twice", "but the position is")):
        ledger = await rounds(make(flaw), 8, flaw)
        found = [finding for finding in ledger.findings if words in finding]
        print(f"   control {flaw}: {found[0] if found else 'NOT FOUND'}")
        missed += [] if found else [flaw]
    service = make("checkpoint")
    ledger = await rounds(service, 1)
    await service.start()
    service.stop()  # a clean end writes a checkpoint of everything
    ledger.digests(service)
    if ledger.findings:
        missed.append(f"control checkpoint began with {ledger.findings}")
    if service.url:
        service.sql("DELETE FROM state_row WHERE kind = 'user' AND key = '1'")
    else:
        service.sql("DELETE FROM state_row WHERE kind = 'user' AND key = '1' RETURNING key")
    ledger.digests(service)
    print(f"   control checkpoint: {ledger.findings[-1][:200] if ledger.findings else 'NOT FOUND'}")
    missed += [] if any("DIFFERENT" in finding for finding in ledger.findings) else ["checkpoint"]
    return missed


async def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    p.add_argument("--rounds", type=int, default=200)
    p.add_argument("--store", choices=("embedded", "postgres", "both"), default="both")
    p.add_argument("--control", action="store_true", help="seed three bugs, each of which must be found")
    a = p.parse_args()
    stores = ["embedded", "postgres"] if a.store == "both" else [a.store]
    failed = []
    for store in stores:
        with tempfile.TemporaryDirectory(prefix="rollcall-crash.") as folder:
            made = []

            def make(name):
                url = Postgres().database(f"crash_{name}") if store == "postgres" else None
                made.append(Service(a.program, f"{folder}/{name}", url, ["--checkpoint-seconds", "1"]))
                return made[-1]

            began = time.monotonic()
            print(f"== crash: {store}", flush=True)
            try:
                if a.control:
                    failed += await control(make)
                else:
                    failed += (await rounds(make("rounds"), -(-a.rounds // len(stores)))).findings
            finally:
                for service in made:
                    service.kill()
            print(f"   {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        sys.exit("\n".join(failed[:20]))


if __name__ == "__main__":
    asyncio.run(main())
