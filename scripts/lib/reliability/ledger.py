"""Records what clients sent and the answers they got, and audits the service and its tables against that."""
import asyncio

from client import Client

BATCH = 2_000  # events in a request of the audit


class Entry:
    """One request with events, recorded before it is sent, and its answer; outcomes are None without one."""

    def __init__(self, tenant, events):
        self.tenant, self.events, self.outcomes, self.position = tenant, events, None, None

    def answered(self, answer):
        said = answer.json()
        self.outcomes = [result["outcome"] for result in said["results"]]
        self.position = said["position"]


class Ledger:
    def __init__(self, tenants):
        self.tenants, self.entries, self.findings = tenants, [], []
        self.unknown = 0  # requests so far that got no answer

    def open(self, tenant, events):
        entry = Entry(tenant, events)
        self.entries.append(entry)
        return entry

    def acknowledged(self):
        return sum(len(entry.events) for entry in self.entries if entry.outcomes is not None)

    def find(self, what):
        self.findings.append(what)

    async def settle(self, port):
        """Sends the requests without an answer again. Each must have been committed as a whole or not at all."""
        waiting = [entry for entry in self.entries if entry.outcomes is None]
        self.unknown += len(waiting)

        async def some():
            client = Client(port)
            while waiting:
                entry = waiting.pop()
                answer = await client.patient("POST", "/v1/events", entry.events, token=entry.tenant.key)
                entry.answered(answer.ok())
                if entry.outcomes.count("duplicate") not in (0, len(entry.outcomes)):
                    self.find(f"a request was committed in part: {entry.outcomes}")
            client.close()

        await asyncio.gather(*(some() for _ in range(8)))

    async def resend(self, port, entries):
        """Sends acknowledged events again. All must be duplicates, and no position may be taken."""
        client = Client(port)
        for tenant in self.tenants:
            events = [event for entry in entries if entry.tenant is tenant for event in entry.events]
            before = (await client.patient("POST", "/v1/events", [], token=tenant.key)).json().get("position")
            for start in range(0, len(events), BATCH):
                some = events[start:start + BATCH]
                answer = (await client.patient("POST", "/v1/events", some, token=tenant.key)).ok().json()
                for result in answer["results"]:
                    if result["outcome"] != "duplicate":
                        self.find(f"{result['id']} was acknowledged and is lost: sent again, it is {result['outcome']}")
                if before is not None and answer["position"] != before:
                    self.find(f"positions went from {before} to {answer['position']} without a new event")
        client.close()

    async def count(self, port):
        """Checks that each tenant's position is the number of its events: the directory, and each id once."""
        client = Client(port)
        for tenant in self.tenants:
            ids = {event["id"] for entry in self.entries if entry.tenant is tenant for event in entry.events}
            answer = await client.patient("GET", "/operator/live", token=tenant.key)
            if answer.ok().position != len(ids) + 1:
                self.find(f"{len(ids)} ids and one directory were committed, but the position is {answer.position}")
        client.close()

    def tables(self, service):
        """Checks the journal's tables: no gap, each id once, and the head at the last entry."""
        rows = service.sql("SELECT j.tenant, count(*), count(DISTINCT source || ' ' || event_id), min(j.seq), max(j.seq),"
                           " max(h.seq) FROM journal j JOIN head h ON h.tenant = j.tenant GROUP BY j.tenant")
        for tenant, *numbers in rows:
            count, distinct, first, last, head = map(int, numbers)
            if not count == distinct == last == head or first != 1:
                self.find(f"journal of {tenant}: {count} entries, {distinct} ids, {first} to {last}, head {head}")

    def lost(self, service):
        """Checks that every acknowledged id is in the journal's table."""
        found = {tuple(row) for row in service.sql("SELECT tenant, event_id FROM journal")}
        for entry in (entry for entry in self.entries if entry.outcomes is not None):
            for event in entry.events:
                if (entry.tenant.id, event["id"]) not in found:
                    self.find(f"{event['id']} was acknowledged and is lost: it is not in the journal")

    def digests(self, service):
        """Checks by `rollcall verify` that every tenant's state in the stopped store is a replay of its journal."""
        status, lines = service.verify()
        if status != 0 or sum(line.endswith("  equal") for line in lines) < len(self.tenants):
            self.find("verify: " + "; ".join(lines))
