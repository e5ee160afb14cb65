"""Row of scripts/weather about a second server that takes the store over from a running one."""
import asyncio
import time

from client import Client
from service import Postgres
from world import event, make_tenants

USERS = 20
BACK = 5.0  # seconds within which the first server serves again after the second has ended

# Ends the session that holds the server's lock.
END_LOCK = """DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()); END $$"""


def launch(service):
    """Starts a service without waiting for it."""
    with open(service.log_path, "ab") as log:
        service.process = service.spawn(log)


async def is_ready(client):
    try:
        return (await client.ask("GET", "/readyz", timeout=2)).status == 200
    except Exception:  # not listening yet
        return False


async def take_over(first, second, url):
    """Ends the first server's lock until the second server has it. The first may take it back before the second looks."""
    launch(second)
    client, until = Client(second.port), time.monotonic() + 14
    while time.monotonic() < until:
        Postgres().run(END_LOCK, url)
        took = time.monotonic()
        while time.monotonic() < took + 4:
            if await is_ready(client):
                return time.monotonic() - took
            await asyncio.sleep(0.02)
    raise AssertionError(f"the second server did not get the store: {second.said()[-300:]}, {first.said()[-300:]}")


async def takeover(stage):
    """From the second server's first answer on, the first one must answer nothing with 2xx."""
    for number in range(1 if stage.short else 5):
        url = stage.database()
        first, second = stage.service(url), stage.service(url)
        await first.start()
        tenant = (await make_tenants(first.port, 1, USERS))[0]
        desks = [event(f"desk-{n}", "desk.connected", {"session": "s", "lease_seconds": 60}, n) for n in range(1, 11)]
        (await Client(first.port, tenant.key).post(desks)).ok()
        took = await take_over(first, second, url)
        leaving = [event(f"leave-{n}", "desk.disconnected", {"session": "s"}, n) for n in range(1, 6)]
        (await Client(second.port, tenant.key).post(leaving)).ok()
        # The control sends the requests to the second server, which must answer them.
        old, until = Client((second if stage.control else first).port, tenant.key), time.monotonic() + 3
        while time.monotonic() < until and not stage.findings:
            beat = event(f"beat-{time.monotonic_ns()}", "desk.heartbeat", {"session": "s"}, 10)
            for method, path, body in (("GET", "/operator/live", None), ("GET", "/v1/directory", None),
                                       ("POST", "/v1/events", beat), ("GET", "/readyz", None)):
                answer = await old.ask(method, path, body)
                if answer.status != 503:
                    stage.find(f"{method} {path} of the old server is {answer.status} {answer.body[:100]!r}")
            await asyncio.sleep(0.02)
        if stage.control:
            return
        second.stop()
        began, client = time.monotonic(), Client(first.port, tenant.key)
        while not await is_ready(client):
            if time.monotonic() > began + BACK:
                raise AssertionError(f"the first server is not back within {BACK} s: {first.said()[-300:]}")
            await asyncio.sleep(0.02)
        live = (await client.ask("GET", "/operator/live")).ok().json()["data"]
        if len(live) != 5:
            stage.find(f"the first server shows {len(live)} users, and the second had left 5")
        stage.figure(f"taken over after {took:.2f} s, back after {time.monotonic() - began:.2f} s")
        first.stop()
        status, lines = first.verify()
        if status != 0:
            stage.find(f"verify: {lines}")
