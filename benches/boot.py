"""Measures how long the service takes to start and to stop with a large store.

Makes the store once, through HTTP: --tenants tenants with --users users in all. With --desks four fifths of the users are
at their desks, and about half of those hold conversations. Then, --rounds times:

start             From the start of the process until /readyz is 200.
start after kill  The same after 20 changes of single users and kill -9.
stop              From SIGTERM until the process has ended, after 20 changes.
copy              Reads the rows of all checkpoints with COPY, in text and in binary form (PostgreSQL only).

After each start the number of users of a tenant and the names changed last are compared with what was acknowledged. With
--before, another build takes turns with this one.
"""
import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

import seed
from client import Client
from questions import QUESTIONS, ask
from service import ADMIN, Postgres, Service
from world import time_text

CHANGES = 20  # before each stop and each kill
MAKERS = 8  # connections that make the store
BATCH = 2_000  # events in a request
COUNT = next(question for question in QUESTIONS if question[1] == "/agents-availability")


class Store:
    """The store, with the keys of its tenants and the names of users that were changed."""

    def __init__(self, options, folder, url):
        self.options, self.folder, self.url = options, folder, url
        self.users = options.users // options.tenants
        self.keys, self.names, self.changes = [], {}, 0

    def service(self, program):
        return Service(program, self.folder, self.url)

    async def make(self, program):
        service = self.service(program)
        await service.start()
        began, numbers = time.monotonic(), iter(range(self.options.tenants))

        async def make_tenants():
            # Synchronous, as other threads' requests are what the service is slow at.
            for number in numbers:
                self.keys.append(await asyncio.to_thread(self.make_tenant, service.port, number))

        await asyncio.gather(*(make_tenants() for _ in range(min(MAKERS, self.options.tenants))))
        say(f"made {self.options.tenants:,} tenants with {self.users:,} users each in {time.monotonic() - began:.1f} s")
        service.stop()

    def make_tenant(self, port, number):
        api, rng = seed.Api(f"http://127.0.0.1:{port}"), random.Random(number)
        key = seed.make_tenant(api, ADMIN)
        for document in seed.documents(self.users, rng):
            api.call("PUT", "/v1/directory", key, document)
        if self.options.desks:
            numbers = range(seed.FIRST_USER, seed.FIRST_USER + self.users)
            made, now = (one for user in numbers for one in seed.desk(user, rng)), time_text(60)
            events = [{"specversion": "1.0", "id": f"seed-{n}", "source": "/bench/boot", "type": kind,
                       "subject": str(user), "time": now, "data": data} for n, (kind, user, data) in enumerate(made)]
            for start in range(0, len(events), BATCH):
                api.call("POST", "/v1/events", key, events[start : start + BATCH])
        api.connection.close()
        return key

    async def change(self, port):
        client = Client(port)
        for _ in range(CHANGES):
            self.changes += 1
            place, name = (random.choice(self.keys), seed.FIRST_USER + random.randrange(self.users)), f"Changed {self.changes}"
            (await client.ask("PUT", f"/operator/{place[1]}", {"name": name}, token=place[0])).ok()
            self.names[place] = name
        client.close()

    async def audit(self, port):
        client = Client(port)

        def find(what):
            raise AssertionError(what)

        key = random.choice(self.keys)
        COUNT[-1]((await ask(client, COUNT, key)).ok(), self.users, find)
        for (key, user), name in list(self.names.items())[-2 * CHANGES:]:
            shown = (await client.ask("GET", f"/operator/{user}", token=key)).ok().json()["data"]["name"]
            if shown != name:
                find(f"user {user} is called {shown!r}, {name!r} was acknowledged")
        client.close()


async def measure(store, program, seconds):
    """Starts, stops, starts, kills and starts the service, and adds the seconds."""
    service = store.service(program)
    try:
        seconds["start"].append(await service.start())
        await store.audit(service.port)
        await store.change(service.port)
        began = time.monotonic()
        service.stop()
        seconds["stop"].append(time.monotonic() - began)
        await service.start()
        await store.change(service.port)
        service.kill()
        seconds["start after kill"].append(await service.start())
        await store.audit(service.port)
        seconds["resident MiB"].append(service.rss_mib())
        service.stop()
    finally:
        service.kill()


def copy(url, form):
    """Returns the seconds that a COPY of the checkpoints' rows takes, without a client that decodes them."""
    psql, began = os.path.join(os.environ["POSTGRES_BIN"], "psql"), time.monotonic()
    subprocess.run([psql, "--no-psqlrc", "--quiet", "-c", f"copy state_row to stdout (format {form})", url],
                   stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def say(what):
    print(f"   {what}", flush=True)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--before", metavar="PROGRAM", help="another build, measured in turns with this one")
    p.add_argument("--store", choices=("embedded", "postgres"), default="embedded")
    p.add_argument("--users", type=int, default=1_000_000, help="users in all")
    p.add_argument("--tenants", type=int, default=1, help="tenants, with the same number of users each")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--desks", action="store_true", help="connect desks and take conversations")
    p.add_argument("--json", metavar="FILE", help="all figures")
    return p.parse_args()


async def main():
    options = arguments()
    programs = {"before": options.before, "now": options.program} if options.before else {"now": options.program}
    kinds = ("start", "start after kill", "stop", "resident MiB")
    figures = {name: {kind: [] for kind in kinds} for name in programs}
    with tempfile.TemporaryDirectory(prefix="rollcall-boot.") as folder:
        url = Postgres().database("boot") if options.store == "postgres" else None
        store = Store(options, folder, url)
        await store.make(options.program)
        if url:
            Postgres().run("vacuum analyze state_row", url)
            figures["COPY"] = {form: [] for form in ("text", "binary")}
        for _ in range(options.rounds):
            for name, program in programs.items():
                await measure(store, program, figures[name])
                say(name + ": " + ", ".join(f"{kind} {found[-1]:.2f}" for kind, found in figures[name].items()))
            for form, found in figures.get("COPY", {}).items():
                found.append(copy(url, form))
    for name, kinds in figures.items():
        for kind, found in kinds.items():
            print(f"{name:8} {kind:18} median {statistics.median(found):9.2f}   "
                  f"lowest {min(found):9.2f}   highest {max(found):9.2f}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"options": vars(options), "figures": figures}, file, indent=1)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except AssertionError as error:
        sys.exit(str(error))
