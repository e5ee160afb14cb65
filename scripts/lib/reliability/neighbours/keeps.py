"""What one tenant makes the service keep, and what it makes of it afterwards."""
import asyncio
import itertools
import uuid

from client import Client, request
from neighbours.making import TAG, events
from neighbours.row import Row
from service import ADMIN
from world import event

DELETED = 1_000_000  # ids of users that are made to be deleted begin here


class Sessions(Row):
    name, title = "sessions", "300,000 sessions of one user"
    budget, kept_mib = "turns", 128

    async def attack(self):
        count, made = self.scaled(5_000, 50), itertools.count()
        self.is_ready, whole = False, self.scaled(300_000)

        def make():
            number = next(made)
            self.is_ready = number * count >= whole
            kind = "desk.connected" if number * count < whole or number % 2 else "desk.disconnected"
            return request("POST", "/v1/events", self.hostile.key, [
                event(f"{kind}-{self.began}-{number}-{n}", kind, {"session": f"s-{(number * count + n) % whole}"}, 1)
                for n in range(count)])
        await self.crowd(4, make)


class Slots(Row):
    name, title = "slots", "20,000 held conversations, and slots.synced of the past with 2,000"
    budget, kept_mib = "turns", 64

    async def attack(self):
        taken = [event(f"{TAG}-{n}", "slot.taken", {"channel": "chat", "conversation": f"{n:0>128}"}, 1)
                 for n in range(self.scaled(20_000))]
        for first in range(0, len(taken), 5_000):
            await self.expect(events(self.hostile.key, taken[first:first + 5_000]).again())
        named = [f"{n:x>128}" for n in range(self.scaled(2_000))]
        synced = [event(f"{TAG}-{n}", "slots.synced", {"channel": "chat", "conversations": named}, 1, ago=3_600)
                  for n in range(10)]
        await self.crowd(4, events(self.hostile.key, synced).again)


class Deletions(Row):
    """What is remembered of the deleted goes a day of recorded time later, which no test from outside can bring about."""
    name, title = "deletions", "2,500 users made and deleted, over and over"
    budget, kept_mib = "turns", 64

    async def attack(self):
        count, first = self.scaled(2_500), DELETED + int(self.began * 1000) % 10 ** 9
        while not self.done:
            users = [{"id": n, "name": f"user {n}", "roles": ["operator"]} for n in range(first, first + count)]
            await self.expect(request("PUT", "/v1/directory", self.hostile.key, {"users": users}))
            waiting = list(range(first, first + count))

            async def some():
                while waiting and not self.done:
                    await self.expect(request("DELETE", f"/operator/{waiting.pop()}", self.hostile.key))
            await asyncio.gather(*(some() for _ in range(16)))
            first += count


class Keeps(Row):
    """Everything that one key can make the service remember, as fast as it is taken, within limits that were set."""
    name, title = "kept", "new conversations with long messages, slots, sessions and ids without end"
    budget, kept_mib, most = None, 64, 100
    # What may be kept of each kind, by the names that PUT /v1/tenants/{id}/limits takes.
    limits = ("users", "open_sessions", "slots", "conversations", "tombstones")

    async def prepare(self, stage):
        await super().prepare(stage)
        client = Client(stage.service.port, ADMIN)
        answer = await client.patient("PUT", f"/v1/tenants/{self.hostile.id}/limits", dict.fromkeys(self.limits, self.most))
        self.refusal = None if answer.status == 200 else f"limits were answered {answer.status} {answer.body[:150]!r}"
        client.close()

    async def attack(self):
        made, count = itertools.count(), self.scaled(1_000, 20)

        def make():
            name, some = uuid.uuid4().hex, []
            for n in range(count // 4):
                conversation = str(uuid.uuid4())
                data = {"conversation": conversation, "channel": "CHAT", "project": 7}
                user = 1 + next(made) % self.hostile.users
                some += [event(f"{name}-a{n}", "conversation.pushed", data, user),
                         event(f"{name}-b{n}", "conversation.message",
                               {"conversation": conversation, "author": "VISITOR", "text": "x" * 4_000}),
                         event(f"{name}-c{n}", "desk.connected", {"session": conversation}, user),
                         event(f"{name}-d{n}", "slot.taken", {"channel": "call", "conversation": conversation}, user)]
            return request("POST", "/v1/events", self.hostile.key, some)
        await self.crowd(4, make)

    async def judge(self, stage, turns):
        """No more is held than was allowed, as a directory of desks and slots shows it."""
        if self.refusal:
            return [self.refusal]
        client = Client(stage.service.port, self.hostile.key)
        rows = (await client.ask("POST", "/v1/user-activity/search", {"auth_token": self.hostile.key})).json()
        one = event(uuid.uuid4().hex, "desk.connected", {"session": "one more"}, 1)
        result = (await client.post([one])).json()["results"][0]
        client.close()
        turns.notes["one more session"] = result
        return [] if result["outcome"] == "rejected" else [f"one session past the limit is {result}: {str(rows)[:100]}"]


ROWS = (Sessions, Slots, Deletions, Keeps)
