"""Asks the service, Redis and PostgreSQL how many agents of some campaigns, queues and skills are logged in, and how many of
those are available for a call.

The users are those of benches/seed.py. Whether one is available is computed here, by the rules of
docs/reference/events.md, and given to Redis and PostgreSQL as a bit of the user; the service derives it from its events.
Each is asked --filters different questions, one after the other on one connection, and then the same again; all answers must
be equal. Times are those that the client sees, in ms: the median of the first and of the second round.

service      POST /v1/user-activity/search over HTTP
redis        BITOP OR for the values of each filter, BITOP AND of the three and of a state, BITCOUNT; in one round trip
postgresql   integer arrays with a GIN index each, `&&`, and count(*) FILTER; through a prepared statement of psql
"""
import argparse
import asyncio
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import seed
from client import Client
from ports import free_port
from service import ADMIN, Postgres, Service

FILTERS = {"campaigns": "campaign_id", "queues": "queue_id", "skills": "filter_by_skill_options"}


class Population:
    """The users of seed.py with their desks, and for each whether the user is logged in, and available for a call."""

    def __init__(self, users):
        rng = random.Random(users)
        self.documents = list(seed.documents(users, rng))
        self.people = [user for document in self.documents for user in document["users"]]
        self.events, self.logged_in, self.available = [], [], []
        for user in self.people:
            desk = list(seed.desk(user["id"], rng))
            self.events += desk
            data = [one for _, _, one in desk]
            away = any("presence" in one for one in data)
            off = any(one.get("channels", {}).get("call") is False for one in data)
            holds = {one["channel"] for one in data if "channel" in one}
            free = "call" not in holds and (user["chat_and_call"] or not holds)
            self.logged_in.append(bool(desk))
            self.available.append(bool(desk) and user["channels"]["call"]["enabled"] and not away and not off and free)


def questions(count):
    rng = random.Random(11)

    def some(kind):
        first, number = seed.KINDS[kind]
        return sorted(rng.sample(range(first, first + number), rng.randint(1, 3)))

    return [{kind: some(kind) for kind in FILTERS} for _ in range(count)]


class Ours:
    def __init__(self, port, key):
        self.client, self.key = Client(port, key), key

    async def ask(self, question):
        names = question | {"skills": [f"Skill%20{n}" for n in question["skills"]]}
        form = "&".join(f"{FILTERS[kind]}={','.join(map(str, names[kind]))}" for kind in FILTERS)
        answer = await self.client.ask("POST", "/v1/user-activity/search", f"auth_token={self.key}&{form}".encode(),
                                       {"Content-Type": "application/x-www-form-urlencoded"})
        data = answer.ok().json()["data"]
        return data["logged_in_agents"], data["available_agents"]


