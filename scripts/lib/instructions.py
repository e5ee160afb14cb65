"""Counts the instructions that the service executes for a request, by callgrind.

search      POST /v1/user-activity/search with three filters, in a tenant of 64 users
graphql     connectedUsersIndicator with two filters, headcount and occupancy, in the same tenant
kernel      what a search that was not asked before takes more in a tenant of 49,152 users: the count itself

Each is the lowest of three runs of --requests requests, which are sent together on one connection. callgrind runs one thread at a time and knows no AVX-512, so the kernel is the one for AVX2.
"""
import argparse
import asyncio
import glob
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.getcwd(), "benches"))
import seed
from client import Client, read_answer, request
from service import ADMIN, Service

RECORDED = "benches/instructions.json"
ROOM = 1.2  # of the recorded number: libraries choose code by the processor, and hashes differ from run to run
RUNS = 3
SMALL, LARGE = 64, 49_152
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Counted(Service):
    """The service under callgrind, which counts while it is told to."""

    def __init__(self, program, folder):
        super().__init__(program, folder, None, ["--bench-echo", "--tenant-rate", "0", "--tenant-concurrency", "0"])
        self.folder = folder
        self.command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet",
                        f"--callgrind-out-file={folder}/count", *self.command]
        # Others would look for work meanwhile, which counts as well.
        self.environment["TOKIO_WORKER_THREADS"] = "1"

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


async def count(service, client, path, bodies, headers):
    """Returns the instructions of one request. All are sent at once, so that nothing waits in between."""
    (await client.ask("POST", path, bodies[-1], headers)).ok()
    service.read()
    client.writer.write(b"".join(request("POST", path, None, body, headers) for body in bodies))
    for _ in bodies:
        (await read_answer(client.reader)).ok()
    return service.read() / len(bodies)


async def measure(service, keys, requests):
    await service.start(180)
    client = Client(service.port)
    bearer = {"Content-Type": "application/json", "Authorization": f"Bearer {keys[SMALL]}"}
    indicator = json.dumps({"query": seed.INDICATOR, "variables": {"g": [1, 2], "c": [111, 112]}}).encode()

    pairs = itertools.combinations
    different = itertools.product(pairs(range(201, 211), 2), pairs(range(1, 21), 2))

    def searches(users):
        """As many searches as are counted, none of which was made before."""
        chosen = [next(different) for _ in range(requests)]
        return [f"auth_token={keys[users]}&campaign_id=111,112&queue_id={q[0]},{q[1]}&filter_by_skill_options=Skill%20{s[0]},"
                f"Skill%20{s[1]}".encode() for q, s in chosen]

    path = "/v1/user-activity/search"
    asked = {"search": lambda: (path, searches(SMALL), FORM), "graphql": lambda: ("/graphql", [indicator] * requests, bearer),
             "large": lambda: (path, searches(LARGE), FORM)}
    service.tell("--instr=on")
    found = {}
    for name, what in asked.items():
        found[name] = round(min([await count(service, client, *what()) for _ in range(RUNS)]))
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
        # Loaded without callgrind, and stopped, so that nothing is left to be written when requests are counted.
        loading, service = Service(options.program, folder), Counted(options.program, folder)
        try:
            await loading.start()
            api = seed.Api(f"http://127.0.0.1:{loading.port}")
            keys = {users: seed.fill(api, ADMIN, users, desks=SMALL) for users in (SMALL, LARGE)}
            loading.stop()
            found = await measure(service, keys, options.requests)
        finally:
            loading.kill()
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
