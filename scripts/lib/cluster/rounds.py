"""Rows of scripts/cluster about writes and desks: replicas, the primary and the balancers fail under load."""
import asyncio
import random
import signal
import time

from client import Client, Gone
from clients import Desks, Elsewhere, Writers
from ledger import Ledger
from world import event, make_tenants

USERS = 25
SLOW_STORE = b"the store did not answer in time"
PATIENCE = 10.0  # seconds within which a write is acknowledged while replicas fail one at a time
RECOVERY = 5.0  # seconds within which a write is acknowledged after a promotion, or after a balancer is back
PAUSE = 8.0  # seconds for which a replica stands still
LEASE = 8  # seconds
STOOD_STILL = 6.0  # seconds by which the end of a lease may come later, since a replica stood still
FULL_TERM = LEASE  # seconds by which it may come later after a longer stretch without heartbeats


async def audit(stage, ledger):
    """Compares all replicas and the tables with what the clients recorded."""
    cluster = stage.cluster
    await cluster.ready()
    await ledger.settle(cluster.replicas[0].port)
    await ledger.resend(cluster.replicas[1].port, ledger.entries)
    for tenant in ledger.tenants:
        found = await cluster.digests(tenant)
        if len(set(found)) != 1:
            ledger.find(f"the replicas' states differ: {found}")
    await ledger.count(cluster.replicas[2].port)
    ledger.tables(cluster.replicas[0])
    ledger.lost(cluster.replicas[0])
    stage.findings += ledger.findings


async def fail(stage, kind, replica):
    """Lets one replica fail for a while, and waits until it is ready again."""
    if kind == "kill":
        replica.kill()
        await asyncio.sleep(1)
        await replica.start()
    elif kind == "pause":
        replica.signal(signal.SIGSTOP)
        await asyncio.sleep(PAUSE + 4 if stage.control else PAUSE)
        replica.signal(signal.SIGCONT)
    else:
        stage.network.drop(replica.port, replica.store_port)
        await asyncio.sleep(PAUSE / 2 if stage.short else PAUSE)
        stage.network.restore()
    await stage.cluster.ready()


def judge_first(stage, seconds, event):
    """Checks the time of the first acknowledgement after an event; None if there was none within 30 s."""
    if seconds is None or seconds > RECOVERY:
        stage.find(f"the first 2xx came {f'{seconds:.1f} s' if seconds else 'not within 30 s'} after {event}")


async def replicas(stage):
    """Kills, pauses and silences replicas under 32 writers. Clients go elsewhere, and nothing is lost or taken twice."""
    kinds = ["kill", "pause", *(["silence"] if stage.network else [])]
    flaws = {"early": "is lost", "twice": "but the position is", "stays": "was not acknowledged for"} if stage.control else {None: ""}
    for flaw, words in flaws.items():
        before = len(stage.findings)
        ledger = Ledger(await make_tenants(stage.cluster.replicas[0].port, 3, USERS))
        writers = Writers(stage.ports(), ledger, 32, flaw)
        for number in range(1 if stage.short or flaw else 34):
            for kind in ["pause"] if flaw == "stays" else kinds[:1] if flaw else kinds:
                await asyncio.sleep(random.uniform(0.2, 0.8))
                await fail(stage, kind, stage.cluster.replicas[(number + kinds.index(kind)) % 3])
        await writers.stop()
        slowest = max(writers.waits)
        if slowest > PATIENCE:
            ledger.find(f"a write was not acknowledged for {slowest:.1f} s")
        await audit(stage, ledger)
        waits = sorted(writers.waits)
        stage.figure(f"{', '.join(kinds)}: {ledger.acknowledged()} events acknowledged in {len(waits)} requests, p99 "
                     f"{waits[len(waits) * 99 // 100]:.2f} s, slowest {slowest:.2f} s")
        if flaw and not any(words in finding for finding in stage.findings[before:]):
            stage.missed.append(f"{flaw}: {stage.findings[before:][:2]}")