class Redis:
    """A private Redis without persistence, asked over a socket."""

    def __init__(self, population):
        port = free_port()
        self.process = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
                                         "no"], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port))
                break
            except OSError:
                assert time.monotonic() < until, "Redis did not start"
                time.sleep(0.05)
        self.file = self.socket.makefile("rb")
        sets = {"logged_in": population.logged_in, "available": population.available}
        for kind in FILTERS:
            first, number = seed.KINDS[kind]
            for value in range(first, first + number):
                sets[f"{kind}:{value}"] = [value in user[kind] for user in population.people]
        for name, bits in sets.items():
            text = "".join("1" if bit else "0" for bit in bits) + "0" * (-len(bits) % 8)
            self.run([["SET", name, int(text, 2).to_bytes(len(text) // 8, "big")]])

    def run(self, commands):
        """Sends commands together and returns their numbers."""
        sent = b""
        for command in commands:
            parts = [part if isinstance(part, bytes) else part.encode() for part in command]
            sent += b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        self.socket.sendall(sent)
        answers = [self.file.readline() for _ in commands]
        assert not any(answer.startswith(b"-") for answer in answers), answers
        return [answer[1:].strip() for answer in answers]

    async def ask(self, question):
        commands = [["BITOP", "OR", f"any:{kind}", *(f"{kind}:{value}" for value in question[kind])] for kind in FILTERS]
        kinds = [f"any:{kind}" for kind in FILTERS]
        for state in ("logged_in", "available"):
            commands += [["BITOP", "AND", "found", state, *kinds], ["BITCOUNT", "found"]]
        answers = self.run(commands)
        return int(answers[-3]), int(answers[-1])

    def stop(self):
        self.process.kill()
        self.process.wait()


class Indexed:
    """PostgreSQL, asked through one psql."""

    def __init__(self, population):
        url, psql = Postgres().database("peers"), os.path.join(os.environ["POSTGRES_BIN"], "psql")
        columns = ", ".join(f"{kind} int[]" for kind in FILTERS)
        indexes = "".join(f"CREATE INDEX ON person USING gin ({kind});" for kind in FILTERS)
        rows = "\n".join("\t".join(["{" + ",".join(map(str, user[kind])) + "}" for kind in FILTERS] + [str(here), str(free)])
                         for user, here, free in zip(population.people, population.logged_in, population.available))
        made = f"CREATE TABLE person ({columns}, logged_in bool, available bool);\nCOPY person FROM STDIN;\n{rows}\n\\.\n"
        subprocess.run([psql, "--no-psqlrc", "--quiet", url], input=f"{made}{indexes}\nVACUUM ANALYZE person;", text=True, check=True)
        self.psql = subprocess.Popen([psql, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", url], text=True, bufsize=1,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        where = " AND ".join(f"{kind} && ${n}" for n, kind in enumerate(FILTERS, 1))
        self.psql.stdin.write(f"PREPARE asked (int[], int[], int[]) AS SELECT count(*) FILTER (WHERE logged_in), count(*) FILTER "
                              f"(WHERE available) FROM person WHERE {where};\n")

    async def ask(self, question):
        lists = ", ".join("'{" + ",".join(map(str, question[kind])) + "}'" for kind in FILTERS)
        self.psql.stdin.write(f"EXECUTE asked({lists});\n")
        return tuple(map(int, self.psql.stdout.readline().split("|")))

    def stop(self):
        self.psql.stdin.close()
        self.psql.wait()


async def load(service, population):
    """Makes the tenant in the service and returns its key."""
    await service.start()
    api = seed.Api(f"http://127.0.0.1:{service.port}")
    key = seed.make_tenant(api, ADMIN)
    for document in population.documents:
        api.call("PUT", "/v1/directory", key, document)
    seed.send(api, key, population.events)
    return key


async def measure(users, asked, program, folder):
    population = Population(users)
    service = Service(program, folder, None, ["--tenant-events", "10000000", "--tenant-rate", "0"])
    redis = indexed = None
    try:
        key = await load(service, population)
        redis, indexed = Redis(population), Indexed(population)
        peers, answers = {"service": Ours(service.port, key), "redis": redis, "postgresql": indexed}, {}
        for name, peer in peers.items():
            rounds = []
            for _ in range(2):
                times, found = [], []
                for question in asked if name != "postgresql" else asked[: max(len(asked) // 10, 1)]:
                    began = time.monotonic()
                    found.append(await peer.ask(question))
                    times.append((time.monotonic() - began) * 1e3)
                rounds.append(statistics.median(times))
                expected = answers.setdefault("all", found)[: len(found)]
                assert found == expected, f"{name} answers otherwise: {next(p for p in zip(asked, found, expected) if p[1] != p[2])}"
            print(f"| {users:,} | {name} | {rounds[0]:.3f} | {rounds[1]:.3f} |", flush=True)
    finally:
        service.kill()
        for peer in (redis, indexed):
            if peer:
                peer.stop()


async def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",")], default=[100_000, 1_000_000])
    p.add_argument("--filters", type=int, default=500, help="different questions; PostgreSQL is asked a tenth of them")
    options = p.parse_args()
    print("| users | | first | again |\n| ---: | --- | ---: | ---: |", flush=True)
    for users in options.sizes:
        with tempfile.TemporaryDirectory(prefix="rollcall-peers.") as folder:
            try:
                await measure(users, questions(options.filters), options.program, folder)
            except AssertionError as error:
                sys.exit(str(error))


if __name__ == "__main__":
    asyncio.run(main())
