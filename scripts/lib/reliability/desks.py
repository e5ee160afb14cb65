"""Runs desks with leases over plain HTTP: outages log no desk off, and silence does, in time (docs/promises.md S1, S2)."""
import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time

from client import Client, Gone
from service import Postgres, Service
from world import event, make_tenants

LEASE = 5  # seconds; the shortest lease
SLACK = 1.0  # seconds after the end of its lease within which a silent desk is logged off


def opened(desks, name):
    return [event(f"{name}-{n}", "desk.connected", {"session": f"desk-{n}", "lease_seconds": LEASE}, n)
            for n in range(1, desks + 1)]


def beats(desks, name):
    return [event(f"{name}-{n}", "desk.heartbeat", {"session": f"desk-{n}"}, n) for n in range(1, desks + 1)]


async def online(client):
    """Returns the integer ids of the connected users."""
    answer = (await client.ask("GET", "/operator/live")).ok()
    return {row["id"] for row in answer.json()["data"]}


class Living:
    """Desks that send heartbeats, all in one request, through outages of the store."""

    def __init__(self, port, tenant, desks):
        self.port, self.tenant, self.desks, self.done = port, tenant, desks, False
        self.findings, self.looks, self.taken, self.refused = [], 0, 0, 0

    async def beat(self):
        client, n = Client(self.port, self.tenant.key), 0
        while not self.done:
            n += 1
            try:
                answer = await client.post(beats(self.desks, f"beat-{n}"), timeout=5)
            except Gone as gone:
                self.findings.append(f"heartbeats got no answer: {gone}")
                return
            if answer.status == 200:
                self.taken += 1
                rejected = [r for r in answer.json()["results"] if r["outcome"] == "rejected"]
                if rejected:
                    self.findings.append(f"{len(rejected)} heartbeats rejected: {rejected[0]}")
                    return
                await asyncio.sleep(LEASE / 3)
            else:
                self.refused += 1
                await asyncio.sleep(0.2)

    async def look(self):
        """Checks all the time that every desk is counted."""
        client = Client(self.port, self.tenant.key)
        while not self.done:
            # A request that is answered however long the store has been unavailable.
            answer = (await client.ask("POST", "/graphql", {"query": "{connectedUsersIndicator{connectedUsersCount}}"})).ok()
            count = answer.json()["data"]["connectedUsersIndicator"]["connectedUsersCount"]
            self.looks += 1
            if count != self.desks:
                self.findings.append(f"{self.desks - count} of {self.desks} desks were logged off")
                return
            await asyncio.sleep(0.1)


async def through_outages(service, postgres, desks, outages):
    """Stops or kills the store for longer than a lease, several times, while desks send heartbeats."""
    tenant = (await make_tenants(service.port, 1, desks))[0]
    client = Client(service.port, tenant.key)
    (await client.patient("POST", "/v1/events", opened(desks, "open"))).ok()
    living = Living(service.port, tenant, desks)
    tasks = [asyncio.create_task(living.beat()), asyncio.create_task(living.look())]
    away = 0.0
    for n in range(outages):
        await asyncio.sleep(random.uniform(0.5, 2))
        began = time.monotonic()
        if n % 4 == 3:
            await asyncio.to_thread(postgres.kill)
            await asyncio.sleep(random.uniform(LEASE, LEASE + 2))
            await asyncio.to_thread(postgres.start)
        else:
            postgres.signal(signal.SIGSTOP)
            await asyncio.sleep(random.uniform(LEASE, LEASE + 2))
            postgres.signal(signal.SIGCONT)
        away += time.monotonic() - began
        if living.findings:
            break
    await asyncio.sleep(LEASE + SLACK)  # until a desk that the last outage silenced would be logged off
    living.done = True
    await asyncio.gather(*tasks)
    print(f"   {desks} desks through {outages} outages of {away:.0f} s in all: {living.taken} rounds of heartbeats taken, "
          f"{living.refused} refused, {living.looks} looks, {len(living.findings)} findings", flush=True)
    return living.findings


