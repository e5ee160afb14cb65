"""Rows of scripts/weather about the store: a slow sync, an unusable database, an unreadable tenant, a second server."""
import asyncio
import os
import subprocess
import time

from client import Client, Gone
from ledger import Ledger
from service import ADMIN, Postgres
from world import event, make_tenants

SHIM = os.path.join(os.path.dirname(__file__), "..", "shims", "slow_fsync.c")
USERS = 20
REFUSED = 25  # seconds within which a server that cannot start must end; it may wait for a lock for 15 of them


def shim(folder):
    """Compiles the shim that delays a sync, and returns its path."""
    library = f"{folder}/slow_fsync.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl"], check=True)
    return library


def desks():
    """Returns events that open a desk for every user."""
    return [event(f"desk-{user}", "desk.connected", {"session": "desk"}, user) for user in range(1, USERS + 1)]


async def slots(client):
    """Reads the number of chats that each user holds."""
    rows = (await client.patient("GET", "/operator/live")).ok().json()["data"]
    return {row["id"]: row["chat"]["slot_number"] for row in rows}


async def slow_fsync(stage):
    """Delays syncs by 3 s. Requests may fail, but the same events sent again must be stored once and shown to reads."""
    armed = f"{stage.folder}/once"
    # No checkpoint may be written, since its sync would get the delay.
    service = stage.service(None, ["--checkpoint-seconds", "3600"], {
        "LD_PRELOAD": shim(stage.folder), "SLOW_FSYNC_ONCE": armed, "SLOW_FSYNC_SECONDS": "3"})
    await service.start()
    tenant, other = await make_tenants(service.port, 2, USERS)
    ledger, client = Ledger([tenant, other]), Client(service.port, tenant.key)
    # Reads list only connected users.
    entry = ledger.open(tenant, desks())
    entry.answered((await client.post(entry.events)).ok())
    pid, rounds, refused = service.process.pid, 1 if stage.short else 5, 0
    beside = asyncio.create_task(write_beside(ledger, other, service.port))
    for number in range(rounds):
        made = [event(f"slow-{number}-{user}", "slot.taken", {"channel": "chat", "conversation": f"c-{number}-{user}"}, user)
                for user in range(1, USERS + 1)]
        entry = ledger.open(tenant, made)
        open(armed, "w").close()
        answer = await client.post(made, timeout=30)
        if answer.status not in (200, 503):
            stage.find(f"the events were answered {answer.status} {answer.body[:200]!r}")
        if os.path.exists(armed):
            stage.find("no sync was slow")
        refused += answer.status == 503
        # As a client does: sends the same events again until they are accepted.
        answer = await client.patient("POST", "/v1/events", made, seconds=20)
        entry.answered(answer.ok())
        odd = [outcome for outcome in entry.outcomes if outcome not in ("applied", "duplicate")]
        held = await slots(client)
        missing = sum(held.get(user, 0) != number + 1 for user in range(1, USERS + 1))
        if odd or missing:
            stage.find(f"round {number}: {odd[:3]}; acknowledged, and {missing} of {USERS} are not shown to reads")
        after = ledger.open(tenant, [event(f"after-{number}", "status.changed", {"presence": "Away"}, 1)])
        after.answered((await client.patient("POST", "/v1/events", after.events[0], seconds=10)).ok())
        if not service.is_running() or service.process.pid != pid:
            raise AssertionError(f"the process ended: {service.said()[-300:]}")
    beside.cancel()
    await asyncio.gather(beside, return_exceptions=True)
    if stage.control:  # recorded as acknowledged, and never sent
        lie = ledger.open(tenant, [event("never-sent", "status.changed", {"presence": "Away"}, 1)])
        lie.outcomes = ["applied"]
    await audit(stage, ledger, service)
    stage.figure(f"{rounds} syncs of 3 s, {refused} requests refused, {ledger.acknowledged()} events acknowledged")


async def write_beside(ledger, tenant, port):
    """Writes for another tenant, one event after the other, each sent again until it is accepted."""
    client, number = Client(port, tenant.key), 0
    while True:
        number += 1
        entry = ledger.open(tenant, [event(f"beside-{number}", "status.changed", {"channels": {"chat": number % 2 == 0}}, 1)])
        while entry.outcomes is None:
            try:
                answer = await client.post(entry.events)
                if answer.status == 200:
                    entry.answered(answer)
            except Gone:
                pass
            await asyncio.sleep(0.05)


async def audit(stage, ledger, service):
    """Checks that everything acknowledged is stored once, and that the state is a replay of the journal."""
    await ledger.settle(service.port)
    await ledger.resend(service.port, ledger.entries)
    await ledger.count(service.port)
    # In a thread, since a proxy between the service and its database may run in this event loop.
    await asyncio.to_thread(service.stop)
    await asyncio.sleep(0.2)
    ledger.lost(service)
    ledger.tables(service)
    await asyncio.to_thread(ledger.digests, service)
    for finding in ledger.findings:
        stage.find(finding)


def serve_once(stage, service):
    """Starts a server that must not start. Returns its exit status, or None if it runs, and its log."""
    with open(service.log_path, "ab") as log:
        process = subprocess.Popen(service.command, stdout=log, stderr=log, env=service.environment)
    try:
        status = process.wait(5 if stage.control else REFUSED)
    except subprocess.TimeoutExpired:
        status = None
        process.kill()
        process.wait()
    with open(service.log_path, errors="replace") as log:
        return status, log.read()


