"""Rows of scripts/weather about desks with leases: a paused process, another tenant's import, silence under a flood."""
import asyncio
import json
import os
import signal
import time

from client import Client, Gone
from desks import LEASE, SLACK, beats, online, opened
from world import directory, event, make_tenants

COUNT = {"query": "{connectedUsersIndicator{connectedUsersCount}}"}


class Beating:
    """Desks that send heartbeats, twenty in a request, whatever the answers, and a check that all are counted."""

    def __init__(self, stage, service, tenant, desks):
        self.stage, self.service, self.tenant, self.desks = stage, service, tenant, desks
        self.done, self.looks, self.taken, self.refused, self.least = False, 0, 0, 0, desks
        self.silent = set()  # desks of a control that send no more heartbeats

    async def start(self):
        client = Client(self.service.port, self.tenant.key)
        (await client.patient("POST", "/v1/events", opened(self.desks, "open"))).ok()
        groups = [range(first, min(first + 20, self.desks + 1)) for first in range(1, self.desks + 1, 20)]
        self.tasks = [asyncio.create_task(self.beat(n, group)) for n, group in enumerate(groups)]
        self.tasks.append(asyncio.create_task(self.look()))

    async def finish(self):
        self.done = True
        await asyncio.gather(*self.tasks)
        self.stage.figure(f"{self.desks} desks, at least {self.least} counted in {self.looks} looks, {self.taken} requests with "
                          f"heartbeats taken, {self.refused} refused")
        if self.least < self.desks:
            self.stage.find(f"{self.desks - self.least} of {self.desks} desks were logged off")

    async def beat(self, name, group):
        client, n = Client(self.service.port, self.tenant.key), 0
        all_of_them = beats(self.desks, "beat")
        await asyncio.sleep(name * LEASE / 3 / 10 % (LEASE / 3))
        while not self.done:
            n += 1
            made = [{**all_of_them[desk - 1], "id": f"beat-{desk}-{n}"} for desk in group if desk not in self.silent]
            try:
                answer = await client.post(made, timeout=60)
            except Gone as gone:
                self.stage.find(f"heartbeats got no answer: {gone}")
                return
            if answer.status == 200:
                self.taken += 1
                rejected = [r for r in answer.json()["results"] if r["outcome"] == "rejected"]
                if rejected:
                    self.stage.find(f"{len(rejected)} heartbeats rejected: {rejected[0]}")
                    return
            else:
                self.refused += 1
            # Rejected or not, the next heartbeat is due a third of a lease later: desks do not retry sooner.
            await asyncio.sleep(LEASE / 3)

    async def look(self):
        client = Client(self.service.port, self.tenant.key)
        while not self.done:
            answer = (await client.ask("POST", "/graphql", COUNT, timeout=60)).ok()
            count = answer.json()["data"]["connectedUsersIndicator"]["connectedUsersCount"]
            self.looks, self.least = self.looks + 1, min(self.least, count)
            await asyncio.sleep(0.05)


