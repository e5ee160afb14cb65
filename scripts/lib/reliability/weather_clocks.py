"""Rows of scripts/weather about time: a wall clock that jumps, and a producer with a clock that is ahead."""
import asyncio
import glob
import time
import urllib.parse

from client import Client
from service import ADMIN
from world import event, make_tenants

DAY = 24 * 60 * 60
# Seconds; longer than the interval between two passes of housekeeping.
HOUSEKEEPING = 75


class Wall:
    """The service's wall clock. libfaketime reads its offset from a file at every call; monotonic time stays correct."""

    def __init__(self, folder):
        self.path = f"{folder}/clock"
        self.set(0)
        library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")[0]
        self.environment = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

    def set(self, seconds):
        with open(self.path, "w") as file:
            file.write(f"{seconds:+d}\n")


async def token(client, tenant):
    """Returns a token for a new key of the tenant."""
    key = (await client.ask("POST", f"/v1/tenants/{tenant.id}/keys", {"name": "token", "scopes": ["*"]}, token=ADMIN)).json()
    form = {"grant_type": "client_credentials", "client_id": key["id"], "client_secret": key["key"]}
    answer = await client.ask("POST", "/Auth/connect/token", urllib.parse.urlencode(form).encode(),
                              {"Content-Type": "application/x-www-form-urlencoded"})
    return answer.ok().json()["access_token"]


class Jumping:
    """A tenant on a service with a wall clock that is moved."""

    def __init__(self, stage, service, wall):
        self.stage, self.service, self.wall, self.count = stage, service, wall, 0

    async def prepare(self):
        self.tenant = (await make_tenants(self.service.port, 1, 10))[0]
        self.client = Client(self.service.port, self.tenant.key)
        self.token = await token(self.client, self.tenant)
        self.consumed = [event(f"consumed-{n}", "slot.taken", {"channel": "chat", "conversation": f"c-{n}"}, 1) for n in range(5)]
        (await self.client.post(self.consumed)).ok()
        (await self.client.post([event("desk", "desk.connected", {"session": "desk"}, 2)])).ok()

    async def look(self, when):
        """Checks what must hold whatever the wall clock shows."""
        self.client.close()  # the service may have closed the idle connection
        sent = self.consumed
        if self.stage.control:  # an id that was not consumed
            sent = [{**sent[0], "id": f"forgotten-{self.count}"}]
        outcomes = {r["outcome"] for r in (await self.client.post(sent)).ok().json()["results"]}
        if outcomes != {"duplicate"}:
            self.stage.find(f"{when}: ids that were consumed are {outcomes} when sent again")
        answer = await self.client.ask("GET", "/operator/live", token=self.token)
        if answer.status != 200:
            self.stage.find(f"{when}: a token of two hours is {answer.status}")
        self.count += 1
        # A write of a dialect has the server's time; the later event of a desk has the true time.
        on = self.count % 2
        (await self.client.ask("PUT", "/operator/2/live", f"chat[available]={1 - on}".encode(),
                               {"Content-Type": "application/x-www-form-urlencoded", "X-API-Key": self.tenant.key})).ok()
        await asyncio.sleep(0.3)
        made = event(f"truth-{self.count}", "status.changed", {"channels": {"chat": bool(on)}}, 2)
        result = (await self.client.post([made])).ok().json()["results"][0]
        if result["outcome"] != "applied":
            self.stage.find(f"{when}: a real event is {result}")
        live = {row["id"]: row for row in (await self.client.ask("GET", "/operator/live")).ok().json()["data"]}
        if live[2]["chat"]["available"] != bool(on):
            self.stage.find(f"{when}: the newest status is not shown")

    async def ready(self, expected, when):
        """Waits up to 5 s until /readyz is 200, or, if not `expected`, 503 because of the clock."""
        until = time.monotonic() + 5
        while True:
            answer = await self.client.ask("GET", "/readyz")
            is_so = answer.status == 200 if expected else answer.status == 503 and b"clock" in answer.body
            if is_so:
                return
            if time.monotonic() > until:
                self.stage.find(f"{when}: /readyz is {answer.status} {answer.body!r}")
                return
            await asyncio.sleep(0.1)


async def jumping_clock(stage):
    """Sets the wall clock days ahead, or an hour behind, for a while. Nothing may be forgotten, expire or be stale."""
    stay = 2 if stage.short else HOUSEKEEPING
    for url in [None] if stage.short else [None, stage.database()]:
        wall = Wall(stage.folder)
        service = stage.service(url, (), wall.environment)
        await service.start()
        jumping = Jumping(stage, service, wall)
        await jumping.prepare()
        await jumping.look("before")
        for name, seconds in (("8 days ahead", 8 * DAY), ("400 days ahead", 400 * DAY), ("an hour behind", -3_600)):
            wall.set(seconds)
            await jumping.ready(False, name)
            await asyncio.sleep(stay)
            await jumping.look(name)
            await jumping.ready(False, name)
            wall.set(0)
            await jumping.ready(True, f"{name}, and back")
            await jumping.look(f"{name}, and back")
        wall.set(0)
        service.stop()
        status, lines = service.verify()
        if status != 0:
            stage.find(f"verify: {lines}")
    stage.figure(f"3 jumps of {stay} s{'' if stage.short else ' on each store'}")


async def producer_ahead(stage):
    """Sends Away from a producer with a clock up to 299 s ahead. A later event with the true time must win."""
    service = stage.service()
    await service.start()
    tenant = (await make_tenants(service.port, 1, 10))[0]
    client = Client(service.port, tenant.key)
    (await client.post([event("desk", "desk.connected", {"session": "desk"}, 1)])).ok()
    late = 60 if stage.control else 0  # seconds that the control's later event is older, which then must not win
    for number, ahead in enumerate((1, 240, 299)):
        made = event(f"ahead-{number}", "status.changed", {"presence": "Away", "channels": {"chat": False}}, 1, ago=-ahead)
        outcome = (await client.post([made])).ok().json()["results"][0]["outcome"]
        if outcome != "applied":
            stage.find(f"{ahead} s ahead: {outcome}")
        await asyncio.sleep(0.2)
        truth = event(f"truth-{number}", "status.changed", {"presence": "Ready", "channels": {"chat": True}}, 1, ago=late)
        outcome = (await client.post([truth])).ok().json()["results"][0]["outcome"]
        live = {row["id"]: row for row in (await client.ask("GET", "/operator/live")).ok().json()["data"]}
        if outcome != "applied" or not live[1]["chat"]["available"]:
            stage.find(f"after an event {ahead} s ahead the truth is {outcome}, and shown {live[1]['chat']}")
    far = event("far", "status.changed", {"presence": "Away"}, 1, ago=-330)
    if (result := (await client.post([far])).ok().json()["results"][0])["outcome"] != "rejected":
        stage.find(f"330 s ahead: {result}")
    stage.figure("1, 240 and 299 s ahead")
