"""Measures reads of a small and of a large tenant, in turns.

Each kind of request is sent over --connections connections, with --filters different filters one after the other, so that
no single answer is asked twice in a row:

echo           POST /echo with the same bodies as user-activity: the router without any work
activity       POST /v1/user-activity/search with three filters (campaigns, queues, skills)
activity-all   the same without a filter
availability   POST /agents-availability with skills, all of which an agent must have
indicator      connectedUsersIndicator with two filters (groups, campaigns): headcount and occupancy

in three weathers:

quiet   nothing else happens
calm    a client sends 10,000 events a second to /echo, which takes processor time and changes nothing
flood   it sends them to the tenant that is asked: sessions, statuses and slots of random users

The cost is the service's processor time divided by the requests that it answered; without a number where events have a
share of it. Medians of the rounds; ratios are of one round.
"""
import argparse
import asyncio
import json
import multiprocessing
import os
import random
import shutil
import statistics
import sys
import tempfile
import time

import seed
from client import Client
from load import wrk
from service import ADMIN, Service, processor_time
from world import event

EACH = 100  # events of one request of the flood
SENDERS = 2  # connections of the flood
START_MOST = 300  # seconds: the store may have a long journal after the load
WEATHERS = ("quiet", "calm", "flood")
NAMES = ("echo", "activity", "activity-all", "availability", "indicator")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
SCRIPT = """
local requests, at = {}, 0
function init(args)
  for line in io.lines(args[1]) do requests[#requests + 1] = wrk.format("POST", nil, nil, line) end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"""


class Tenant:
    """One tenant of a service, and the files from which wrk sends requests."""

    def __init__(self, folder, key, users, filters):
        self.key, self.users, self.folder, self.targets = key, users, folder, {}
        chosen = list(distinct(filters))
        forms = [f"auth_token={key}&campaign_id={ids(c)}&queue_id={ids(q)}&filter_by_skill_options="
                 + ",".join(f"Skill%20{n}" for n in s) for _, c, q, s in chosen]
        bearer = {"Content-Type": JSON, "Authorization": f"Bearer {key}"}
        self.add("echo", "/echo", {"Content-Type": FORM}, forms)
        self.add("activity", "/v1/user-activity/search", {"Content-Type": FORM}, forms)
        self.add("activity-all", "/v1/user-activity/search", {"Content-Type": FORM}, [f"auth_token={key}"])
        self.add("availability", "/agents-availability", bearer | {"Accept": "application/vnd.newvoicemedia.v1+json"},
                 [json.dumps({"liveness": live, "skillGuids": [seed.guid("skills", n) for n in s]})
                  for (*_, s), live in zip(chosen, ["live", "semilive"] * filters)])
        self.add("indicator", "/graphql", bearer,
                 [json.dumps({"query": seed.INDICATOR, "variables": {"g": g, "c": c}}) for g, c, _, _ in chosen])

    def add(self, name, path, headers, bodies):
        base = os.path.join(self.folder, f"{self.users}-{name}")
        with open(base, "w") as file:
            file.write("\n".join(bodies) + "\n")
        with open(base + ".lua", "w") as file:
            file.write("".join(f"wrk.headers['{header}'] = '{value}'\n" for header, value in headers.items()) + SCRIPT)
            with open("benches/report.lua") as report:
                file.write(report.read())
        self.targets[name] = (path, base)


def ids(numbers):
    return ",".join(map(str, numbers))


def distinct(count):
    """Yields choices of groups, campaigns, queues and skills, such that the filters of each request are different."""
    rng, seen = random.Random(7), set()
    while len(seen) < 2 * count:
        one = tuple(sorted(rng.sample(range(first, first + number), rng.randint(1, 4)))
                    for first, number in (seed.KINDS[kind] for kind in ("groups", "campaigns", "queues", "skills")))
        marks = {("indicator", str(one[:2])), ("availability", str(one[3]))}
        if seen.isdisjoint(marks):
            seen |= marks
            yield one


def made(number, users, rng):
    """One event of the flood. Each kind changes what is counted about its user."""
    user, kind = seed.FIRST_USER + rng.randrange(users), number % 4
    if kind == 0:
        return "status.changed", user, {"channels": {"chat": rng.random() < 0.5}}
    if kind == 1:
        return "status.changed", user, {"presence": rng.choice(("Ready", "Away"))}
    if kind == 2:
        return "desk.connected", user, {"session": f"desk-{user}"}
    return "slots.synced", user, {"channel": "chat", "conversations": [f"chat-{user}-{n}" for n in range(rng.randrange(3))]}


async def send(port, key, users, path, rate, which, commands, counts):
    """Sends events at a rate while the newest command says so. `counts` has the events that were acknowledged."""
    client, rng, n, due = Client(port, key), random.Random(which), 0, time.monotonic()
    mark = f"{which}-{time.time_ns()}"
    while commands.value:
        events = []
        for k in range(EACH):
            kind, user, data = made(n * EACH + k, users, rng)
            events.append(event(f"{mark}-{n}-{k}", kind, data, user))
        answer = await client.ask("POST", path, events)
        # A store that is slower than the rate is answered 503; the rate that is printed shows it.
        if answer.status == 200:
            with counts.get_lock():
                counts.value += EACH
        else:
            assert answer.status == 503, answer.body[:300]
        n, due = n + 1, max(due + SENDERS * EACH / rate, time.monotonic() - 1)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    client.close()


def sender(*arguments):
    async def all_of():
        await asyncio.gather(*(send(*arguments[:5], which, *arguments[5:]) for which in range(SENDERS)))

    asyncio.run(all_of())


