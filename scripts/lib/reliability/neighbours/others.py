"""The load of the others: a small tenant's reads and single events, its log-ins, and the probes, all timed."""
import asyncio
import collections
import datetime
import time

from client import Client, Gone, read_answer, request
from questions import QUESTIONS, ask
from world import anything

USERS = 25
PATIENCE = 5.0  # seconds after which an answer counts as missing
PAUSE = 0.02  # seconds between two requests of one kind
LOG_IN_PAUSE = 0.25
PASSWORD = "right-horse-battery"
GRAPHQL, VONAGE, CONVOSO, IADVIZE = QUESTIONS
READS = {"graphql": GRAPHQL, "iadvize": IADVIZE, "convoso": CONVOSO, "vonage": VONAGE}
# Kinds that are judged together, so that their p99 has enough samples.
CLASSES = {"reads": tuple(READS), "events": ("event",), "fresh": ("connect",), "probes": ("livez", "readyz"),
           "log-ins": ("log-in",), "archive": ("archive",)}


class Seen:
    """The answers to the others in one turn."""

    def __init__(self):
        self.times = collections.defaultdict(list)  # seconds by kind
        self.asked = collections.Counter()
        self.refused = collections.Counter()  # 503 and 429 by kind
        self.late = collections.Counter()  # no answer in time, or a closed connection
        self.odd = []  # findings about other answers

    def took(self, kind, seconds):
        """Records a request's time, and the times of the requests that it kept from being sent meanwhile."""
        pause = LOG_IN_PAUSE if kind == "log-in" else PAUSE
        self.asked[kind] += 1
        while seconds > 0:
            self.times[kind].append(seconds)
            seconds -= pause

    def pooled(self, name):
        return sorted(time for kind in CLASSES[name] for time in self.times.get(kind, ()))

    def figures(self):
        """Returns milliseconds by kind and class, and the numbers of requests, rejections and missing answers."""
        made = {kind: quantiles(sorted(times)) for kind, times in self.times.items() if times}
        made |= {name: quantiles(self.pooled(name)) for name in CLASSES if self.pooled(name)}
        return {"ms": made, "asked": dict(self.asked), "refused": dict(self.refused), "late": dict(self.late)}

    def findings(self):
        made = [f"{count} x {kind} of the others refused" for kind, count in self.refused.items()]
        made += [f"{count} x {kind} of the others without an answer in {PATIENCE:.0f} s"
                 for kind, count in self.late.items()]
        return made + self.odd[:3]


def quantiles(times):
    return {"p50": round(times[len(times) // 2] * 1000, 2), "p99": round(p99(times), 2)}


def p99(times):
    """Returns the 99th percentile of sorted seconds, in milliseconds."""
    return times[int(len(times) * 0.99)] * 1000


class Others:
    def __init__(self, service, tenant, ledger):
        self.service, self.tenant, self.ledger = service, tenant, ledger
        self.events, self.log_ins, self.has_passwords = 0, 0, False

    async def give_passwords(self):
        """Sets the passwords of the small tenant's users."""
        if self.has_passwords:
            return
        client = Client(self.service.port, self.tenant.key)
        for user in range(1, USERS + 1):
            fields = {"email": email(self.tenant, user), "password": PASSWORD}
            answer = await client.patient("PUT", f"/operator/{user}", fields)
            if answer.status != 200:
                raise AssertionError(f"no password: {answer.status} {answer.body[:200]!r}")
        client.close()
        self.has_passwords = True

    async def behave(self, seen, until, row=None):
        """Sends each kind of request repeatedly, in a loop of its own, until `until()` is true."""
        loops = [self.read(kind, question, seen, until) for kind, question in READS.items()]
        loops += [self.write(seen, until), self.connect(seen, until)]
        loops += [self.probe(path, seen, until) for path in ("livez", "readyz")]
        if row is not None and row.log_ins:
            loops.append(self.log_in(seen, until))
        if row is not None and row.archive:
            loops.append(self.list_closed(seen, until))
        await asyncio.gather(*loops)

    async def timed(self, kind, asking, seen):
        """Awaits and times a request. Returns the answer if it is 200; otherwise records the failure."""
        began = time.monotonic()
        try:
            answer = await asyncio.wait_for(asking, PATIENCE)
        except (Gone, OSError, EOFError, TimeoutError):
            # Missing answers count in the quantiles as well.
            seen.took(kind, max(PATIENCE, time.monotonic() - began))
            seen.late[kind] += 1
            # A pause, as a refused connection fails at once and would be retried in a busy loop.
            await asyncio.sleep(0.1)
            return None
        seen.took(kind, time.monotonic() - began)
        if answer.status in (429, 503):
            seen.refused[kind] += 1
        elif answer.status != 200:
            seen.odd.append(f"{kind} of the others was answered {answer.status} {answer.body[:150]!r}")
        else:
            return answer
        return None

    async def read(self, kind, question, seen, until):
        client = Client(self.service.port, self.tenant.key)
        while not until():
            answer = await self.timed(kind, ask(client, question, self.tenant.key), seen)
            if answer is not None:
                question[-1](answer, USERS, self.ledger.find)
            await asyncio.sleep(PAUSE)
        client.close()

    async def write(self, seen, until):
        client = Client(self.service.port, self.tenant.key)
        while not until():
            self.events += 1
            entry = self.ledger.open(self.tenant, [anything(f"other-{self.events}", self.tenant)])
            answer = await self.timed("event", client.post(entry.events), seen)
            if answer is not None:
                entry.answered(answer)
            await asyncio.sleep(PAUSE)
        client.close()

    async def connect(self, seen, until):
        while not until():
            client = Client(self.service.port, self.tenant.key)
            await self.timed("connect", ask(client, READS["graphql"], self.tenant.key), seen)
            client.close()
            await asyncio.sleep(PAUSE)

    async def probe(self, path, seen, until):
        while not until():
            client = Client(self.service.port)
            await self.timed(path, client.ask("GET", f"/{path}"), seen)
            client.close()
            await asyncio.sleep(PAUSE)

    async def list_closed(self, seen, until):
        client = Client(self.service.port, self.tenant.key)
        while not until():
            await self.timed("archive", client.ask("POST", "/graphql", {"query": closed_conversations(80)}), seen)
            await asyncio.sleep(PAUSE)
        client.close()

    async def log_in(self, seen, until):
        while not until():
            self.log_ins += 1
            name = email(self.tenant, 1 + self.log_ins % USERS)
            await self.timed("log-in", log_in(self.service.port, name, PASSWORD, self.log_ins), seen)
            await asyncio.sleep(LOG_IN_PAUSE)


def closed_conversations(days, filters=""):
    """Returns a document that lists the conversations that were closed in the last days."""
    now = datetime.datetime.now(datetime.timezone.utc)
    times = [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (now - datetime.timedelta(days=days), now)]
    return '{closedConversations(interval:{from:"%s",to:"%s"}%s){edges{node{id}}}}' % (*times, filters)


def email(tenant, user):
    return f"user{user}@{tenant.id}.example"


async def log_in(port, name, password, source):
    """Logs in from one of many addresses of this machine, since the rate of log-ins is limited by address."""
    data = request("POST", "/oauth2/token", None, f"grant_type=password&username={name}&password={password}".encode(),
                   {"Content-Type": "application/x-www-form-urlencoded"})
    address = f"127.1.{source // 250 % 250}.{source % 250 + 1}"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        writer.write(data)
        return await read_answer(reader)
    finally:
        writer.transport.abort()
