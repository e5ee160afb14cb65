"""Rows of scripts/cluster about the state of each replica: credentials, staleness, and one history of all answers."""
import asyncio
import random
import time

import observe
from client import Client
from history import check, own_order
from parts import ServiceBalancer
from service import ADMIN
from world import directory, event, make_tenants

WITHIN = 1.0  # seconds after which a revocation or a change holds at every replica
SLACK = 2.0  # more, since this machine may be busy
MAX_STALENESS = 4  # seconds, --max-staleness of the replicas
ROUTERS = [("GET", "/operator/live", None, None), ("POST", "/v1/user-activity/search", {"campaign_id": "111"}, None),
           ("POST", "/agents-availability", {"liveness": "live"}, {"Accept": "application/vnd.newvoicemedia.v1+json"})]


class Each:
    """One client for each replica."""

    def __init__(self, stage):
        self.clients = [Client(replica.port) for replica in stage.cluster.replicas]

    async def statuses(self, method, path, body=None, token=None, others=None):
        return [(await client.ask(method, path, body, token=token)).status for client in others or self.clients]

    async def until(self, stage, what, wanted, *args, **more):
        """Waits until each replica answers as wanted; that must be so in time."""
        began = time.monotonic()
        while not set(found := await self.statuses(*args, **more)) <= set(wanted):
            if time.monotonic() > began + WITHIN + SLACK:
                stage.find(f"{what} does not hold everywhere within {WITHIN:g} s: {found}")
                return
            await asyncio.sleep(0.02)
        stage.waits.append(time.monotonic() - began)


async def credentials(stage):
    """Keys, tokens, tickets, settings, revocations and deletion: made or changed at one replica, used at the others."""
    each, stage.waits = Each(stage), []
    first, second, third = each.clients
    for number in range(1 if stage.control else 3 if stage.short else 30):
        name = f"K{number}-{time.monotonic_ns()}"
        tenant = (await first.ask("POST", "/v1/tenants", {"name": name}, token=ADMIN)).json()["id"]
        at = f"/v1/tenants/{tenant}"
        made = await second.ask("POST", f"{at}/keys", {"name": "key", "scopes": ["*"]}, token=ADMIN)
        if made.status != 201:
            stage.find(f"a key of a tenant that another replica made: {made.status} {made.body[:200]!r}")
            return
        made = made.json()
        used = await third.ask("PUT", "/v1/directory", directory(5), token=made["key"])
        if used.status != 200:
            stage.find(f"a key that another replica made: {used.status} {used.body[:200]!r}")
        await token_and_ticket(stage, each, made)
        # A setting.
        days = 7 + number
        await first.ask("PATCH", at, {"desk_lease_seconds": 60 + days, "desk_heartbeat_seconds": 20}, token=ADMIN)
        for client in each.clients:
            found = (await client.ask("GET", at, token=ADMIN)).json()["desk_lease_seconds"]
            if found != 60 + days:
                stage.find(f"a setting that another replica changed is {found}")
        # A revocation, then the tenant's deletion.
        extra = (await third.ask("POST", f"{at}/keys", {"name": "extra", "scopes": ["*"]}, token=ADMIN)).json()
        if (found := await each.statuses("GET", "/v1/directory", token=extra["key"])) != [200] * 3:
            stage.find(f"a new key is answered {found}")
        if not stage.control:
            await first.ask("DELETE", f"{at}/keys/{extra['id']}", token=ADMIN)
        await each.until(stage, "a revocation", (401,), "GET", "/v1/directory", token=extra["key"])
        await second.ask("DELETE", at, token=ADMIN)
        await each.until(stage, "a deletion", (401, 404), "GET", "/v1/directory", token=made["key"])
        await each.until(stage, "a deletion", (404,), "GET", at, token=ADMIN)
    waits = sorted(stage.waits)
    stage.figure(f"{len(waits)} revocations and deletions held everywhere after {waits[len(waits) // 2]:.2f} s in the median, "
                 f"{waits[-1]:.2f} s at most" if waits else "")


async def token_and_ticket(stage, each, key):
    """Exchanges a key for a token, and makes a ticket, at one replica; uses both at the others."""
    first, second, third = each.clients
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    wanted = f"grant_type=client_credentials&client_id={key['id']}&client_secret={key['key']}&scope=agents-availability:read"
    token = (await second.ask("POST", "/Auth/connect/token", wanted.encode(), headers=form)).ok().json()["access_token"]
    vonage = {"Accept": "application/vnd.newvoicemedia.v1+json"}
    for client in each.clients:
        answer = await client.ask("POST", "/agents-availability", {"liveness": "live"}, headers=vonage, token=token)
        if answer.status != 200:
            stage.find(f"a token that another replica made: {answer.status} {answer.body[:200]!r}")
    ticket = await third.ask("POST", "/v1/desk/tickets", {"user": "1", "session": "tab"}, token=key["key"])
    ticket, statuses = ticket.json()["ticket"], []
    for client in (first, second):
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        other = Client(client.port)
        try:
            statuses.append((await other.ask("GET", f"/v1/desk?ticket={ticket}", headers=upgrade)).status)
        finally:
            other.close()
    if statuses != [101, 401]:
        stage.find(f"a ticket that another replica made is answered {statuses} at two replicas")