async def primary(stage):
    """Kills PostgreSQL's primary under load: the standby is promoted, nothing is lost, and no desk is logged off."""
    cluster = stage.cluster
    for number in range(1 if stage.short or stage.control else 10):
        await cluster.wait_for_standby()
        tenants = await make_tenants(cluster.replicas[0].port, 3, USERS)
        desk_tenant = (await make_tenants(cluster.replicas[0].port, 1, 100))[0]
        ledger, desks = Ledger(tenants), Desks(stage.ports(), desk_tenant, 100, LEASE)
        await desks.start()
        old, new = cluster.primary(), cluster.standby()
        processes = [replica.process.pid for replica in cluster.replicas]
        if stage.control:
            lie(stage, old, new)
        writers = Writers(stage.ports(), ledger, 16)
        await asyncio.sleep(2)
        began = time.monotonic()
        await asyncio.to_thread(old.kill_database)
        if stage.control:
            stage.network.restore()
        await cluster.wait_for("a promotion", new.is_writable, 60)
        promoted = time.monotonic()
        writers.mark("promotion")
        first = await writers.first("promotion", 30)
        judge_first(stage, first, "the promotion")
        if stage.control:
            writers.abandon()
            desks.done = True
            cluster.sql("DROP TRIGGER lie ON journal")
            await cluster.wait_for_standby()
            ledger.lost(cluster.replicas[0])
            stage.findings += ledger.findings
            return
        await asyncio.sleep(LEASE + 1)  # until a desk that the failover silenced would be logged off
        await asyncio.gather(writers.stop(), desks.stop())
        if [replica.process.pid for replica in cluster.replicas] != processes or not all(r.is_running() for r in cluster.replicas):
            stage.find("a replica's process ended")
        stage.findings += desks.findings
        await cluster.wait_for_standby()
        await audit(stage, ledger)
        stage.figure(f"promoted after {promoted - began:.1f} s, first 2xx {first or 0:.2f} s later, {ledger.acknowledged()} events "
                     f"acknowledged, {desks.taken} heartbeats")
        if stage.findings:
            return


def lie(stage, old, new):
    """Makes the primary acknowledge commits that its standby does not have, as an asynchronous one does."""
    stage.cluster.sql("CREATE FUNCTION lie() RETURNS trigger LANGUAGE plpgsql AS "
                      "$$ BEGIN PERFORM set_config('synchronous_commit', 'local', true); RETURN NULL; END $$")
    stage.cluster.sql("CREATE TRIGGER lie BEFORE INSERT ON journal FOR EACH STATEMENT EXECUTE FUNCTION lie()")
    port = stage.cluster.sql("SELECT client_port FROM pg_stat_replication")
    stage.network.drop(pairs=[(old.sql_port, int(port))])


async def frozen(stage):
    """Freezes the primary's whole node for longer than Patroni's lease, and lets it go on while another is primary."""
    cluster = stage.cluster
    for number in range(1 if stage.short or stage.control else 5):
        await cluster.wait_for_standby()
        ledger = Ledger(await make_tenants(cluster.replicas[0].port, 3, USERS))
        old, new = cluster.primary(), cluster.standby()
        writers = Writers(stage.ports(), ledger, 16)
        await asyncio.sleep(1)
        began = time.monotonic()
        old.signal_all(signal.SIGSTOP)
        try:
            await cluster.wait_for("a promotion", new.is_writable, 90)
            promoted = time.monotonic()
            writers.mark("promotion")
            first = await writers.first("promotion", 30)
        finally:
            old.signal_all(signal.SIGCONT)
        await asyncio.sleep(3)
        await writers.stop()
        judge_first(stage, first, "the promotion")
        if stage.control:  # an event that only the deposed primary could have acknowledged
            entry = ledger.open(ledger.tenants[0], [event("never-sent", "status.changed", {"presence": "Away"}, 1)])
            entry.outcomes = ["applied"]
        await cluster.wait_for_standby()
        await audit(stage, ledger)
        stage.figure(f"promoted after {promoted - began:.1f} s, first 2xx {first or 0:.2f} s later, {ledger.acknowledged()} events acknowledged")


async def balancers(stage):
    """Kills the balancer in front of the replicas, then the one in front of the store, and starts them again."""
    cluster = stage.cluster
    for number in range(1 if stage.short or stage.control else 10):
        ledger = Ledger(await make_tenants(cluster.replicas[0].port, 3, USERS))
        writers = Writers([cluster.balancer.port], ledger, 16)
        for balancer in (cluster.balancer, cluster.store):
            await asyncio.sleep(1)
            balancer.kill()
            await asyncio.sleep(random.uniform(0.5, 2))
            if stage.control:  # counts it as started again long before it is
                writers.mark(balancer.name)
                await asyncio.sleep(RECOVERY + 2)
            balancer.launch()
            if not stage.control:
                writers.mark(balancer.name)
            took = await writers.first(balancer.name, 30)
            judge_first(stage, took, f"{balancer.name} was started")
            stage.figure(f"first 2xx {took or 0:.1f} s after the start of {balancer.name}")
        await writers.stop()
        await audit(stage, ledger)