async def unfit_database(stage):
    """Starts the service on a LATIN1 and on a read-only database. Both must be refused with the reason."""
    encoding = "LATIN1" if not stage.control else "UTF8"
    latin = stage.database(f"ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    frozen = stage.database()
    name = frozen.rsplit("/", 1)[1]
    Postgres().run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    for url, words in ((latin, ("LATIN1", "UTF8")), (frozen, ("read-only",))):
        # The database of a control is usable: the server runs, which is the finding.
        status, said = await asyncio.to_thread(serve_once, stage, stage.service(url))
        if status is None or status == 0:
            stage.find(f"a database that cannot work ({words[0]}) was served: {status}")
        elif any(word.lower() not in said.lower() for word in words) or "panicked" in said:
            stage.find(f"exit {status}, without {words}: {said[-300:]}")
        else:
            stage.figure(f"{words[0]}: exit {status}")
        if stage.control:
            return


async def spoil(service, tenant, kind):
    """Makes a tenant unreadable in the stopped store, by a corrupt row of its checkpoint or a gap in its journal."""
    if kind == "row":
        if service.url:
            Postgres().run(f"UPDATE state_row SET body = '\"spoilt\"' WHERE tenant = '{tenant.id}' AND kind = 'user'", service.url)
        else:
            execute(service, "UPDATE state_row SET body = '\"spoilt\"' WHERE tenant = ? AND kind = 'user'", tenant.id)
    elif service.url:
        Postgres().run(f"DELETE FROM checkpoint WHERE tenant = '{tenant.id}'; DELETE FROM state_row WHERE tenant = "
                       f"'{tenant.id}'; DELETE FROM journal WHERE tenant = '{tenant.id}' AND seq = 2", service.url)
    else:
        for statement in ("DELETE FROM checkpoint WHERE tenant = ?", "DELETE FROM state_row WHERE tenant = ?",
                          "DELETE FROM journal WHERE tenant = ? AND seq = 2"):
            execute(service, statement, tenant.id)


def execute(service, statement, tenant):
    import sqlite3
    with sqlite3.connect(os.path.join(service.data, "rollcall.db")) as connection:
        changed = connection.execute(statement, (tenant,)).rowcount
    connection.close()
    if changed == 0:
        raise AssertionError(f"nothing was spoilt by {statement}")


async def unreadable_tenant(stage):
    """Corrupts one tenant. The start must succeed, the tenant must be 503, and the others must be served."""
    kinds = [("row", None), ("gap", stage.database())] if stage.short else [
        (kind, url) for kind in ("row", "gap") for url in (None, stage.database())]
    for kind, url in kinds:
        service = stage.service(url, ["--checkpoint-seconds", "1"])
        await service.start()
        spoilt, well = await make_tenants(service.port, 2, USERS)
        for tenant in (spoilt, well):
            made = [event(f"e{n}", "slot.taken", {"channel": "chat", "conversation": f"c{n}"}, 1) for n in range(5)]
            (await Client(service.port, tenant.key).post(desks() + made)).ok()
        service.stop()
        if not stage.control:
            await spoil(service, spoilt, kind)
        seconds = await service.start()
        client, where = Client(service.port), f"{kind} on {'PostgreSQL' if url else 'the embedded store'}"
        more = event("more", "slot.taken", {"channel": "chat", "conversation": "more"}, 2)
        for method, path, body in (("GET", "/operator/live", None), ("POST", "/v1/events", more),
                                   ("GET", "/v1/directory", None)):
            answer = await client.ask(method, path, body, token=spoilt.key)
            if answer.status != 503:
                stage.find(f"{where}: {method} {path} of the spoilt tenant is {answer.status} {answer.body[:100]!r}")
            (await client.ask(method, path, body, token=well.key)).ok()
        if (await slots(Client(service.port, well.key))) != {n: {1: 5, 2: 1}.get(n, 0) for n in range(1, USERS + 1)}:
            stage.find(f"{where}: the other tenant shows something else")
        service.stop()
        stage.figure(f"{where}: started in {seconds:.1f} s")


async def second_server(stage):
    """Starts a second server that would migrate a database beside a running one. It must be refused before it migrates."""
    url = stage.database()
    first = stage.service(url)
    await first.start()
    tenant = (await make_tenants(first.port, 1, USERS))[0]
    before = first.sql("SELECT version FROM _sqlx_migrations ORDER BY version")
    # Makes the newest migration look as if it were not applied.
    Postgres().run("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)", url)
    began = time.monotonic()
    status, said = await asyncio.to_thread(serve_once, stage, stage.service(stage.database() if stage.control else url))
    took = time.monotonic() - began
    if status in (None, 0):
        stage.find(f"a second server was not refused within {REFUSED} s: {status}")
    elif "migrat" in said.lower():
        stage.find(f"a second server got as far as the migrations: {said[-300:]}")
    after = first.sql("SELECT version FROM _sqlx_migrations ORDER BY version")
    if after != before[:-1]:
        stage.find(f"a second server migrated: {len(before) - 1} migrations before, {len(after)} after")
    (await Client(first.port, tenant.key).post([event("still", "desk.connected", {"session": "s"}, 1)])).ok()
    (await Client(first.port, ADMIN).ask("POST", "/v1/tenants", {"name": "another"}))
    stage.figure(f"refused after {took:.1f} s with status {status}")
