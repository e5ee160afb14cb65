"""Records the requests and answers of concurrent clients, and checks them as one history (history.py)."""
import argparse
import asyncio
import random
import sys
import tempfile
import time

from client import Client, Gone
from history import Operation, check, self_test
from service import Postgres, Service
from world import event, make_tenants

WRITERS, READERS = 8, 6


class FaultyClient(Client):
    """A client that simulates bugs of a service, named by `flaw`. All clients share the answers in `spoiled`."""

    def __init__(self, port, token, flaw, spoiled):
        super().__init__(port, token)
        self.flaw, self.spoiled = flaw, spoiled

    async def ask(self, method, path, body=None, **more):
        if method == "GET":
            if self.flaw == "stale" and "answer" in self.spoiled and random.random() < 0.05:
                return self.spoiled["answer"]  # an older answer, as from a stale cache
            answer = await super().ask(method, path, body, **more)
            if random.random() < 0.05:
                self.spoiled["answer"] = answer
            return answer
        if self.flaw in ("dropped", "late") and "write" in self.spoiled and random.random() < 0.05:
            if self.flaw == "late":  # acknowledged before it is durable
                asyncio.get_running_loop().call_later(0.2, self.send_later, body)
            return self.spoiled["write"]
        answer = await super().ask(method, path, body, **more)
        self.spoiled["write"] = answer
        return answer

    def send_later(self, body):
        self.spoiled.setdefault("tasks", []).append(asyncio.create_task(Client(self.port, self.token).post([body])))


class Observed:
    def __init__(self, service, tenant, flaw):
        self.service, self.tenant, self.flaw, self.spoiled = service, tenant, flaw, {}
        self.operations, self.done = [], False

    def client(self):
        if self.flaw:
            return FaultyClient(self.service.port, self.tenant.key, self.flaw, self.spoiled)
        return Client(self.service.port, self.tenant.key)

    async def write(self, user):
        """Takes conversations for one user one after the other, so that their number is the newest number written."""
        client, number = self.client(), 0
        while not self.done:
            number += 1
            made = event(f"{user}-{number}", "slot.taken", {"channel": "chat", "conversation": f"{user}-{number}"}, user)
            asked, kind = time.monotonic(), "write"
            while True:
                try:
                    answer = await client.ask("POST", "/v1/events", made)
                    if answer.status == 200:
                        break
                except Gone:
                    pass
                if self.done:
                    return  # of unknown outcome, but no read follows that could show it
                kind = "rewrite"
                await asyncio.sleep(0.05)
            position = answer.json()["position"]
            self.operations.append(Operation(f"writer {user}", kind, asked, time.monotonic(), position, user, number, None))
            if random.random() < 0.5:
                await self.look(client, f"writer {user}")
            await asyncio.sleep(random.uniform(0, 0.01))

    async def look(self, client, name):
        asked = time.monotonic()
        try:
            answer = await client.ask("GET", "/operator/live")
        except Gone:
            await asyncio.sleep(0.05)
            return
        if answer.status != 200:
            return
        shown = {row["id"]: row["chat"]["slot_number"] for row in answer.json()["data"]}
        self.operations.append(Operation(name, "read", asked, time.monotonic(), answer.position, None, None, shown))

    async def read(self, name):
        client = self.client()
        while not self.done:
            await self.look(client, name)
            await asyncio.sleep(random.uniform(0, 0.01))

    async def run(self, seconds, kills=0, restart=None):
        """Runs all clients for a time. `restart` is called so many times meanwhile, at equal distances."""
        tasks = [asyncio.create_task(self.write(n)) for n in range(1, WRITERS + 1)]
        tasks += [asyncio.create_task(self.read(f"reader {n}")) for n in range(READERS)]
        for _ in range(kills):
            await asyncio.sleep(seconds / (kills + 1))
            await restart()
        await asyncio.sleep(seconds / (kills + 1))
        self.done = True
        await asyncio.gather(*tasks)

    def summary(self):
        """Returns the numbers of operations of each kind."""
        kinds = [operation.kind for operation in self.operations]
        return (f"{kinds.count('write')} writes, {kinds.count('rewrite')} of unknown outcome sent again, "
                f"{kinds.count('read')} reads")


async def opened(port):
    """Makes a tenant with a connected user for each writer. Returns it."""
    tenant, client = (await make_tenants(port, 1, WRITERS))[0], Client(port)
    opening = [event(f"open-{n}", "desk.connected", {"session": "desk"}, n) for n in range(1, WRITERS + 1)]
    (await client.post(opening, token=tenant.key)).ok()
    client.close()
    return tenant


async def observe(service, seconds, kills=0, flaw=None):
    await service.start()
    run = Observed(service, await opened(service.port), flaw)

    async def restart():
        service.kill()
        await service.start()

    await run.run(seconds, kills, restart)
    service.kill()
    findings = check(run.operations)
    print(f"   {run.summary()}, {kills} kills, {len(findings)} findings", flush=True)
    return findings


async def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--kills", type=int, default=10)
    p.add_argument("--store", choices=("embedded", "postgres"), default="embedded")
    p.add_argument("--control", action="store_true", help="seed three kinds of bugs, each of which must be found")
    a = p.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="rollcall-history.") as folder:
        made = []

        def make(name):
            url = Postgres().database(f"history_{name}") if a.store == "postgres" else None
            made.append(Service(a.program, f"{folder}/{name}", url))
            return made[-1]

        print(f"== history: {a.store}; the checker finds {self_test()} kinds of violations", flush=True)
        try:
            if a.control:
                for flaw in ("stale", "dropped", "late"):
                    findings = await observe(make(flaw), 4, flaw=flaw)
                    print(f"   control {flaw}: {findings[0] if findings else 'NOT FOUND'}")
                    failed += [] if findings else [flaw]
            else:
                failed = await observe(make("history"), a.seconds, a.kills)
        finally:
            for service in made:
                service.kill()
    if failed:
        sys.exit("\n".join(failed[:20]))


if __name__ == "__main__":
    asyncio.run(main())
