"""Clients of several replicas: writers that go elsewhere when one does not answer, and desks that send heartbeats."""
import asyncio
import random
import time

from client import Client, Gone
from world import anything, event

TIMEOUT = 3.0  # seconds after which a client goes to another replica


class Elsewhere:
    """Sends a request to a replica, and again to the next one while there is no answer, or 503."""

    def __init__(self, ports, token=None, stays=False):
        self.clients = [Client(port, token) for port in ports]
        self.at, self.stays = random.randrange(len(ports)), stays

    async def ask(self, *args, until=None, **more):
        """Returns the first answer that is not 503; None if there is none until a time."""
        while until is None or time.monotonic() < until:
            try:
                answer = await self.clients[self.at].ask(*args, timeout=TIMEOUT, **more)
                if answer.status != 503:
                    return answer
            except Gone:
                pass
            if not self.stays:
                self.at = (self.at + 1) % len(self.clients)
            await asyncio.sleep(0.02)
        return None

    def spread(self):
        """Sends the next request to any replica."""
        if not self.stays:
            self.at = random.randrange(len(self.clients))

    def close(self):
        for client in self.clients:
            client.close()


class Writers:
    """Concurrent writers of random events, each request to another replica. Their answers are in a ledger."""

    def __init__(self, ports, ledger, count=32, flaw=None):
        self.ports, self.ledger, self.flaw, self.done = ports, ledger, flaw, False
        self.waits, self.first_after = [], {}  # seconds until a request was acknowledged; see `mark`
        self.tasks = [asyncio.create_task(self.write(f"{time.monotonic_ns()}-{n}")) for n in range(count)]

    def mark(self, name):
        """Begins to wait for the first acknowledgement of a request that is sent from now on."""
        self.first_after[name] = [time.monotonic(), None]

    async def first(self, name, patience):
        """Returns the seconds from a mark to that acknowledgement; None if it does not come in time."""
        marked = self.first_after[name]
        while marked[1] is None and time.monotonic() < marked[0] + patience:
            await asyncio.sleep(0.02)
        return marked[1] and marked[1] - marked[0]

    async def write(self, name):
        client, n = Elsewhere(self.ports, stays=self.flaw == "stays"), 0
        while not self.done:
            n += 1
            client.spread()
            tenant = random.choice(self.ledger.tenants)
            count = 1 if random.random() < 0.5 else random.randint(2, 12)
            entry = self.ledger.open(tenant, [anything(f"{name}-{n}-{m}", tenant) for m in range(count)])
            if self.flaw == "early" and n % 10 == 0:  # recorded as acknowledged, and never sent
                entry.outcomes = ["applied"] * count
                continue
            body = entry.events[0] if count == 1 else entry.events
            if self.flaw == "twice" and n % 5 == 0:  # sends the events with other ids as well, without recording them
                again = [{**one, "id": one["id"] + "-again"} for one in entry.events]
                await client.ask("POST", "/v1/events", again, token=tenant.key, until=time.monotonic() + 1)
            began = time.monotonic()
            answer = await client.ask("POST", "/v1/events", body, token=tenant.key, until=began + 60)
            if answer is None:
                self.ledger.find("a write was not acknowledged within 60 s")
                return
            if answer.status != 200:
                self.ledger.find(f"a write was answered {answer.status} {answer.body[:200]!r}")
                return
            entry.answered(answer)
            now = time.monotonic()
            self.waits.append(now - began)
            for marked in self.first_after.values():
                if marked[1] is None and began >= marked[0]:
                    marked[1] = now
        client.close()

    async def stop(self):
        self.done = True
        await asyncio.gather(*self.tasks)

    def abandon(self):
        for task in self.tasks:
            task.cancel()


class Desks:
    """Desks with leases over plain HTTP, whose heartbeats reach any replica, and the number of those that are counted."""

    def __init__(self, ports, tenant, count, lease):
        self.ports, self.tenant, self.count, self.lease = ports, tenant, count, lease
        self.findings, self.taken, self.looks, self.done, self.tasks = [], 0, 0, False, []
        self.position = 0  # of the newest opening

    def events(self, name, kind, numbers, **data):
        return [event(f"{name}-{n}", kind, {"session": f"desk-{n}", **data}, n) for n in numbers]

    async def open(self, numbers):
        made = self.events(f"open-{time.monotonic_ns()}", "desk.connected", numbers, lease_seconds=self.lease)
        client = Elsewhere(self.ports, self.tenant.key)
        answer = (await client.ask("POST", "/v1/events", made, until=time.monotonic() + 30)).ok()
        self.position = answer.json()["position"]
        client.close()

    async def start(self, silent=0, leaving=0):
        """Opens all desks but the last `silent` ones. The control lets some of the live ones send no heartbeats."""
        self.live = range(1, self.count - silent + 1)
        await self.open(self.live)
        share = max(1, len(self.live) // 8)
        for first in range(1, len(self.live) + 1, share):
            numbers = [n for n in range(first, min(first + share, len(self.live) + 1)) if n > leaving]
            self.tasks.append(asyncio.create_task(self.beat(f"beat-{first}", numbers)))
        self.tasks.append(asyncio.create_task(self.look()))

    async def beat(self, name, numbers):
        client, n = Elsewhere(self.ports, self.tenant.key), 0
        while not self.done and not self.findings:
            n += 1
            client.spread()
            answer = await client.ask("POST", "/v1/events", self.events(f"{name}-{n}", "desk.heartbeat", numbers),
                                      until=time.monotonic() + 60)
            if answer is None or answer.status != 200:
                self.findings.append(f"heartbeats were answered {answer and answer.status} {answer and answer.body[:200]!r}")
                return
            self.taken += len(numbers)
            rejected = [r for r in answer.json()["results"] if r["outcome"] == "rejected"]
            if rejected:
                self.findings.append(f"{len(rejected)} heartbeats were rejected: {rejected[0]}")
                return
            await asyncio.sleep(self.lease / 4)
        client.close()

    async def look(self):
        """Checks all the time, at any replica, that every live desk is counted."""
        clients = [Client(port, self.tenant.key) for port in self.ports]
        query = {"query": "{connectedUsersIndicator{connectedUsersCount}}"}
        while not self.done and not self.findings:
            headers = {"Rollcall-Min-Position": str(self.position)}
            try:
                answer = await random.choice(clients).ask("POST", "/graphql", query, headers, timeout=2)
            except Gone:
                continue
            if answer.status != 200 or "data" not in answer.json() or answer.json()["data"] is None:
                continue
            counted = answer.json()["data"]["connectedUsersIndicator"]["connectedUsersCount"]
            self.looks += 1
            if counted < len(self.live):
                self.findings.append(f"{len(self.live) - counted} of {len(self.live)} live desks were logged off")
            await asyncio.sleep(0.1)

    async def stop(self):
        self.done = True
        await asyncio.gather(*self.tasks)
