"""Sends requests of one tenant with the strings of another, and searches the answers for the other's.

Every request has a twin, with values that occur nowhere: both must be answered alike. Requests that change something
are sent by pairs of tenants, one with the foreign values and one with the twins, whose answers must stay alike.
"""

import argparse
import asyncio
import base64
import collections
import json
import pathlib
import random
import sys
import tempfile
import time

from graphql import build_schema

import controls
import rest
import snapshot
import talks
import world
from bodies import signature
from canaries import Derived, tokens
from documents import Documents, hash_of, targets
from judge import Judge
from pools import Pools
from service import Service
from wire import Wire

FLAGS = (
    "--trusted-proxy",
    "127.0.0.1/32",
    "--client-address",
    "x-forwarded-for",
    "--tenant-rate",
    "0",
    "--tenant-events",
    "0",
    "--tenant-concurrency",
    "0",
)
READERS, WRITERS = 6, 2
CONTROLS = 20_000  # most requests with the other tenant's own key
# Operations whose answers show data of their own tenant: with the other's key, they must show the other's strings.
SHOWING = {
    "list_operators",
    "get_operator",
    "list_live",
    "get_live",
    "list_groups",
    "get_group",
    "list_skills",
    "get_skill",
    "monitor_agents",
    "monitor_agents_by_body",
    "get_directory",
    "list_presence_definitions",
    "get_agent_presence",
    "list_agent_presences",
    "list_log_ins",
    "graphql get",
    "graphql post",
}
# Kinds of strings that no answer shows, not even to their own tenant.
HIDDEN_KINDS = {"session", "device", "source", "event", "slot", "tenant", "document"}
# Statuses of a busy service, which depend on nothing in the request; it is sent again.
BUSY, ATTEMPTS = (429, 503), 10


class Cycle:
    """Each target in turn, in an order that changes with each round."""

    def __init__(self, rng, targets):
        self.rng, self.targets, self.todo = rng, targets, []

    def next(self):
        if not self.todo:
            self.todo = list(self.targets)
            self.rng.shuffle(self.todo)
        return self.todo.pop()


