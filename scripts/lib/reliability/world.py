"""Makes tenants with users, and the events that desks and back ends may send about them."""
import datetime
import random
import uuid

from client import Client
from service import ADMIN

SOURCE = "/reliability"
BREAK = "b4ea4000-0000-4000-8000-000000000001"


class Tenant:
    def __init__(self, tenant, key, users, conversations):
        self.id, self.key, self.users = tenant, key, users
        self.conversations = [str(uuid.uuid4()) for _ in range(conversations)]


def directory(users, first=1):
    def user(number):
        return {"id": number, "name": f"user {number}", "roles": ["operator"], "queues": [1], "groups": [1 + number % 2],
                "skills": [1], "campaigns": [111],
                "channels": {"chat": {"enabled": True, "max_slots": 3}, "call": {"enabled": True, "max_slots": 1}}}
    return {"queues": [{"id": 1, "name": "queue"}], "groups": [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}],
            "skills": [{"id": 1, "name": "skill"}], "campaigns": [{"id": 111, "name": "campaign"}],
            "projects": [{"id": 7, "name": "project"}],
            "presence_definitions": [{"id": 1, "guid": BREAK, "category": "Away", "description": "Break"}],
            "users": [user(number) for number in range(first, users + 1)]}


async def make_tenants(port, count, users, conversations=60):
    """Makes new tenants. The directory is the first entry of each one's journal."""
    client, made = Client(port, ADMIN), []
    for n in range(count):
        tenant = await client.ask("POST", "/v1/tenants", {"name": f"t{n}-{uuid.uuid4().hex[:8]}"})
        while tenant.status == 503:  # of unknown outcome, so that the name may be taken
            tenant = await client.ask("POST", "/v1/tenants", {"name": f"t{n}-{uuid.uuid4().hex[:8]}"})
        if tenant.status not in (200, 201):
            raise AssertionError(tenant.body)
        tenant = tenant.json()["id"]
        wanted = {"name": "key", "scopes": ["*"]}
        key = (await client.patient("POST", f"/v1/tenants/{tenant}/keys", wanted)).json()["key"]
        (await client.patient("PUT", "/v1/directory", directory(users), token=key)).ok()
        made.append(Tenant(tenant, key, users, conversations))
    client.close()
    return made


def time_text(seconds_ago=0.0):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def event(identity, kind, data, subject=None, ago=0.0):
    made = {"specversion": "1.0", "id": identity, "source": SOURCE, "type": kind, "time": time_text(ago), "data": data}
    if subject is not None:
        made["subject"] = str(subject)
    return made


def anything(identity, tenant, rng=random):
    """Makes a random event that is journalled, whatever its outcome. About one in thirty is of an unknown user."""
    user = rng.randint(1, tenant.users + tenant.users // 30 + 1)
    ago = rng.choice((0.0, 0.0, rng.uniform(0, 20)))
    conversation, slot = rng.choice(tenant.conversations), f"slot-{rng.randrange(40)}"
    desk, channel = {"session": f"desk-{user}-{rng.randrange(2)}"}, rng.choice(("chat", "call"))
    kind, data, subject = rng.choice((
        ("desk.connected", {**desk, "lease_seconds": 3600}, user),
        ("desk.connected", desk, user),
        ("desk.disconnected", desk, user),
        ("status.changed", {"presence": rng.choice(("Ready", "Away", "ExtendedAway"))}, user),
        ("status.changed", {"channels": {channel: rng.random() < 0.7}}, user),
        ("slot.taken", {"channel": channel, "conversation": slot}, user),
        ("slot.taken", {"channel": channel, "conversation": slot}, user),
        ("slot.released", {"conversation": slot}, rng.choice((user, None))),
        ("slots.synced", {"channel": channel, "conversations": [slot, conversation]}, user),
        ("conversation.started", {"conversation": conversation, "project": 7, "channel": "CHAT"}, None),
        ("conversation.routed", {"conversation": conversation}, None),
        ("conversation.pushed", {"conversation": conversation, "channel": "CHAT", "project": 7}, user),
        ("conversation.message", {"conversation": conversation, "author": "VISITOR", "text": "hello"}, None),
        ("conversation.transferred", {"conversation": conversation}, None),
        ("conversation.snoozed", {"conversation": conversation}, None),
        ("conversation.removed", {"conversation": conversation}, None),
        ("conversation.closed", {"conversation": conversation}, None),
    ))
    return event(identity, kind, data, subject, ago)
