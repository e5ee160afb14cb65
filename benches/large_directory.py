"""Measures a tenant with a large directory, and a small tenant beside it, through HTTP.

For each of --sizes, on a new store and with the service's default settings:

load      Sends the users in documents of 10,000 (PUT /v1/directory), one after the other on one connection. Beside it a
          tenant of 25 users sends single events (POST /v1/events) back to back on a second connection, and reads in
          every dialect, every 20 ms, on a third.
change    Changes the names of --writes random users (PUT /operator/{id}), one after the other. The small tenant's
          single events are timed in turns: "calm", without the changes, and "beside" them.
restart   SIGTERM until the process has ended ("stop"), a start until /readyz is 200, 20 more changes, and kill -9 with
          another start. After each start the changed names, the number of users and the positions of both tenants must
          be as they were acknowledged.

Times are those that the clients see. In a stall, a client that sends back to back has one slow request, so the maximum
says more than the p99. Memory is the service's VmRSS. Ratios and restarts are reported and have no bound.

Exits with 1 if a request is answered other than 200 or not at all, if one of the small tenant's takes longer than 1 s,
or if something acknowledged is not there.
"""
import argparse
import asyncio
import collections
import json
import random
import sys
import tempfile
import time

import seed
from client import Client, Gone
from questions import QUESTIONS, ask
from service import ADMIN, Postgres, Service
from world import event, make_tenants

USERS = 25  # of the small tenant
PROMISED = 1.0  # seconds that a request of the small tenant may take
READ_PAUSE = 0.02  # seconds between two reads of the small tenant
DOCUMENT_MOST = 120.0  # seconds for the answer to a document
TRIES, TRY_PAUSE = 60, 0.5  # of a document that is refused; seconds
ROUNDS, CALM = 5, 1.0  # turns of the changes; seconds of each turn without them
LATER = 20  # changes between the two restarts


class Requests:
    """The times of one kind of request, and the failures among them."""

    def __init__(self):
        self.seconds, self.failed = [], collections.Counter()

    async def timed(self, asking):
        """Returns the answer if it is 200; otherwise counts a failure and pauses."""
        began = time.monotonic()
        try:
            answer = await asking
            status = str(answer.status)
        except Gone:
            status = "no answer"
        self.seconds.append(time.monotonic() - began)
        if status == "200":
            return answer
        self.failed[status] += 1
        await asyncio.sleep(TRY_PAUSE)
        return None

    def figures(self, name):
        ordered = sorted(self.seconds)

        def at(share):
            return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000, 2) if ordered else None

        return {f"{name}_count": len(ordered), f"{name}_p50_ms": at(0.5), f"{name}_p99_ms": at(0.99),
                f"{name}_max_ms": at(1), f"{name}_failed": dict(self.failed)}

    def broken(self, name, promised=None):
        """Returns the promises that these requests break."""
        found = [f"{name}: {count} x {status}" for status, count in self.failed.items()]
        late = [seconds for seconds in self.seconds if promised and seconds > promised]
        if late:
            found.append(f"{name}: {len(late)} took longer than {promised:g} s, up to {max(late):.2f} s")
        return found