async def desks(stage):
    """Kills and pauses replicas while desks send heartbeats to any of them. Live ones stay, and silent ones go in time."""
    cluster, count, silent = stage.cluster, 200 if stage.short or stage.control else 1000, 20
    kinds = ["pause"] if stage.short else ["kill", "pause"] * (1 if stage.control else 10)
    tenant = (await make_tenants(cluster.replicas[0].port, 1, count))[0]
    run = Desks(stage.ports(), tenant, count, LEASE)
    await run.start(silent, leaving=1 if stage.control else 0)
    gone_after = []
    for number, kind in enumerate(kinds):
        first = count - silent + 1
        numbers = range(first, count + 1)
        await run.open(numbers)
        opened = time.monotonic()
        failing = asyncio.create_task(fail(stage, kind, cluster.replicas[number % 3]))
        gone_after.append(await until_gone(stage, run, numbers, opened))
        await failing
        if run.findings or stage.findings:
            break
    await run.stop()
    stage.findings += run.findings
    stage.figure(f"{count - silent} desks, {run.taken} heartbeats, {run.looks} looks through {len(kinds)} faults; silent ones gone "
                 f"{min(gone_after):.1f} to {max(gone_after):.1f} s after their last event (leases of {LEASE} s)")


async def until_gone(stage, run, numbers, opened):
    """Returns the seconds after which the last silent desk was no longer counted. Each must go after its lease, and in time."""
    client, last, left = Elsewhere(run.ports, run.tenant.key), 0.0, set(numbers)
    most = LEASE + 1 + STOOD_STILL + FULL_TERM
    while left:
        client.spread()
        headers = {"Rollcall-Min-Position": str(run.position)}
        answer = await client.ask("GET", "/operator/live", None, headers, until=time.monotonic() + 30)
        if answer is None or answer.status != 200:
            continue
        passed = time.monotonic() - opened
        here = {row["id"] for row in answer.json()["data"]}
        went, left = left - here, left & here
        if went:
            last = passed
        if went and passed < LEASE - 0.5:
            stage.find(f"silent desks were gone {passed:.2f} s after their last event, before the end of their lease")
        if left and passed > most:
            stage.find(f"{len(left)} silent desks are counted {passed:.1f} s after their last event")
            break
        await asyncio.sleep(0.05)
    client.close()
    return last


async def rolling(stage):
    """Restarts every replica in order, under load through the balancer. A client that repeats once notices nothing."""
    cluster = stage.cluster
    tenants = await make_tenants(cluster.replicas[0].port, 3, USERS)
    run = {"done": False, "asked": 0, "repeated": 0, "slow": 0}
    tasks = [asyncio.create_task(once_again(stage, run, tenants, n)) for n in range(16)]
    await asyncio.sleep(1)
    lengths = []
    if stage.control:
        for replica in cluster.replicas:
            replica.kill()
        await asyncio.sleep(1)
        await asyncio.gather(*(replica.start() for replica in cluster.replicas))
    else:
        for replica in cluster.replicas[:1] if stage.short else cluster.replicas * 5:
            began = time.monotonic()
            await asyncio.to_thread(replica.stop)
            lengths.append(time.monotonic() - began)
            await replica.start()
            await asyncio.sleep(2)  # until the balancer uses it again
    run["done"] = True
    await asyncio.gather(*tasks)
    await cluster.ready()
    if lengths:
        stage.figure(f"{len(lengths)} restarts, {run['asked']} requests of which {run['repeated']} were repeated and "
                     f"{run['slow']} refused by a slow store, stops of "
                     f"{min(lengths):.1f} to {max(lengths):.1f} s")


async def once_again(stage, run, tenants, number):
    """Writes and reads through the balancer, and repeats a request whose connection was refused or closed once."""
    client, n, tenant = Client(stage.cluster.balancer.port), 0, tenants[number % len(tenants)]
    while not run["done"] and not stage.findings:
        n += 1
        wanted = ("POST", "/v1/events", event(f"roll-{number}-{n}", "status.changed", {"channels": {"chat": n % 2 == 0}}, 1 + number))
        if n % 2:
            wanted = ("GET", "/v1/directory", None)
        run["asked"] += 1
        for attempt in (1, 2):
            try:
                answer = await client.ask(*wanted, token=tenant.key, timeout=10)
                # On a busy machine the store is slow with and without a restart.
                if answer.status == 503 and SLOW_STORE in answer.body:
                    run["slow"] += 1
                elif answer.status != 200:
                    stage.find(f"{wanted[0]} {wanted[1]} during a rolling restart was answered {answer.status} {answer.body[:200]!r}")
                break
            except Gone as gone:
                if attempt == 2:
                    stage.find(f"{wanted[0]} {wanted[1]} got no answer twice during a rolling restart: {gone}")
                run["repeated"] += 1
        await asyncio.sleep(0.005)
    client.close()