async def silent(service, desks, flaw=None):
    """Opens desks that send no heartbeat, at different times, and checks the time at which each is logged off."""
    tenant = (await make_tenants(service.port, 1, desks))[0]
    client, looker = Client(service.port, tenant.key), Client(service.port, tenant.key)
    sent, taken, gone, findings = {}, {}, {}, []
    share = max(1, desks // 20)
    events = opened(desks, "open")

    async def speak_again():  # the control's heartbeat for a desk that should be silent
        await asyncio.sleep(LEASE - 2)
        other = Client(service.port, tenant.key)
        (await other.post([event("late", "desk.heartbeat", {"session": "desk-1"}, 1)])).ok()

    async def speak():
        for start in range(0, desks, share):
            some = events[start:start + share]
            before = time.monotonic()
            (await client.patient("POST", "/v1/events", some)).ok()
            after = time.monotonic()
            for e in some:
                sent[int(e["subject"])], taken[int(e["subject"])] = before, after
            await asyncio.sleep(0.1)
        if flaw == "early":  # the control closes a desk before its lease ends
            (await client.post([event("early", "desk.disconnected", {"session": "desk-2"}, 2)])).ok()

    speaking = [asyncio.create_task(speak())]
    if flaw == "late":
        speaking.append(asyncio.create_task(speak_again()))
    until = time.monotonic() + LEASE * 3 + 10
    while len(gone) < desks and time.monotonic() < until:
        asked = time.monotonic()
        known = set(taken)
        here = await online(looker)
        answered = time.monotonic()
        for desk in known - here:
            # Logged off at some time before this answer; the requests are close enough to each other.
            gone.setdefault(desk, answered)
        for desk in here & set(gone):
            findings.append(f"desk {desk} came back by itself")
        for desk in here:
            if desk in taken and asked > taken[desk] + LEASE + SLACK and desk not in gone:
                findings.append(f"desk {desk} is counted {asked - taken[desk]:.2f} s after its last event")
                gone[desk] = answered
        await asyncio.sleep(0.02)
    await asyncio.gather(*speaking)
    if len(gone) < desks:
        findings.append(f"{desks - len(gone)} silent desks are still counted")
    early = [desk for desk, at in gone.items() if at < sent[desk] + LEASE]
    findings += [f"desk {desk} was gone {gone[desk] - sent[desk]:.2f} s after its last event" for desk in early[:5]]
    late = max((gone[desk] - taken[desk] - LEASE for desk in gone), default=0)
    soon = min((gone[desk] - sent[desk] - LEASE for desk in gone), default=0)
    print(f"   {desks} silent desks: gone from {soon:.3f} to {late:.3f} s after their leases of {LEASE} s ended, "
          f"{len(findings)} findings", flush=True)
    return findings


async def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    p.add_argument("--desks", type=int, default=1000)
    p.add_argument("--outages", type=int, default=20)
    p.add_argument("--control", action="store_true", help="seed desks that go too early and too late, which must be found")
    a = p.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="rollcall-desks.") as folder:
        print("== desks", flush=True)
        postgres = Postgres()
        service = Service(a.program, folder, postgres.database("desks"))
        try:
            await service.start()
            if a.control:
                for flaw, words in (("early", "was gone"), ("late", "desk 1 is counted")):
                    findings = [f for f in await silent(service, a.desks, flaw) if words in f]
                    print(f"   control {flaw}: {findings[0] if findings else 'NOT FOUND'}")
                    failed += [] if findings else [flaw]
            else:
                failed += await silent(service, a.desks)
                failed += await through_outages(service, postgres, a.desks, a.outages)
                service.stop()
                status, lines = service.verify()
                failed += [] if status == 0 else lines
        finally:
            service.kill()
            postgres.signal(signal.SIGCONT)
    if failed:
        sys.exit("\n".join(failed[:20]))


if __name__ == "__main__":
    asyncio.run(main())