async def paused_process(stage):
    """Stops the process for longer than a lease, as a paused virtual machine is. No desk may be logged off."""
    pauses = (8,) if stage.short else (8, 5.5, 20)
    for url in [None] if stage.short else [None, stage.database()]:
        service = stage.service(url)
        await service.start()
        desks = 200
        beating = Beating(stage, service, (await make_tenants(service.port, 1, desks))[0], desks)
        await beating.start()
        await asyncio.sleep(2)
        for seconds in pauses:
            os.kill(service.process.pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            if stage.control:
                beating.silent.add(7)  # falls silent and must be logged off
            os.kill(service.process.pid, signal.SIGCONT)
            # Long enough for a desk to be logged off because of the pause.
            await asyncio.sleep(LEASE + 2 * SLACK)
        if stage.control:
            await asyncio.sleep(LEASE)
        await beating.finish()


def heavy_requests(short):
    """Yields the other tenant's requests: a directory, a user with many slots, and syncs that compare all slots."""
    users, held, syncs = (5_000, 6_000, 2_000) if short else (25_000, 20_000, 5_000)
    yield "PUT", "/v1/directory", directory(users)
    for first in range(0, held, 10_000):
        yield "POST", "/v1/events", [
            event(f"held-{n}", "slot.taken", {"channel": "chat", "conversation": f"c{n}"}, 1)
            for n in range(first, min(held, first + 10_000))]
    # Older than every slot, so that each sync is compared with all of them and changes none.
    yield "POST", "/v1/events", [event(f"sync-{n}", "slots.synced", {"channel": "chat", "conversations": []}, 1, ago=3_600)
                                 for n in range(syncs)]


async def heavy_import(stage):
    """Sends another tenant's long requests while desks send heartbeats. No desk may be logged off."""
    service = stage.service()
    await service.start()
    quiet, busy = await make_tenants(service.port, 2, 100)
    beating = Beating(stage, service, quiet, 100)
    await beating.start()
    if stage.control:
        beating.silent.add(7)
    importer, slowest, statuses = Client(service.port, busy.key), 0.0, []
    for method, path, body in heavy_requests(stage.short):
        began = time.monotonic()
        answer = await importer.ask(method, path, body, timeout=300)
        slowest = max(slowest, time.monotonic() - began)
        statuses.append(answer.status)
    if any(status not in (200, 503) for status in statuses):
        stage.find(f"the import was answered {statuses}")
    # A request that was not answered in time may still be applied.
    last = event("last", "status.changed", {"presence": "Away"}, 2)
    try:
        (await importer.patient("POST", "/v1/events", last, seconds=60)).ok()
    except AssertionError as error:
        stage.find(f"{error}")
    await asyncio.sleep(LEASE + 2 * SLACK)
    stage.figure(f"{statuses.count(200)} of {len(statuses)} imports accepted {statuses}, the slowest in {slowest:.1f} s")
    await beating.finish()


async def silent_desks(stage):
    """Silences ten desks under another tenant's flood. They must be logged off within a second after their lease."""
    service, desks = stage.service(), 10
    await service.start()
    quiet, busy = await make_tenants(service.port, 2, 100)
    client, looker, gone, done = Client(service.port, quiet.key), Client(service.port, quiet.key), {}, False
    taken = refused = 0

    made = [event(f"@-{m}", "status.changed", {"channels": {"chat": m % 2 == 0}}, 1 + m % 100) for m in range(1_000)]
    body = json.dumps(made, separators=(",", ":")).encode()

    async def flood(name):
        nonlocal taken, refused
        own, n = Client(service.port, busy.key), 0
        while not done:
            n += 1
            try:
                answer = await own.ask("POST", "/v1/events", body.replace(b"@", f"{name}-{n}".encode()), timeout=60)
            except Gone:
                continue
            taken, refused = taken + (answer.status == 200), refused + (answer.status != 200)
            if answer.status != 200:
                await asyncio.sleep(0.05)

    sent = time.monotonic()
    (await client.patient("POST", "/v1/events", opened(desks, "open"))).ok()
    opened_at = time.monotonic()
    floods = [asyncio.create_task(flood(n)) for n in range(32)]
    late = asyncio.create_task(speak_again(service, quiet)) if stage.control else None
    slowest = 0.0
    while len(gone) < desks and time.monotonic() < opened_at + LEASE + 15:
        asked = time.monotonic()
        here = await online(looker)
        answered = time.monotonic()
        slowest = max(slowest, answered - asked)
        gone.update({desk: (asked, answered) for desk in range(1, desks + 1) if desk not in here and desk not in gone})
        if here and asked > opened_at + LEASE + SLACK:
            stage.find(f"{len(here)} of {desks} silent desks are counted {asked - opened_at - LEASE:.1f} s after their lease ended")
            break
        await asyncio.sleep(0.02)
    done = True
    await asyncio.gather(*floods, *([late] if late else []))
    early = [desk for desk, (_, answered) in gone.items() if answered < sent + LEASE]
    if early:
        stage.find(f"desks {early} were gone before their lease ended")
    last = max((answered for _, answered in gone.values()), default=answered) - opened_at - LEASE
    stage.figure(f"{len(gone)} of {desks} gone by {last:.2f} s after the lease; {taken} requests of 1,000 events beside them, "
                 f"{refused} refused, the slowest look {slowest:.2f} s")


async def speak_again(service, tenant):
    """Sends the control's heartbeat for a desk that should be silent."""
    await asyncio.sleep(LEASE - 1.5)
    client = Client(service.port, tenant.key)
    await client.patient("POST", "/v1/events", event("late", "desk.heartbeat", {"session": "desk-1"}, 1))
