"""Attacks with bodies that are long, never end, or decompress to many times their size."""
import gzip
import json
import random

from client import request
from neighbours.row import Row
from world import anything

MIB = 1024 * 1024


def unfinished(data):
    """Returns a request without its last byte."""
    return memoryview(data)[:-1]


class UnfinishedForms(Row):
    name, title = "unfinished-forms", "600 bodies of 1 MiB at /oauth2/token, each a byte short"
    credential, budget = "none", "bodies"

    async def attack(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        data = request("POST", "/oauth2/token", None, b"a" * (MIB - 1), form)
        await self.hold(self.scaled(600), unfinished(data))


class UnfinishedDirectories(Row):
    name, title = "unfinished-directories", "60 bodies of 32 MiB at /v1/directory, each a byte short"
    budget = "bodies"

    async def attack(self):
        data = request("PUT", "/v1/directory", self.hostile.key, b" " * (32 * MIB))
        await self.hold(self.scaled(60), unfinished(data))


class GzipBombs(Row):
    name, title = "gzip-bombs", "compressed bodies that would come to 50 MB"

    async def attack(self):
        bomb = gzip.compress(b" " * 50_000_000)
        made = [request("POST", path, self.hostile.key, bomb, {"Content-Encoding": "gzip"})
                for path in ("/graphql", "/v1/events", "/agents-availability")]
        await self.crowd(4, lambda: random.choice(made), {400, 413, 415}, 0.05)


class TooLong(Row):
    """Sends more events than allowed, bodies that are far too long, and deeply nested JSON."""
    name, title = "too-long-bodies", "10,001 events, 9 MB, JSON that nests a million deep"

    async def attack(self):
        many = json.dumps([anything("huge", self.hostile)] * 10_001).encode()
        bodies = [many, b" " * 9_000_000, b"[" * 1_000_000, b'{"a":' * 500_000]
        made = [request("POST", "/v1/events", self.hostile.key, body) for body in bodies]
        await self.crowd(2, lambda: random.choice(made), {400, 413}, 0.3)


ROWS = (UnfinishedForms, UnfinishedDirectories, GzipBombs, TooLong)
