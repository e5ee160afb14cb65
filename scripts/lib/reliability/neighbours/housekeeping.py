"""Attacks on the work beside the writes: housekeeping, checkpoints of many tenants, and many keys."""
import asyncio
import itertools
import time
import uuid

from client import Client, request
from neighbours.row import Row
from service import ADMIN
from world import event, make_tenants

AT_ONCE = 13  # events a second, sent at once and each of another tenant
DAY = 86_400 * 10 ** 6  # microseconds
FORGOTTEN_MOST = 180.0  # seconds within which some of the old rows must be deleted
START_MOST = 10.0  # the most seconds for a start with many keys and tenants
NUMBERED = {  # by "is PostgreSQL": the numbers 1 to %d as a table n(i)
    False: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ",
    True: "WITH n(i) AS (SELECT generate_series(1, %d)) ",
}
NAMED = {  # by "is PostgreSQL": the ids of those numbers, beginning with %s
    False: "printf('%s-0000-4000-8000-%%012x', i)",
    True: "('%s-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid",
}


def insert(service, count, into, what):
    """Inserts a number of rows directly into a table."""
    service.sql(f"INSERT INTO {into} {NUMBERED[bool(service.url)] % count} SELECT {what} FROM n")


def away():
    return event(uuid.uuid4().hex, "status.changed", {"presence": "Away"}, 1)


class Trickle(Row):
    """At full scale, also checks that expired event ids are deleted meanwhile."""
    name, title = "many-tenants", "200 tenants with a few events a second, so that a checkpoint is always due"
    budget = "checkpoints"

    def flags(self):
        return ["--checkpoint-seconds=1", "--dedupe-days=1"]

    async def prepare(self, stage):
        await super().prepare(stage)
        self.tenants = await make_tenants(stage.service.port, self.scaled(200, 5), 5)
        self.old, recorded = self.scaled(50_000), round(time.time() * 10 ** 6) - 3 * DAY
        text = "'old-' || i" if not stage.url else "('old-' || i)"
        insert(stage.service, self.old, "seen (tenant, source, event_id, recorded)",
               f"{self.quoted(stage)}, '/old', {text}, {recorded}")
        self.since = time.monotonic()

    def quoted(self, stage):
        return f"'{self.hostile.id}'::uuid" if stage.url else f"'{self.hostile.id}'"

    async def attack(self):
        tenants = itertools.cycle(self.tenants)

        def make():
            return request("POST", "/v1/events", next(tenants).key, away())
        await self.crowd(AT_ONCE, make, pause=1)

    async def judge(self, stage, turns):
        if self.scale < 1:
            return []
        tenants, clients = itertools.cycle(self.tenants), [Client(stage.service.port) for _ in range(AT_ONCE)]
        while (left := self.left(stage)) == self.old and time.monotonic() < self.since + FORGOTTEN_MOST:
            await asyncio.gather(*(client.post([away()], token=next(tenants).key) for client in clients))
            await asyncio.sleep(1)
        for client in clients:
            client.close()
        took = time.monotonic() - self.since
        turns.notes["forgotten"] = f"{self.old - left} of {self.old} after {took:.0f} s"
        return [] if left < self.old else [f"no expired row was deleted in {took:.0f} s"]

    def left(self, stage):
        return int(stage.service.sql("SELECT count(*) FROM seen WHERE source = '/old'")[0][0])


class ManyKeys(Row):
    """Inserts keys and tenants into the tables while the service is stopped, and times the next start."""
    name, title = "many-keys", "300,000 revoked keys, 10,000 empty tenants, and keys made and revoked"
    credential = "the administrator's token"
    kept_mib = 256

    def flags(self):
        return ["--max-staleness=60"]  # a flag of its own, so that no other row shares the service, which is stopped

    async def prepare(self, stage):
        await super().prepare(stage)
        service, is_postgres = stage.service, bool(stage.url)
        await asyncio.to_thread(service.stop)
        now, tenant = round(time.time() * 10 ** 6), self.hostile.id
        insert(service, self.scaled(10_000), "tenant (id, name, created)",
               f"{NAMED[is_postgres] % '00000000'}, 'empty ' || i, {now}")
        insert(service, self.scaled(10_000), "head (tenant)", NAMED[is_postgres] % "00000000")
        owner, scopes = (f"'{tenant}'::uuid", "'[\"*\"]'::jsonb") if is_postgres else (f"'{tenant}'", "'[\"*\"]'")
        secret = "sha256(i::text::bytea)" if is_postgres else "randomblob(32)"
        insert(service, self.scaled(300_000), "api_key (id, tenant, name, prefix, hash, scopes, created, revoked)",
               f"{NAMED[is_postgres] % '00000001'}, {owner}, 'old', 'rk_old', {secret}, {scopes}, {now}, {now}")
        self.start_seconds = await service.start()

    async def attack(self):
        async def change():
            while not self.done:
                client = Client(self.port, ADMIN)
                await self.turn()
                path = f"/v1/tenants/{self.hostile.id}/keys"
                try:
                    made = await client.ask("POST", path, {"name": "short", "scopes": ["*"]})
                    self.answers[made.status] += 1
                    if not self.is_sink and made.status < 300:
                        gone = await client.ask("DELETE", f"{path}/{made.json()['id']}")
                        self.answers[gone.status] += 1
                finally:
                    client.close()
                await asyncio.sleep(0.02)
        await asyncio.gather(*(change() for _ in range(2)))

    async def judge(self, _stage, turns):
        turns.notes["start"] = f"{self.start_seconds:.1f} s"
        found = [f"the start took {self.start_seconds:.1f} s"] if self.start_seconds > START_MOST else []
        refused = sum(count for kind, count in turns.answers.items() if kind not in (200, 201, 204))
        return found + ([f"{refused} changes of keys were refused: {turns.answers}"] if refused else [])


ROWS = (Trickle, ManyKeys)
