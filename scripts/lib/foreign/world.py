"""The tenants: the other one, full of canaries, and those whose keys are used. All but the empty one have data of the
same structure; the own ones share no string with the other one."""

import json

from canaries import Canaries, Plain
from client import Client
from service import ADMIN

USERS, REFERENCES = 24, 6
PASSWORD = "a long password, nothing else"


class Tenant:
    """A tenant with its key, and the strings of its data by kind, each list in the order of creation."""

    def __init__(self, maker, year):
        self.maker, self.year, self.pools = maker, year, {}
        self.id = self.key = self.key_id = self.name = None

    def make(self, kind, form="text"):
        made = getattr(self.maker, form)(kind)
        self.pools.setdefault(f"{kind}.{form}", []).append(made)
        return made

    def time(self, hour, minute=0):
        return f"{self.year}-03-{1 + hour // 24:02d}T{hour % 24:02d}:{minute:02d}:00Z"


def reference(tenant, kind):
    return {"id": tenant.make(kind, "id"), "guid": tenant.make(kind, "guid"), "name": tenant.make(kind)}


def directory(tenant):
    """A document in which every text, id and GUID comes from the tenant's maker."""
    document = {
        f"{kind}s": [reference(tenant, kind) for _ in range(REFERENCES)]
        for kind in ("project", "group", "skill", "queue", "campaign", "routing_group")
    }
    groups = [group["guid"] for group in document["routing_groups"]]
    document["routing_rules"] = [
        {**reference(tenant, "routing_rule"), "routing_groups": groups[n : n + 2]} for n in range(3)
    ]
    document["presence_definitions"] = [
        {
            "id": tenant.make("presence", "id"),
            "guid": tenant.make("presence", "guid"),
            "category": category,
            "description": tenant.make("presence"),
        }
        for category in ("Ready", "Away", "ExtendedAway")
    ]
    document["users"] = [user(tenant, document, n) for n in range(USERS)]
    return document


def user(tenant, document, n):
    def of(kind):
        return [document[kind][(n + step) % REFERENCES]["id"] for step in range(2)]

    return {
        "id": tenant.make("user", "id"),
        "guid": tenant.make("user", "guid"),
        "external_id": tenant.make("external"),
        "email": tenant.make("email", "email"),
        "name": tenant.make("name"),
        "first_name": tenant.make("first"),
        "pseudo": tenant.make("pseudo"),
        "sso_key": tenant.make("sso"),
        "roles": [("operator", "manager", "expert", "bot")[n % 4]],
        "primary_group": of("groups")[0],
        "groups": of("groups"),
        "skills": of("skills"),
        "projects": of("projects"),
        "queues": of("queues"),
        "campaigns": of("campaigns"),
        "routing_groups": of("routing_groups"),
        "channels": {
            "chat": {"enabled": True, "max_slots": 4},
            "call": {"enabled": True, "max_slots": 1},
            "third_party": {"enabled": True, "max_slots": 2},
        },
        "call_config": {
            "type": "ANSWER_FROM_PHONE",
            "phone_number": f"+{tenant.make('phone', 'id')}",
            "ask_phone_number_at_every_connection": False,
        },
        "profile": {
            "city": tenant.make("city"),
            "country": tenant.make("country"),
            "description": tenant.make("about"),
            "facebook": tenant.make("facebook"),
            "status": tenant.make("status"),
        },
    }


class Events:
    """Makes the events of a tenant, with ids of its own."""

    def __init__(self, tenant):
        self.tenant, self.made, self.source = tenant, [], tenant.make("source")

    def add(self, kind, time, data, subject=None):
        event = {
            "specversion": "1.0",
            "id": self.tenant.make("event"),
            "source": self.source,
            "type": kind,
            "time": time,
            "data": data,
        }
        self.made.append(event if subject is None else {**event, "subject": str(subject)})


