"""Attacks with writes: floods of events, and directories of every size."""
import asyncio
import itertools

from client import request
from neighbours.making import Tagged, events, named_users, statuses
from neighbours.row import Row
from world import event

CONNECTIONS = 16


class Writes(Row):
    budget, users, least = "turns", 2_500, CONNECTIONS

    async def prepare(self, stage):
        self.hostile = await stage.hostile(self.scaled(self.users, 25))


class Events(Writes):
    name, title = "events", "16 connections with 10,000 events a request, all new"
    kept_mib = 256  # the first outcomes of events, which the service keeps in memory; their ids are in its store

    async def attack(self):
        made = events(self.hostile.key, statuses(self.scaled(10_000), self.hostile.users))
        await self.crowd(CONNECTIONS, made.again)


class Repeats(Writes):
    name, title = "repeated-events", "16 connections with the same 10,000 events over and over"

    async def attack(self):
        data = events(self.hostile.key, statuses(self.scaled(10_000), self.hostile.users)).again()
        await self.crowd(CONNECTIONS, lambda: data)


class Rejected(Writes):
    name, title = "rejected-events", "16 connections with 10,000 events that are wrong, 5.5 MB a request"
    budget = "heavy-reads"

    async def attack(self):
        one = event("x", "status.changed", {"presence": "x" * 400}, 1)
        data = request("POST", "/v1/events", self.hostile.key, [one] * self.scaled(10_000))
        await self.crowd(CONNECTIONS, lambda: data)


class Directories(Writes):
    name, title = "rewritten-directories", "16 connections that rename 2,500 users a request"

    async def attack(self):
        made = Tagged("PUT", "/v1/directory", self.hostile.key, named_users(1, self.hostile.users))
        await self.crowd(CONNECTIONS, made.again)


class OneDocument(Writes):
    name, title = "one-directory", "25,000 users in one request, over and over"
    users, kept_mib, least = 25, 128, 1

    async def attack(self):
        made = Tagged("PUT", "/v1/directory", self.hostile.key, named_users(1, self.scaled(25_000)))
        await self.crowd(1, made.again)


class EightDocuments(Writes):
    name, title = "eight-directories", "200,000 users in eight requests at a time, over and over"
    users, kept_mib, least = 25, 768, 8

    def flags(self):
        return ["--checkpoint-seconds=1"]

    async def attack(self):
        count = self.scaled(25_000)
        made = [Tagged("PUT", "/v1/directory", self.hostile.key, named_users(1 + n * count, count)) for n in range(8)]
        await asyncio.gather(*(self.repeat(one.again) for one in made))


class LongDirectories(Writes):
    """Each document has other users, so that the next checkpoint must write all of them."""
    name, title = "long-directories", "18 directories of 32 MB, and a checkpoint each second"
    users, budget, kept_mib = 25, "checkpoints", 1_800
    documents = least = 18

    def flags(self):
        return ["--checkpoint-seconds=1"]

    async def attack(self):
        text = "x" * 4_000
        count = self.scaled(32_000_000 // 20_200)
        more = {"profile": {name: text for name in ("status", "description", "facebook", "city", "country")}}
        made = Tagged("PUT", "/v1/directory", self.hostile.key, named_users(10_000_000, count, more))
        numbers = itertools.cycle(range(self.documents))

        def make():
            # Ids have eight digits; each document uses another million of them.
            return made.again().replace(b'"id":1000', b'"id":%d' % (1000 + 100 * next(numbers)))
        await self.crowd(2, make)


ROWS = (Events, Repeats, Rejected, Directories, OneDocument, EightDocuments, LongDirectories)
