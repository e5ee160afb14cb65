"""Rows of scripts/weather about the network between the service and PostgreSQL: interrupted appends, and silence."""
import asyncio
import os
import subprocess
import time

from client import Client, Gone
from ledger import Ledger
from proxy import Proxy
from service import Postgres
from weather_stores import audit
from world import event, make_tenants

USERS = 20
LOCK = 15.0  # seconds within which PostgreSQL ends the session of a connection that went silent
BACK = 5.0  # seconds within which a write succeeds after the network is back


def holding(url, sql):
    """Starts another session that runs a statement for a while."""
    psql = os.path.join(os.environ["POSTGRES_BIN"], "psql")
    return subprocess.Popen([psql, "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "-c", sql, url], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def behind(proxy, stage, url):
    """Makes a service that uses its database through the proxy. The checks of its tables bypass the proxy."""
    service = stage.service(proxy.url)
    service.url, service.store = url, ["--database-url", url]
    return service


def head_lock(tenant, seconds):
    return f"BEGIN; SELECT seq FROM head WHERE tenant = '{tenant.id}' FOR UPDATE; SELECT pg_sleep({seconds}); COMMIT"


# Takes the server's lock as soon as it is free, as another server would. Fails if it got it.
SERVER_LOCK = """DO $$ DECLARE held bigint; BEGIN
  SELECT (classid::bigint << 32) | objid::bigint INTO held FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1;
  IF held IS NULL THEN RETURN; END IF;
  FOR n IN 1..400 LOOP
    IF pg_try_advisory_lock(held) THEN PERFORM pg_sleep(1.5); RAISE EXCEPTION 'it was taken'; END IF;
    PERFORM pg_sleep(0.005);
  END LOOP; END $$"""


async def cut_append(stage):
    """Cuts appends before or after PostgreSQL gets them, while other sessions hold its locks.

    No event may be called a duplicate that is not in the journal.
    """
    url = stage.database()
    proxy = Proxy(url)
    await proxy.start()
    service = behind(proxy, stage, url)
    try:
        await service.start()
        tenants = await make_tenants(service.port, 2, USERS)
        stage.locked = 0  # the number of times that another session got the server's lock
        ledger, pid = Ledger(tenants), service.process.pid
        kinds = [(when, lock) for when in ("before", "after", "none") for lock in ("none", "head", "server")
                 if (when, lock) not in (("none", "none"), ("none", "server"))]
        for number, (when, lock) in enumerate(kinds * (1 if stage.short else 3)):
            await cut_once(stage, (proxy, url, service, ledger), f"{number}-{when}-{lock}", (when, lock))
            if not service.is_running() or service.process.pid != pid:
                raise AssertionError(f"the process ended after {when}, {lock}: {service.said()[-300:]}")
        await missing_head(stage, url, service, ledger)
        if stage.control:
            lie = ledger.open(tenants[0], [event("never-sent", "status.changed", {"presence": "Away"}, 1)])
            lie.outcomes = ["duplicate"]
        ledger.lost(service)
        await audit(stage, ledger, service)
        stage.figure(f"{len(proxy.cut_at)} appends cut, the server's lock taken by another {stage.locked} times, {ledger.acknowledged()} events acknowledged")
    finally:
        proxy.stop()


async def cut_once(stage, parts, name, fault):
    """Sends one request, with a fault during its append, again until it is accepted."""
    (proxy, url, service, ledger), (when, lock) = parts, fault
    # Several slices of a turn each. No user comes to hold 1,000 conversations, the default limit, in all rounds.
    tenant, size = ledger.tenants[0], 200 if stage.short else 900
    made = [event(f"{name}-{n}", "slot.taken", {"channel": "chat", "conversation": f"{name}-{n}"}, 1 + n % USERS)
            for n in range(size)]
    entry, client, others = ledger.open(tenant, made), Client(service.port, tenant.key), []
    if lock == "head":
        others.append(holding(url, head_lock(tenant, 3)))
        await asyncio.sleep(0.3)
    elif lock == "server":
        others.append(holding(url, SERVER_LOCK))
        await asyncio.sleep(0.3)
    if when != "none":
        proxy.cuts[f"{name}-0".encode()] = when
    began = time.monotonic()
    while entry.outcomes is None:
        try:
            answer = await client.post(made, timeout=30)
            if answer.status == 200:
                entry.answered(answer)
            elif answer.status != 503:
                stage.find(f"{name}: answered {answer.status} {answer.body[:200]!r}")
                return
        except Gone as gone:
            stage.find(f"{name}: no answer: {gone}")
            return
        if time.monotonic() > began + 30:
            stage.find(f"{name}: not accepted within 30 s")
            return
        await asyncio.sleep(0.05)
    taken = [process.wait() for process in others]
    if lock == "server":
        stage.locked += sum(status != 0 for status in taken)
    odd = [outcome for outcome in entry.outcomes if outcome not in ("applied", "duplicate", "stale")]
    found = int(service.sql(f"SELECT count(*) FROM journal WHERE tenant = '{tenant.id}' AND event_id LIKE '{name}-%'")[0][0])
    if odd or found != size:
        stage.find(f"{name}: {entry.outcomes.count('duplicate')} duplicate, {entry.outcomes.count('applied')} applied, {odd[:2]}; "
                   f"{found} of {size} are in the journal")


async def missing_head(stage, url, service, ledger):
    """Deletes the head of a tenant's journal: its events must be rejected or journalled, never called duplicates."""
    tenant = ledger.tenants.pop()
    client = Client(service.port, tenant.key)
    Postgres().run(f"CREATE TABLE kept_head AS SELECT * FROM head WHERE tenant = '{tenant.id}'", url)
    Postgres().run(f"DELETE FROM head WHERE tenant = '{tenant.id}'", url)
    answer = await client.post([event("headless", "desk.connected", {"session": "s"}, 1)], timeout=30)
    outcomes = [r["outcome"] for r in answer.json()["results"]] if answer.status == 200 else []
    journalled = service.sql(f"SELECT 1 FROM journal WHERE tenant = '{tenant.id}' AND event_id = 'headless'")
    if answer.status not in (200, 503) or ("duplicate" in outcomes) or (outcomes and not journalled):
        stage.find(f"without a head an event is {answer.status} {outcomes}, {len(journalled)} journalled")
    # Other tenants are not affected.
    other = Client(service.port, ledger.tenants[0].key)
    entry = ledger.open(ledger.tenants[0], [event("beside-headless", "desk.connected", {"session": "s"}, 1)])
    entry.answered((await other.patient("POST", "/v1/events", entry.events[0], seconds=20)).ok())
    # Without it the store has lost rows, which `rollcall verify` would rightly report.
    Postgres().run("INSERT INTO head SELECT * FROM kept_head", url)


async def first_write(service, tenant, name, patience):
    """Returns the seconds until a write is acknowledged, or None. Each try is a new event, so that none counts late."""
    client, began, n = Client(service.port, tenant.key), time.monotonic(), 0
    while time.monotonic() < began + patience:
        n += 1
        try:
            answer = await client.post([event(f"{name}-{n}", "status.changed", {"channels": {"chat": n % 2 == 0}}, 1)], timeout=5)
            if answer.status == 200:
                return time.monotonic() - began
        except Gone:
            pass
        await asyncio.sleep(0.1)
    return None


async def silent_network(stage):
    """Drops all packets in both directions. A new connection, or a new server, must get the lock in time."""
    url = stage.database()
    proxy = Proxy(url)
    await proxy.start()
    service = behind(proxy, stage, url)
    try:
        await service.start()
        tenant = (await make_tenants(service.port, 1, USERS))[0]
        # The open connections go silent; a new one can be opened.
        proxy.silence(new=stage.control)
        took = await first_write(service, tenant, "silent", LOCK + 5)
        if took is None or took > LOCK:
            stage.find(f"the first 2xx came {f'{took:.1f} s' if took else 'not'} after the connections had gone silent")
        stage.figure(f"connections silent: first 2xx after {f'{took:.1f} s' if took else 'never'}")
        if stage.control:
            return
        # The whole network is lost, and comes back.
        proxy.silence(new=True)
        away = 6 if stage.short else 30
        if await first_write(service, tenant, "away", away) is not None:
            stage.find("a write was acknowledged without a network")
        proxy.speak()
        took = await first_write(service, tenant, "back", 30)
        if took is None or took > BACK:
            stage.find(f"the first 2xx came {f'{took:.1f} s' if took else 'not within 30 s'} after {away} s without a network")
        stage.figure(f"network back after {away} s: first 2xx after {f'{took:.1f} s' if took else 'never'}")
        # The server is killed, and PostgreSQL does not notice: the next server must get the lock all the same.
        proxy.silence()
        service.kill()
        successor, began = stage.service(url), time.monotonic()
        await successor.start()
        took = await first_write(successor, tenant, "successor", 5)
        seconds = time.monotonic() - began
        if took is None or seconds > LOCK + BACK:
            stage.find(f"a new server wrote {seconds:.1f} s after it was started")
        stage.figure(f"a new server after a silent death: first 2xx after {seconds:.1f} s")
    finally:
        proxy.stop()