def events(tenant, document):
    """Desks, presences, slots, and conversations that are open and closed."""
    made = Events(tenant)
    for n, who in enumerate(document["users"][:18]):
        made.add(
            "desk.connected",
            tenant.time(8, n),
            {"session": tenant.make("session"), "device": tenant.make("device")},
            who["id"],
        )
        if n % 3 == 0:
            presence = document["presence_definitions"][n % 2]
            made.add("status.changed", tenant.time(9, n), {"presence_id": presence["guid"]}, who["id"])
        if n % 2 == 0:
            made.add(
                "slot.taken", tenant.time(10, n), {"channel": "chat", "conversation": tenant.make("slot")}, who["id"]
            )
    for n in range(20):
        conversation(made, tenant, document, n)
    return made.made


def conversation(made, tenant, document, n):
    talk = {"conversation": tenant.make("conversation", "guid")}
    project, rule = document["projects"][n % REFERENCES]["id"], document["routing_rules"][n % 3]["guid"]
    group, who = document["routing_groups"][n % REFERENCES]["guid"], document["users"][n % 12]["id"]
    hour = 12 + n
    made.add("conversation.started", tenant.time(hour), {**talk, "project": project, "channel": ("CHAT", "SMS")[n % 2]})
    made.add("conversation.routed", tenant.time(hour, 1), {**talk, "routing_rule": rule, "routing_group": group})
    made.add("conversation.pushed", tenant.time(hour, 2), {**talk, "channel": ("CHAT", "SMS")[n % 2]}, who)
    made.add(
        "conversation.message",
        tenant.time(hour, 3),
        {**talk, "author": tenant.make("author"), "text": tenant.make("words")},
        (who, None)[n % 2],
    )
    if n % 4 != 0:
        made.add("conversation.transferred", tenant.time(hour, 4), {**talk, "to_rule": rule, "to_group": group})
        made.add("conversation.closed", tenant.time(hour, 5), {**talk, "reason": tenant.make("reason")})


class Api:
    """Requests that prepare and compare tenants. Each must succeed."""

    def __init__(self, port):
        self.client = Client(port)

    async def ask(self, method, path, token, body=None, headers=None):
        answer = await self.client.patient(method, path, body, token=token, headers=headers)
        if answer.status not in (200, 201):
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body[:500]!r}")
        return answer


async def create(api, tenant, name):
    """Registers a tenant, without data."""
    tenant.name = name
    tenant.id = (await api.ask("POST", "/v1/tenants", ADMIN, {"name": name})).json()["id"]
    made = await api.ask("POST", f"/v1/tenants/{tenant.id}/keys", ADMIN, {"name": f"{name}key", "scopes": ["*"]})
    tenant.key, tenant.key_id = made.json()["key"], made.json()["id"]
    settings = {"conversation_text": True, "iadvize_secret": f"{name} and its secret"}
    await api.ask("PATCH", f"/v1/tenants/{tenant.id}", ADMIN, settings)
    return tenant


async def fill(api, tenant):
    """Gives a tenant its data."""
    document = directory(tenant)
    await api.ask("PUT", "/v1/directory", tenant.key, document)
    results = (await api.ask("POST", "/v1/events", tenant.key, events(tenant, document))).json()["results"]
    wrong = [result for result in results if result["outcome"] != "applied"]
    if wrong:
        raise AssertionError(f"events were not applied: {json.dumps(wrong[:3])}")


async def log_in(api, tenant):
    """Gives a tenant an operator who has logged in. The address must be of this tenant alone."""
    email = tenant.make("email", "email")
    await api.ask(
        "POST",
        "/operator",
        tenant.key,
        {"name": tenant.make("name"), "email": email, "role": "admin", "password": PASSWORD, "website_list": []},
    )
    form = f"grant_type=password&username={email.replace('@', '%40')}&password={PASSWORD.replace(' ', '+')}"
    await api.ask("POST", "/oauth2/token", None, form.encode(), {"Content-Type": "application/x-www-form-urlencoded"})


def own(year="2021"):
    return Tenant(Plain(), year)


def other():
    return Tenant(Canaries(), "2017")
