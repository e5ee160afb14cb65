"""Attacks with reads that have long answers, at 25,000 users, and with searches in a long archive."""
import uuid

from client import Client, request
from neighbours.others import closed_conversations
from neighbours.row import Row
from neighbours.stage import insist
from world import event

READERS = 8
SEARCHERS = 64
CONVERSATIONS = 500  # in a request of the preparation


class Reads(Row):
    budget, least = "heavy-reads", READERS

    async def prepare(self, stage):
        self.hostile = await stage.connected(self.scaled(25_000, 25))

    def data(self):
        raise NotImplementedError

    async def attack(self):
        data = self.data()
        await self.crowd(READERS, lambda: data)


class Directory(Reads):
    name, title = "directory-reads", "8 x GET /v1/directory"

    def data(self):
        return request("GET", "/v1/directory", self.hostile.key)


class Operators(Reads):
    name, title = "operator-reads", "8 x GET /operator/live, all of them online"

    def data(self):
        return request("GET", "/operator/live", self.hostile.key)


class Monitor(Reads):
    name, title = "monitor-reads", "8 x agent-monitor/search"

    def data(self):
        return request("POST", "/v1/agent-monitor/search", None, {"auth_token": self.hostile.key})


class Aliases(Reads):
    name, title = "aliased-reads", "8 x 19 aliases of users, each the last of a half"

    def data(self):
        pages = " ".join(f"a{n}:users(last:1 groupIds:[1]){{edges{{cursor}}}}" for n in range(19))
        return request("POST", "/graphql", self.hostile.key, {"query": "{%s}" % pages})


class LongAnswers(Reads):
    """Short documents of low cost: 19 users, their 1,000 groups, and each group's name under 60 aliases."""
    name, title = "long-answers", "8 x the long names of 19 users' 1,000 groups, 60 times each"
    budget = "answers"

    async def prepare(self, stage):
        # A number of its own: no other attack has this tenant.
        self.hostile = await stage.hostile(26)
        client, groups = Client(stage.service.port, self.hostile.key), range(1, self.scaled(1_000, 25) + 1)
        names = [{"id": group, "name": f"{group:06}{'x' * 250}"} for group in groups]
        members = [{"id": user, "name": f"user {user}", "groups": list(groups)} for user in range(1, 20)]
        for document in ({"groups": names}, {"users": members}):
            await insist(client, "PUT", "/v1/directory", document)
        client.close()

    def data(self):
        names = " ".join(f"a{n}:name" for n in range(60))
        text = "{users(first:19){edges{node{groups{%s}}}}}" % names
        return request("POST", "/graphql", self.hostile.key, {"query": text})


class Searches(Row):
    name, title = "archive-searches", "64 x closedConversations, of 150,000, with a filter that none meets"
    budget, archive = "store-reads", True

    async def prepare(self, stage):
        await super().prepare(stage)
        client, count = Client(stage.service.port, self.hostile.key), self.scaled(150_000)
        for first in range(0, count, CONVERSATIONS):
            events = []
            for n in range(first, min(first + CONVERSATIONS, count)):
                data = {"conversation": str(uuid.UUID(int=n + 1)), "channel": "CHAT"}
                events.append(event(f"push-{n}", "conversation.pushed", data, 1 + n % self.users))
                events.append(event(f"close-{n}", "conversation.closed", {"conversation": data["conversation"]}))
            await insist(client, "POST", "/v1/events", events)
        client.close()

    async def attack(self):
        data = request("POST", "/graphql", self.hostile.key, {"query": closed_conversations(80, ",groupIds:[999]")})
        await self.crowd(SEARCHERS, lambda: data)


ROWS = (Directory, Operators, Monitor, Aliases, LongAnswers, Searches)