class Weather:
    """What happens beside the requests of one turn."""

    def __init__(self, name, port, tenant, rate):
        self.name, self.running, self.counts = name, multiprocessing.Value("b", 1), multiprocessing.Value("Q", 0)
        if name != "quiet":
            path = "/echo" if name == "calm" else "/v1/events"
            self.process = multiprocessing.Process(
                target=sender, args=(port, tenant.key, tenant.users, path, rate, self.running, self.counts))
            self.process.start()
            until = time.monotonic() + 30
            while not self.counts.value:
                assert time.monotonic() < until and self.process.is_alive(), "the sender of events does not begin"
                time.sleep(0.05)

    def end(self):
        self.running.value = 0
        if self.name != "quiet":
            self.process.join()
            assert self.process.exitcode == 0, "the sender of events failed"


def turn(service, tenant, weather, options):
    """Returns for each kind of request the processor time of one, in µs, and the answers a second."""
    beside, pid, found = Weather(weather, service.port, tenant, options.rate), service.process.pid, {}
    try:
        began, sent = time.monotonic(), beside.counts.value
        for name in NAMES:
            before = processor_time(pid)
            path, base = tenant.targets[name]
            url = f"http://127.0.0.1:{service.port}{path}"
            answers, rate, _, _ = wrk(base + ".lua", url, options.seconds, options.connections, base)
            found[name] = ((processor_time(pid) - before) / answers * 1e6, rate)
        found["events"] = (0, (beside.counts.value - sent) / (time.monotonic() - began))
    finally:
        beside.end()
    return found


def report(turns, sizes, programs):
    """Prints a line for each weather, program and request."""
    small, large = sizes[0], sizes[-1]
    print(f"\n|  | build | request | at {small:,}: µs | requests/s | at {large:,}: µs | requests/s | rate, large ÷ small | ÷ echo's |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (weather, program), rounds in turns.items():
        for name in NAMES if weather == "quiet" else ("events", *NAMES):
            figures = [[one[size][name] for one in rounds] for size in (small, large)]
            cost, rate = ([statistics.median(one[column] for one in of) for of in figures] for column in (0, 1))
            shown = [f"{one:.1f}" if weather == "quiet" else "" for one in cost]
            compared = ["", ""]
            if name != "events":
                ratios = [one[large][name][1] / one[small][name][1] for one in rounds]
                to_echo = [ratio / (one[large]["echo"][1] / one[small]["echo"][1]) for ratio, one in zip(ratios, rounds)]
                compared = [f"{statistics.median(column):.2f}" for column in (ratios, to_echo)]
            print(f"| {weather} | {program} | {name} | {shown[0]} | {rate[0]:,.0f} | {shown[1]} | {rate[1]:,.0f} | "
                  f"{compared[0]} | {compared[1]} |", flush=True)


async def measure(options, folder):
    kept_path, sizes = os.path.join(folder, "keys.json"), sorted(options.sizes)
    kept = {}
    if os.path.exists(kept_path):
        with open(kept_path) as file:
            kept = json.load(file)
    programs = {"now": options.program} | ({"before": options.before} if options.before else {})
    flags = ["--bench-echo", "--tenant-rate", "0", "--tenant-concurrency", "0", "--tenant-events", "10000000"]
    oldest = "before" if options.before else "now"  # the older build can read a store of its own only
    services = {oldest: Service(programs[oldest], os.path.join(folder, "store"), None, flags)}
    try:
        print("== loading" if not kept else "== starting on the kept store", flush=True)
        await services[oldest].start()
        api = seed.Api(f"http://127.0.0.1:{services[oldest].port}")
        kept |= {str(users): seed.fill(api, ADMIN, users) for users in sizes if str(users) not in kept}
        services[oldest].stop()
        with open(kept_path, "w") as file:
            json.dump(kept, file)
        loaded = os.path.join(folder, "store")
        for name in programs:
            work = os.path.join(options.work, name)
            # The last takes the store itself, unless it is to be kept.
            (shutil.move if name == list(programs)[-1] and not options.folder else shutil.copytree)(loaded, work)
            services[name] = Service(programs[name], work, None, flags)
            await services[name].start(START_MOST)
        os.sync()  # the first event of a flood would wait until the copies are on the disk
        tenants = [Tenant(options.work, kept[str(users)], users, options.filters) for users in sizes]
        turns = {(weather, name): [] for weather in WEATHERS for name in programs}
        for number in range(options.rounds):
            for weather in options.weathers:
                for name in programs:
                    print(f"   round {number + 1}, {weather}, {name}", flush=True)
                    turns[weather, name].append(
                        {tenant.users: turn(services[name], tenant, weather, options) for tenant in tenants})
        report({key: rounds for key, rounds in turns.items() if rounds}, sizes, programs)
    finally:
        for service in services.values():
            service.kill()


async def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--before", metavar="PROGRAM", help="another build, measured in the same turns")
    p.add_argument("--folder", help="keeps the store of both tenants, or uses the one that was kept")
    p.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",")], default=[1_000, 1_000_000])
    p.add_argument("--filters", type=int, default=1_000, help="different filters, in turn")
    p.add_argument("--connections", type=int, default=32)
    p.add_argument("--rate", type=int, default=10_000, help="events a second of calm and flood")
    p.add_argument("--seconds", type=int, default=2, help="length of each turn of each request")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--weathers", type=lambda text: text.split(","), default=list(WEATHERS))
    options = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="rollcall-flat.") as work:
        options.work = work
        try:
            await measure(options, options.folder or os.path.join(work, "kept"))
        except AssertionError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    asyncio.run(main())