class Proof:
    def __init__(self, service, total, seed):
        self.service, self.total, self.rng = service, total, random.Random(seed)
        root = pathlib.Path("docs")
        self.schema = build_schema((root / "schema.graphql").read_text())
        self.operations = rest.operations(json.loads((root / "openapi.json").read_text()))
        self.derived, self.findings, self.counts = Derived(), [], collections.Counter()
        self.sent, self.places, self.address, self.clean, self.fields = 0, collections.Counter(), 0, None, set()

    # --- the tenants ---

    async def prepare(self):
        """Makes the tenants; what the own ones see must not change when the other one's data come."""
        self.api = world.Api(self.service.port)
        self.ours, self.empty = world.own(), world.own()
        await world.create(self.api, self.ours, "avocetq")
        await world.create(self.api, self.empty, "avocetq empty")
        await world.fill(self.api, self.ours)
        await world.log_in(self.api, self.ours)
        self.pairs = []
        for n in range(WRITERS):
            pair = [world.own(), world.own()]
            for tenant, letter in zip(pair, "ab"):
                await world.create(self.api, tenant, f"avocetq{n}{letter}")
                await world.fill(self.api, tenant)
            self.pairs.append(pair)
        before = [await snapshot.take(self.api, self.schema, tenant) for tenant in (self.ours, self.empty)]
        self.other = world.other()
        await world.create(self.api, self.other, self.other.maker.text("tenant"))
        await world.fill(self.api, self.other)
        await world.log_in(self.api, self.other)
        self.whole = await snapshot.take(self.api, self.schema, self.other)
        self.judge = Judge(self.derived)
        await self.harvest(before)
        self.before = before
        await self.compare("when the other tenant's data came")

    async def harvest(self, before):
        other = self.other
        snapshot.harvest(self.whole, [answer for answers in before for answer in answers], other, self.derived)
        for one in (other.id, other.key_id):
            self.derived.add_guid(one.encode())
        # A key that is the other's but for its last letter, and a hash of a document that the other tenant has stored.
        near = other.key[:-1] + ("a" if other.key[-1] != "a" else "b")
        self.derived.others.append((near.encode(), near[:6].encode() + b"0" * (len(near) - 6)))
        query = f"query {other.maker.text('document')}{{users(first:1){{edges{{node{{lastName}}}}}}}}"
        extensions = {"persistedQuery": {"version": 1, "sha256Hash": hash_of(query)}}
        await self.api.ask("POST", "/graphql", other.key, {"query": query, "extensions": extensions})
        self.derived.others.append((hash_of(query).encode(), hash_of("nowhere").encode()))
        other.pools |= {
            "tenant.id": [other.id],
            "tenant.name": [other.name],
            "key.id": [other.key_id],
            "hash": [hash_of(query)],
        }
        self.near = near

    async def compare(self, when):
        """Compares what the tenants see with what they saw first."""
        for tenant, before in zip((self.ours, self.empty), self.before):
            for one, earlier in zip(await snapshot.take(self.api, self.schema, tenant), before, strict=True):
                if self.judge.foreign(one) or self.judge.differs(one, earlier):
                    self.findings.append(
                        f"{tenant.name} sees something else {when}: {self.judge.differs(one, earlier)}"
                    )

    async def compare_other(self):
        """The other tenant sees what it saw first: no request changed anything of it."""
        for one, earlier in zip(await snapshot.take(self.api, self.schema, self.other), self.whole, strict=True):
            if self.judge.differs(one, earlier):
                self.findings.append(f"the other tenant was changed: {self.judge.differs(one, earlier)}")

    # --- requests ---

    def makers(self, tenant, stored):
        pools = Pools(self.other, self.rng, stored)
        maker = rest.Maker(self.rng, pools, tenant, self.near)
        return maker, Documents(self.schema, maker)

    def reading(self):
        """The targets of requests that change nothing, in turn: parameters, headers, documents."""
        some = [
            target
            for operation in self.operations
            if not operation.writes or operation.is_administration
            for target in operation.targets()
        ]
        return (
            Cycle(self.rng, [one for one in some if one[1] != "header"]),
            Cycle(self.rng, [one for one in some if one[1] == "header"]),
            Cycle(
                self.rng, [one for one in targets(self.schema) if one[1] != "argument" or one[2][0] in self.queries()]
            ),
        )

    def queries(self):
        return self.schema.query_type.fields

    def request(self, makers, target):
        maker, documents = makers
        request = documents.make(target) if target[0] == "graphql" else maker.make(target)
        # Each from an address of its own, which rates of unauthenticated requests go by.
        self.address += 1
        parts = ".".join(str(self.address >> shift & 255) for shift in (16, 8, 0))
        request.headers.append(("X-Forwarded-For", f"10.{parts}"))
        return request

    def take(self, cycles, weights=(45, 25, 30)):
        """The next target, without operations that may be sent only seldom."""
        while True:
            target = self.rng.choices(cycles, weights)[0].next()
            name = getattr(target[0], "id", "graphql")
            if self.counts["sent " + name] < rest.SELDOM.get(name, self.total):
                self.counts["sent " + name] += 1
                return target

    async def read(self, tenant, total, cycles):
        makers, wire = self.makers(tenant, False), Wire(self.service.port)
        for _ in range(total):
            request = self.request(makers, self.take(cycles))
            data = request.bytes()
            twin = self.derived.twin(data)
            await self.judged(request, (wire, data), (wire, twin))
        wire.close()
        self.fields |= makers[1].seen

    def writing(self):
        """The targets of requests that change something, in turn: parameters and headers, mutations; and documents."""
        some = [
            one
            for operation in self.operations
            if operation.writes and not operation.is_administration
            for one in operation.targets()
        ]
        mutations = [one for one in targets(self.schema) if one[1] == "argument" and one[2][0] not in self.queries()]
        return Cycle(self.rng, some), Cycle(self.rng, mutations), self.reading()[2]

    async def write(self, pair, total, cycles):
        """Sends changes, and reads between them, by a pair of tenants."""
        makers, wires = self.makers(pair[0], True), (Wire(self.service.port), Wire(self.service.port))
        bait = {token for value in makers[0].pools.bait() for token in tokens(str(value).lower().encode())}
        for _ in range(total):
            request = self.request(makers, self.take(cycles, (70, 10, 20)))
            data = request.bytes()
            twin = self.derived.twin(with_key(data, *pair))
            if request.signed:
                body = self.derived.twin(request.body)
                data, twin = signed(data, pair[0], request.body), signed(twin, pair[1], body)
            await self.judged(request, (wires[0], data), (wires[1], twin), bait)
        for wire in wires:
            wire.close()

    async def judged(self, request, foreign, twin, bait=frozenset()):
        """Sends a request and its twin, and judges the answers."""
        is_head = request.method == "HEAD"
        answer, other = await self.answer(*foreign, is_head), await self.answer(*twin, is_head)
        self.sent += 1
        self.counts[answer.status // 100] += 1
        self.places[request.target] += 1
        if answer.status in BUSY or other.status in BUSY:
            self.counts["busy"] += 1
            difference = None
        else:
            difference = self.judge.differs(answer, other)
        strings = self.judge.foreign(answer, foreign[1], bait)
        if strings or difference:
            self.found(request, foreign[1], answer, strings, difference)
        elif request.operation == "graphql post" and answer.status == 200:
            self.clean = answer

    async def answer(self, wire, data, is_head):
        for _ in range(ATTEMPTS):
            answer = await wire.send(data, is_head)
            if answer.status not in BUSY:
                break
            await asyncio.sleep(0.1)
        return answer

    def found(self, request, data, answer, strings, difference):
        self.counts["finding " + request.operation] += 1
        if self.counts["finding " + request.operation] <= 3:
            what = f"shows {sorted(strings)[:3]}" if strings else difference
            self.findings.append(
                f"{request.operation} {request.target[1:]}: {what}\n      {data[:700]!r}\n      "
                f"{answer.raw[:500]!r}"
            )

    async def talk(self, total):
        """Desks of a pair of tenants, after everything else."""
        maker, _ = self.makers(self.pairs[0][0], True)
        bait = {token for value in maker.pools.bait() for token in tokens(str(value).lower().encode())}
        for n in range(total):
            sent = talks.conversation(maker, n)
            twin = json.loads(self.derived.twin(json.dumps(sent).encode()))
            answer = await talks.hold(self.service.port, self.pairs[0][0].key, *sent)
            other = await talks.hold(self.service.port, self.pairs[0][1].key, *twin)
            request = rest.Request("desk", "GET", "/v1/desk", target=("desk", "message", ""))
            strings = self.judge.foreign(answer, json.dumps(sent).encode(), bait)
            difference = self.judge.differs(answer, other)
            self.sent += 1
            if strings or difference:
                self.found(request, json.dumps(sent).encode(), answer, strings, difference)

    # --- controls ---

    async def control(self):
        """Sends requests with the other tenant's own key, until every operation that shows data has shown its strings;
        and has the judge find answers that leak."""
        makers, wire, cycles = self.makers(self.other, False), Wire(self.service.port), self.reading()
        seen, showing, mistaken = set(), collections.Counter(), 0
        for answer in self.whole:
            seen |= self.judge.strings(answer.raw)
        for _ in range(CONTROLS):
            target = self.take(cycles)
            if target[0] != "graphql" and target[0].is_administration:
                continue
            if all(showing[name] for name in SHOWING):
                break
            request = self.request(makers, target)
            data = request.bytes()
            answer = await wire.send(data, request.method == "HEAD")
            strings = self.judge.foreign(answer, data)
            seen |= strings
            showing[request.operation] += bool(strings)
        wire.close()
        missing = sorted(name for name in SHOWING if not showing[name])
        missed = controls.missed(self.judge, self.other, self.derived, self.clean)
        self.findings += [f"control: {name} shows nothing to the other tenant itself" for name in missing]
        self.findings += [f"control: {name} was not found in an answer" for name in missed]
        unseen = {
            text: kind
            for text, kind in self.other.maker.kinds.items()
            if not any(token in seen for token in tokens(text.encode())) and kind not in HIDDEN_KINDS
        }
        if unseen:
            self.findings.append(f"control: not shown to the other tenant itself: {sorted(unseen.items())[:10]}")
        made = len(controls.leaks(self.other, self.derived)) + len(controls.differences())
        print(
            f"   controls: {sum(showing.values())} answers of {sum(1 for n in showing.values() if n)} operations show "
            f"the strings to their own tenant, {len(seen)} of them in all; {made - len(missed)} of {made} leaks that "
            f"were made on purpose were found",
            flush=True,
        )

    def report(self, seconds):
        wanted = [one for operation in self.operations for one in operation.targets()] + targets(self.schema)
        wanted = {(getattr(one[0], "id", one[0]), *one[1:]) for one in wanted}
        wanted = {one for one in wanted if one[0] not in rest.SELDOM}
        unsent = sorted(map(str, wanted - set(self.places)))
        if unsent:
            self.findings.append(f"{len(unsent)} places had no foreign value: {unsent[:5]}")
        operations = {target[0] for target in self.places}
        headers = {target[2] for target in self.places if target[1] == "header"}
        fewest = min(count for target, count in self.places.items() if target[0] not in rest.SELDOM)
        print(
            f"== foreign: {self.sent} requests with another tenant's strings, and a twin of each, in {seconds:.0f} s\n"
            f"   {len(operations)} operations, {len(self.places)} places for a value with {fewest} requests or more, "
            f"{len(headers)} headers, {len(self.fields)} fields of the schema\n"
            f"   2xx {self.counts[2]}, 4xx {self.counts[4]}, 5xx {self.counts[5]}, busy {self.counts['busy']}",
            flush=True,
        )


def with_key(data, tenant, other):
    """The request with another tenant's key, also in Base64."""
    for form in (str.encode, lambda key: base64.b64encode(f"{key}:x".encode())):
        data = data.replace(form(tenant.key), form(other.key))
    return data


def signed(data, tenant, body):
    head, rest_of = data.split(b"\r\n", 1)
    return head + b"\r\nx-iadvize-signature: " + signature(tenant, body).encode() + b"\r\n" + rest_of


async def run(arguments, folder):
    service = Service(arguments.program, folder, flags=FLAGS, log="error")
    try:
        await service.start()
        proof = Proof(service, arguments.requests, arguments.seed)
        await proof.prepare()
        began, total = time.monotonic(), arguments.requests
        writes, desks = total * 15 // 100, min(200, max(10, total // 1000))
        reads = total - writes - desks
        cycles, changes = proof.reading(), proof.writing()
        shares = [(n + 1) * reads // READERS - n * reads // READERS for n in range(READERS)]
        await asyncio.gather(
            *(proof.read(proof.empty if n % 4 == 3 else proof.ours, share, cycles) for n, share in enumerate(shares)),
            *(proof.write(pair, writes // WRITERS, changes) for pair in proof.pairs),
        )
        await proof.talk(desks)
        seconds = time.monotonic() - began
        await proof.compare("at the end")
        await proof.compare_other()
        proof.report(seconds)
        await proof.control()
        service.stop()
    finally:
        service.kill()
    return proof.findings


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--requests", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rollcall-foreign.") as folder:
        findings = asyncio.run(run(arguments, folder))
    print(f"   {len(findings)} findings", flush=True)
    if findings:
        sys.exit("\n".join(findings[:30]))


if __name__ == "__main__":
    main()
