"""Attacks with data that the service keeps, and with requests that make it walk through that data."""
import asyncio
import itertools
import uuid

from client import Client, request
from neighbours.making import TAG, events
from neighbours.row import Row
from neighbours.stage import insist
from service import ADMIN
from world import event

DELETED = 1_000_000  # ids of users that are made to be deleted begin here


class Sessions(Row):
    name, title = "sessions", "300,000 sessions of one user"
    kept_mib = 128

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
    kept_mib = 64

    async def attack(self):
        taken = [event(f"{TAG}-{n}", "slot.taken", {"channel": "chat", "conversation": f"{n:0>128}"}, 1)
                 for n in range(self.scaled(20_000))]
        self.is_ready = False
        for first in range(0, len(taken), 5_000):
            await self.expect(events(self.hostile.key, taken[first:first + 5_000]).again())
        self.is_ready = True
        named = [f"{n:x>128}" for n in range(self.scaled(2_000))]
        synced = [event(f"{TAG}-{n}", "slots.synced", {"channel": "chat", "conversations": named}, 1, ago=3_600)
                  for n in range(10)]
        await self.crowd(4, events(self.hostile.key, synced).again)


class Deletions(Row):
    """Deleted users are remembered for a day of recorded time, which a test cannot speed up."""
    name, title = "deletions", "2,500 users made and deleted, over and over"
    kept_mib = 64

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
    """Sends everything that one key can make the service keep, as fast as possible, within the tenant's limits."""
    name, title = "kept", "new conversations with long messages, slots, sessions and ids without end"
    kept_mib, has_own_control = 64, True
    limits = {"sessions": 50, "sessions_per_user": 50, "slots": 50, "slots_per_user": 50, "conversations": 50,
              "tombstones": 1_000}

    async def prepare(self, stage):
        """Sets the tenant's limits, except in the control."""
        await super().prepare(stage)
        self.refusal = None
        if not stage.is_control:
            client = Client(stage.service.port, ADMIN)
            answer = await client.patient("PUT", f"/v1/tenants/{self.hostile.id}/limits", self.limits)
            if answer.status != 200:
                self.refusal = f"limits were answered {answer.status} {answer.body[:150]!r}"
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
        """Checks that one more of each limited kind is rejected by now."""
        if self.refusal:
            return [self.refusal]
        more, client, found = str(uuid.uuid4()), Client(stage.service.port, self.hostile.key), []
        past = (("desk.connected", {"session": more}, 1), ("slot.taken", {"channel": "call", "conversation": more}, 1),
                ("conversation.started", {"conversation": more, "channel": "CHAT", "project": 7}, None))
        for kind, data, subject in past:
            answer = await insist(client, "POST", "/v1/events", event(uuid.uuid4().hex, kind, data, subject))
            result = answer.json()["results"][0]
            turns.notes[kind] = result
            found += [] if result["outcome"] == "rejected" else [f"one {kind} past the limit is {result['outcome']}"]
        client.close()
        return found


ROWS = (Sessions, Slots, Deletions, Keeps)