async def cut_off(stage):
    """Cuts one replica off from the store only: it stops answering routers, and the others go on."""
    cluster = stage.cluster
    tenant = (await make_tenants(cluster.replicas[0].port, 1, 20))[0]
    for number in range(1 if stage.short or stage.control else 10):
        lost, other = random.sample(cluster.replicas, 2)
        client, writer = Client(lost.port, tenant.key), Client(other.port, tenant.key)
        (await client.patient("GET", "/v1/directory")).ok()  # the key is known from now on
        if not stage.control:
            stage.network.drop(lost.store_port)
        began = time.monotonic()
        try:
            await asyncio.sleep(MAX_STALENESS + 1)
            (await writer.post([event(f"meanwhile-{number}", "desk.connected", {"session": "s"}, 1)])).ok()
            for method, path, body, headers in ROUTERS:
                body = {**body, "auth_token": tenant.key} if path.startswith("/v1/user") else body
                answer = await client.ask(method, path, body, headers)
                if answer.status != 503:
                    stage.find(f"{method} {path} of the replica that is cut off is {answer.status} {answer.body[:100]!r}")
            answer = await client.ask("POST", "/v1/events", event(f"cut-{number}", "desk.connected", {"session": "s"}, 2))
            if answer.status != 503:
                stage.find(f"a write at the replica that is cut off is {answer.status} {answer.body[:200]!r}")
            answer = await client.ask("GET", "/v1/directory")
            if answer.status != 200 or "rollcall-staleness-ms" not in answer.headers:
                stage.find(f"a read at the replica that is cut off is {answer.status} {answer.body[:150]!r}, "
                           f"{answer.headers.get('rollcall-staleness-ms')} ms old")
            ready, stale = [(await client.ask("GET", path)).status for path in ("/readyz", "/readyz?stale")]
            if (ready, stale) != (503, 200):
                stage.find(f"/readyz and /readyz?stale of the replica that is cut off are {ready} and {stale}")
        finally:
            stage.network.restore()
        back = time.monotonic()
        await cluster.ready()
        found = await cluster.digests(tenant)
        if len(set(found)) != 1:
            stage.find(f"the replicas' states differ: {found}")
        stage.figure(f"cut off for {back - began:.1f} s, ready {time.monotonic() - back:.1f} s later")


class Sharing(Client):
    """A client that sends each request to any replica, with the newest position that any client was shown."""

    def __init__(self, ports, token, shared, names_positions):
        super().__init__(ports[0], token)
        self.clients, self.shared, self.names_positions = [Client(port, token) for port in ports], shared, names_positions

    async def ask(self, method, path, body=None, **more):
        headers = {"Rollcall-Min-Position": str(self.shared["position"])} if self.names_positions and method == "GET" else None
        answer = await random.choice(self.clients).ask(method, path, body, headers, timeout=3, **more)
        if answer.status == 200 and "rollcall-position" in answer.headers:
            self.shared["position"] = max(self.shared["position"], answer.position)
        return answer


class SharedHistory(observe.Observed):
    """The clients of scripts/history, over several replicas."""

    def __init__(self, stage, tenant):
        super().__init__(None, tenant, None)
        self.ports, self.shared, self.names_positions = stage.ports(), {"position": 0}, not stage.control

    def client(self):
        return Sharing(self.ports, self.tenant.key, self.shared, self.names_positions)


async def history(stage):
    """Checks all answers of all replicas as one history, through kills. The control's clients name no position."""
    cluster, kills, seconds = stage.cluster, 1 if stage.short or stage.control else 10, 4 if stage.short or stage.control else 60
    run = SharedHistory(stage, await observe.opened(cluster.replicas[0].port))

    async def restart():
        replica = random.choice(cluster.replicas)
        replica.kill()
        await replica.start()

    await run.run(seconds, kills, restart)
    stage.findings += check(run.operations)
    stage.figure(f"{run.summary()}, {kills} kills")


class OneAddress(Client):
    """A client with an address of its own that names no position, and opens a new connection for each request."""

    async def ask(self, *args, **more):
        self.close()
        return await super().ask(*args, timeout=5, **more)


class StickyHistory(observe.Observed):
    """The clients of scripts/history through a balancer, each from an address of its own."""

    def __init__(self, tenant, port):
        super().__init__(None, tenant, None)
        self.port, self.addresses = port, (f"127.0.0.{n}" for n in range(2, 250))

    def client(self):
        return OneAddress(self.port, self.tenant.key, next(self.addresses))


async def sticky(stage):
    """Reads through a balancer that keeps each client at one server: no client's positions go back. The control's does not."""
    cluster = stage.cluster
    balancer = ServiceBalancer(f"{cluster.folder}/sticky-balancer", cluster.replicas, sticky=not stage.control)
    tenant = await observe.opened(cluster.replicas[0].port)
    balancer.launch()
    try:
        await asyncio.sleep(3)  # until it has made its checks
        run = StickyHistory(tenant, balancer.port)
        await run.run(3 if stage.short or stage.control else 30)
    finally:
        balancer.stop()
    stage.findings += own_order(run.operations)
    if len(run.operations) < 20:
        stage.find(f"only {len(run.operations)} requests were answered")
    stage.figure(f"{len(run.operations)} answers")
