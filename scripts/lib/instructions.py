"""Counts the instructions that the service executes for a request, by callgrind.

search      POST /v1/user-activity/search with three filters, in a tenant of 64 users
graphql     connectedUsersIndicator with two filters, headcount and occupancy, in the same tenant
kernel      what a search takes more in a tenant of 16,384 users: the count itself

Each is the lowest of three runs of --requests requests on one connection, less the instructions of as many requests to
/echo with the same body, so that what HTTP costs is not counted. Instructions of the idle service are taken off. callgrind
runs one thread at a time and knows no AVX-512, so the kernel is the one for AVX2.
"""
import argparse
import asyncio
import glob
import json
import os
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.getcwd(), "benches"))
import seed
from client import Client
from service import ADMIN, Service
from world import event

RECORDED = "benches/instructions.json"
ROOM = 1.1  # of the recorded number: allocations and hashes differ from run to run
RUNS = 3
SMALL, LARGE = 64, 16_384
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
INDICATOR = ("query($g:[LegacyId!],$c:[LegacyId!]){connectedUsersIndicator(groupIds:$g,campaignIds:$c){connectedUsersCount "
             "countByChatAvailabilityStatus{available busy toggleOff} usersInProductionChatOccupancy"
             "{maximumSimultaneousConversationAverage simultaneousConversationAverage occupancyRate}}}")


class Counted(Service):
    """The service under callgrind, which counts while it is told to."""

    def __init__(self, program, folder):
        super().__init__(program, folder, None, ["--bench-echo", "--tenant-rate", "0", "--tenant-concurrency", "0"])
        self.folder = folder
        self.command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet",
                        f"--callgrind-out-file={folder}/count", *self.command]

    def tell(self, *words):
        ran = subprocess.run(["callgrind_control", *words, str(self.process.pid)], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr

    def read(self):
        """Returns the instructions since the last reading."""
        before = set(glob.glob(f"{self.folder}/count*"))
        self.tell("--dump")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for path in set(glob.glob(f"{self.folder}/count*")) - before:
                with open(path) as file:
                    for line in file:
                        if line.startswith("totals:"):
                            return int(line.split()[1])
            time.sleep(0.05)
        raise AssertionError("callgrind wrote no numbers")


async def load(service, users):
    """Makes a tenant, whose users have desks, and returns its key."""
    api, rng = seed.Api(f"http://127.0.0.1:{service.port}"), random.Random(users)
    key = seed.make_tenant(api, ADMIN)
    numbers = range(seed.FIRST_USER, seed.FIRST_USER + users)
    for document in seed.documents(users, rng):
        api.call("PUT", "/v1/directory", key, document)
    events = [event(f"seed-{n}", kind, data, number)
              for n, (kind, number, data) in enumerate(made for number in numbers for made in seed.desk(number, rng))]
    for start in range(0, len(events), 1_000):
        api.call("POST", "/v1/events", key, events[start : start + 1_000])
    return key


async def count(service, client, path, body, headers, requests):
    """Returns the instructions of one request, less those of the idle service meanwhile."""
    (await client.ask("POST", path, body, headers)).ok()
    service.read()
    began = time.monotonic()
    await asyncio.sleep(0.5)
    idle = service.read() / (time.monotonic() - began)
    began = time.monotonic()
    for _ in range(requests):
        (await client.ask("POST", path, body, headers)).ok()
    passed = time.monotonic() - began
    return (service.read() - idle * passed) / requests


async def measure(service, requests):
    await service.start(180)
    keys = {users: await load(service, users) for users in (SMALL, LARGE)}
    client = Client(service.port)
    bearer = {"Content-Type": "application/json", "Authorization": f"Bearer {keys[SMALL]}"}
    indicator = json.dumps({"query": INDICATOR, "variables": {"g": [1, 2], "c": [111, 112]}}).encode()

    def search(users):
        return (f"auth_token={keys[users]}&campaign_id=111,112&queue_id=201,202&filter_by_skill_options=Skill%201,Skill%202"
                .encode())

    asked = {"search": ("/v1/user-activity/search", search(SMALL), FORM), "graphql": ("/graphql", indicator, bearer),
             "large": ("/v1/user-activity/search", search(LARGE), FORM)}
    service.tell("--instr=on")
    found = {}
    for name, (path, body, headers) in asked.items():
        runs = []
        for _ in range(RUNS):
            echo = await count(service, client, "/echo", body, headers, requests)
            runs.append(await count(service, client, path, body, headers, requests) - echo)
        found[name] = round(min(runs))
    client.close()
    found["kernel"] = found.pop("large") - found["search"]
    return found


def compare(found, recorded):
    """Prints the numbers. Returns those that are over the recorded ones."""
    over = []
    for name, number in found.items():
        known = recorded.get(name)
        ratio = number / known if known else 0
        print(f"{name:8} {number:>12,} instructions, recorded {known if known is None else format(known, ',')}"
              + (f" ({ratio:.2f})" if known else ""), flush=True)
        if known is None or ratio > ROOM:
            over.append(name)
    return over


async def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--requests", type=int, default=100)
    p.add_argument("--record", action="store_true", help=f"writes the numbers to {RECORDED}")
    options = p.parse_args()
    build = "debug" if "/debug/" in options.program else "release"
    with tempfile.TemporaryDirectory(prefix="rollcall-instructions.") as folder:
        service = Counted(options.program, folder)
        try:
            found = await measure(service, options.requests)
        finally:
            service.kill()
    recorded = {}
    if os.path.exists(RECORDED):
        with open(RECORDED) as file:
            recorded = json.load(file)
    over = compare(found, recorded.get(build, {}))
    if options.record:
        with open(RECORDED, "w") as file:
            json.dump(recorded | {build: found}, file, indent=2, sort_keys=True)
            file.write("\n")
    elif over:
        sys.exit(f"over {ROOM} of what is recorded, or not recorded: {', '.join(over)}")


if __name__ == "__main__":
    asyncio.run(main())