class Small:
    """The tenant beside the large one: its users are at their desks and change their presence."""

    def __init__(self, port, tenant, find):
        self.tenant, self.find, self.events, self.position = tenant, find, 0, 0
        self.writer, self.reader = Client(port, tenant.key), Client(port, tenant.key)

    async def connect(self):
        desks = [event(f"desk-{user}", "desk.connected", {"session": "desk"}, user) for user in range(1, USERS + 1)]
        answer = (await self.writer.post(desks)).ok()
        if answer.json()["applied"] != USERS:
            raise AssertionError(f"the desks are not connected: {answer.body[:300]!r}")

    async def beside(self, work, events, reads=None):
        """Runs the work while the tenant sends events, and reads if they are to be timed; returns the work's result."""
        task = asyncio.create_task(work)
        loops = [self.write(events, task.done)] + ([self.read(reads, task.done)] if reads else [])
        try:
            return (await asyncio.gather(task, *loops))[0]
        finally:
            task.cancel()

    async def write(self, requests, until):
        while not until():
            self.events += 1
            presence = ("Away", "Ready")[(self.events - 1) // USERS % 2]
            made = event(f"small-{self.events}", "status.changed", {"presence": presence}, self.events % USERS + 1)
            answer = await requests.timed(self.writer.post([made]))
            if answer is not None:
                self.position = answer.position

    async def read(self, requests, until):
        while not until():
            question = QUESTIONS[len(requests.seconds) % len(QUESTIONS)]
            answer = await requests.timed(ask(self.reader, question, self.tenant.key))
            if answer is not None:
                question[-1](answer, USERS, self.find)
            await asyncio.sleep(READ_PAUSE)

    async def audit(self, find):
        answer = (await self.reader.ask("GET", "/operator/live")).ok()
        if answer.position < self.position:
            find(f"the small tenant is at position {answer.position}, {self.position} was acknowledged")

    def close(self):
        self.writer.close()
        self.reader.close()


class Large:
    """The tenant with the large directory."""

    def __init__(self, port, users):
        self.key = seed.make_tenant(seed.Api(f"http://127.0.0.1:{port}"), ADMIN)
        self.client, self.users, self.random = Client(port, self.key), users, random.Random(users)
        self.names, self.changes, self.position = {}, 0, 0  # the acknowledged names of changed users, by id

    async def load(self, documents, requests):
        """Sends every document until it is taken; returns the seconds for all of them."""
        began = time.monotonic()
        for document in documents:
            for _ in range(TRIES):
                asking = self.client.ask("PUT", "/v1/directory", document, timeout=DOCUMENT_MOST)
                answer = await requests.timed(asking)
                if answer is not None:
                    self.position = answer.position
                    break
            else:
                raise AssertionError(f"a document was not taken in {TRIES} tries: {dict(requests.failed)}")
        return time.monotonic() - began

    async def change(self, count, requests):
        for _ in range(count):
            self.changes += 1
            user, name = seed.FIRST_USER + self.random.randrange(self.users), f"Changed {self.changes}"
            answer = await requests.timed(self.client.ask("PUT", f"/operator/{user}", {"name": name}))
            if answer is None:
                self.names.pop(user, None)  # without an answer either name may be there
            else:
                self.names[user], self.position = name, answer.position

    async def audit(self, find):
        """Finds acknowledged changes that the service does not show, and users that it does not count."""
        for user, name in self.names.items():
            answer = (await self.client.ask("GET", f"/operator/{user}")).ok()
            shown = answer.json()["data"]["name"]
            if shown != name:
                find(f"user {user} is called {shown!r}, {name!r} was acknowledged")
        count = next(question for question in QUESTIONS if question[1] == "/agents-availability")
        answer = (await ask(self.client, count, self.key)).ok()
        count[-1](answer, self.users, find)
        if answer.position < self.position:
            find(f"the large tenant is at position {answer.position}, {self.position} was acknowledged")

    def close(self):
        self.client.close()


def stop(service):
    """Returns the seconds from SIGTERM to the end of the process."""
    process, began = service.process, time.monotonic()
    try:
        service.stop()
    finally:
        process.kill()  # one that did not end in time; otherwise without effect
    return time.monotonic() - began


async def measure(service, run, find, writes):
    """Adds the figures of one size to the run, and the promises that they break to the findings."""
    users, kinds = run["users"], collections.defaultdict(Requests)
    say("making the documents")
    documents = [json.dumps(document, separators=(",", ":")).encode()
                 for document in seed.documents(users, random.Random(users))]
    await service.start()
    run["empty_mib"] = service.rss_mib()
    large = Large(service.port, users)
    (tenant,) = await make_tenants(service.port, 1, USERS)
    small = Small(service.port, tenant, find)
    await small.connect()

    def conclude(*names):
        for name in names:
            run.update(kinds[name].figures(name))
            for what in kinds[name].broken(name, PROMISED if name.startswith(("event", "read")) else None):
                find(what)

    try:
        say(f"loading {len(documents)} documents")
        loading = large.load(documents, kinds["document"])
        run["load_seconds"] = await small.beside(loading, kinds["event_in_load"], kinds["read_in_load"])
    finally:
        conclude("document", "event_in_load", "read_in_load")
    run["load_users_per_second"] = users / run["load_seconds"]
    run["loaded_mib"] = service.rss_mib()

    say(f"changing {writes} users")
    for number in range(ROUNDS):
        await small.beside(asyncio.sleep(CALM), kinds["event_calm"])
        share = writes * (number + 1) // ROUNDS - writes * number // ROUNDS
        await small.beside(large.change(share, kinds["change"]), kinds["event_beside"])
    conclude("change", "event_calm", "event_beside")
    run["event_beside_p99_to_calm"] = run["event_beside_p99_ms"] / run["event_calm_p99_ms"]
    run["changed_mib"] = service.rss_mib()
    await restart(service, (large, small), run, find)


async def restart(service, tenants, run, find):
    """Stops, starts, kills and starts the service, and compares it with what was acknowledged each time."""
    large, later = tenants[0], Requests()

    async def start_again():
        for tenant in tenants:
            tenant.close()  # its connections ended with the service
        seconds = await service.start()
        for tenant in tenants:
            await tenant.audit(find)
        return seconds

    say("stopping and starting")
    run["stop_seconds"] = stop(service)
    run["start_seconds"] = await start_again()
    run["started_mib"] = service.rss_mib()
    await large.change(LATER, later)
    service.kill()
    run["start_after_kill_seconds"] = await start_again()
    for what in later.broken("change after a start"):
        find(what)


def say(what):
    print(f"   {what}", flush=True)


def table(runs):
    """Prints a line for each figure and a column for each size."""
    def text(value):
        if isinstance(value, dict):
            return ", ".join(f"{count} x {status}" for status, count in value.items()) or "0"
        return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"

    for name in dict.fromkeys(name for run in runs for name in run):
        print(f"{name.replace('_', ' '):28}" + "".join(f" {text(run.get(name)):>12}" for run in runs), flush=True)


def sizes(text):
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise ValueError(text)
    return numbers


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--store", choices=("embedded", "postgres"), default="embedded")
    p.add_argument("--sizes", type=sizes, default=[1_000, 10_000, 100_000, 1_000_000], metavar="N,N...",
                   help="users of the large tenant, each on a store of its own")
    p.add_argument("--writes", type=int, default=300, help="changes of single users")
    p.add_argument("--json", metavar="FILE", help="all figures and findings")
    return p.parse_args()


async def main():
    options, runs, findings = arguments(), [], []
    if options.writes < ROUNDS:
        sys.exit(f"--writes must be at least {ROUNDS}")
    with tempfile.TemporaryDirectory(prefix="rollcall-large.") as folder:
        for number, users in enumerate(options.sizes):
            print(f"== {users:,} users, {options.store}", flush=True)
            url = Postgres().database(f"large_{number}") if options.store == "postgres" else None
            service = Service(options.program, f"{folder}/{number}", url)
            runs.append({"users": users})

            def find(what, prefix=f"{users:,} users: "):
                findings.append(prefix + what)

            try:
                await measure(service, runs[-1], find, options.writes)
            except Exception as error:  # the other sizes are still measured
                find(f"{type(error).__name__}: {error}")
            finally:
                service.kill()
    changed = [run for run in runs if run.get("change_p50_ms")]
    for run in changed:
        run["change_p50_to_first"] = run["change_p50_ms"] / changed[0]["change_p50_ms"]
    table(runs)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"store": options.store, "runs": runs, "findings": findings}, file, indent=1)
    if findings:
        sys.exit("\n".join(findings[:30]))


if __name__ == "__main__":
    asyncio.run(main())
