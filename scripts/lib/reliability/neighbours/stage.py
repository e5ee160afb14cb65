"""The environment of the rows: a service, the small tenant of the others, and tenants for the attacks."""
import asyncio
import fcntl
import os
import subprocess
import time

from client import Client, Gone
from ledger import Ledger
from neighbours.others import USERS, Others, Seen
from service import Service
from world import directory, event, make_tenants

DOCUMENT_USERS = 2_500  # users in a directory document
EVENTS = 1_000  # events in a request, in preparations
F_SETPIPE_SZ, PIPE_BYTES = 1031, 4096
QUIET_MOST = 20.0  # seconds after an attack within which a single event must be quick again
INSISTING = 180.0  # the most seconds for one request of a preparation


class NeighbourService(Service):
    """The service, possibly with few descriptors, or with an output that is never read."""

    def __init__(self, program, folder, url, flags, row):
        super().__init__(program, folder, url, flags)
        self.deaf, self.unread = row.deaf, None
        self.command[self.command.index("--log") + 1] = row.log
        if row.descriptors:
            self.command = ["bash", "-c", f'ulimit -n {row.descriptors} && exec "$@"', "bash", *self.command]

    def spawn(self, log):
        if not self.deaf:
            return super().spawn(log)
        self.unread, theirs = os.pipe()
        fcntl.fcntl(theirs, F_SETPIPE_SZ, PIPE_BYTES)
        try:
            return subprocess.Popen(self.command, stdout=theirs, stderr=theirs, env=self.environment)
        finally:
            os.close(theirs)

    # --- memory ---

    def forget_peak(self):
        """Resets the kernel's record of the peak memory."""
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as file:
            file.write("5")

    def peak_mib(self):
        return self.status("VmHWM") / 1024


class Stage:
    def __init__(self, service, url, is_control):
        self.service, self.url, self.is_control = service, url, is_control
        self.ledger = self.others = self.tenant = None
        self.crowds = {}

    async def open(self):
        await self.service.start()
        (self.tenant,) = await make_tenants(self.service.port, 1, USERS)
        self.ledger = Ledger([self.tenant])
        self.others = Others(self.service, self.tenant, self.ledger)
        until = time.monotonic() + 0.5
        await self.others.behave(Seen(), lambda: time.monotonic() > until)

    async def hostile(self, users):
        """Returns a tenant for an attack. Attacks with the same number of users share it."""
        if users not in self.crowds:
            (tenant,) = await make_tenants(self.service.port, 1, min(users, DOCUMENT_USERS))
            tenant.users = users
            await self.load(tenant, DOCUMENT_USERS, users)
            self.crowds[users] = tenant
        return self.crowds[users]

    async def load(self, tenant, done, users):
        """Loads the rest of a directory."""
        client = Client(self.service.port, tenant.key)
        for first in range(done + 1, users + 1, DOCUMENT_USERS):
            last = min(first + DOCUMENT_USERS - 1, users)
            await insist(client, "PUT", "/v1/directory", {"users": directory(last, first)["users"]})
        client.close()

    async def connected(self, users):
        """Returns a tenant with a number of users, all of them connected."""
        is_new = users not in self.crowds
        tenant = await self.hostile(users)
        if is_new:
            client = Client(self.service.port, tenant.key)
            for first in range(1, users + 1, EVENTS):
                await insist(client, "POST", "/v1/events", [
                    event(f"at-{user}", "desk.connected", {"session": "desk"}, user)
                    for user in range(first, min(first + EVENTS, users + 1))])
            client.close()
        return tenant

    async def quiet(self, seconds=QUIET_MOST):
        """Waits until the remaining work of an attack is done. Returns False if it is not done in time."""
        client, until, calm = Client(self.service.port, self.tenant.key), time.monotonic() + seconds, 0
        while calm < 5 and time.monotonic() < until:
            began = time.monotonic()
            try:
                status = (await client.ask("POST", "/v1/events", [], timeout=5)).status
            except Gone:
                status = 0
            calm = calm + 1 if status != 503 and time.monotonic() - began < 0.1 else 0
            await asyncio.sleep(0.02)
        client.close()
        return calm == 5

    async def audit(self):
        """Checks that nothing acknowledged is lost or stored twice, and that the service ends on SIGTERM."""
        await self.ledger.settle(self.service.port)
        await self.ledger.resend(self.service.port, self.ledger.entries)
        try:
            await asyncio.to_thread(self.service.stop)
        except subprocess.TimeoutExpired:
            return ["the service did not end within 60 s of SIGTERM"]
        self.ledger.lost(self.service)
        self.ledger.digests(self.service)
        return self.ledger.findings


async def insist(client, method, path, body=None, **more):
    """Returns the answer to a request of a preparation. Retries rejections, since budgets apply to it as well."""
    until = time.monotonic() + INSISTING
    while True:
        try:
            answer = await client.ask(method, path, body, timeout=INSISTING, **more)
        except Gone as gone:
            answer = gone
        if not isinstance(answer, Gone) and answer.status not in (429, 503):
            if answer.status >= 400:
                raise AssertionError(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"{method} {path} was refused for {INSISTING:.0f} s: {answer!r}")
        await asyncio.sleep(0.05)
