"""Attacks with reads that have long answers, at 25,000 users."""
from client import request
from neighbours.row import Row

READERS = 8


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


ROWS = (Directory, Operators, Monitor, Aliases)
