"""Bodies of the operations whose description does not say all about them: events, the directory, webhooks."""

import hashlib
import hmac
import json

CHANNELS = ("CHAT", "CALL", "SMS")


def _json(value):
    return json.dumps(value, separators=(",", ":")).encode()


def _data(maker, kind):
    """The data of an event of a type, with foreign ids."""
    rng, of = maker.rng, maker.pools.of
    talk = {"conversation": of("conversation.guid")}
    if kind.startswith("desk."):
        return {"session": of("session.text"), "device": of("device.text")}
    if kind == "status.changed":
        return rng.choice(({"presence_id": of("presence.guid")}, {"presence": "Away"}, {"channels": {"chat": False}}))
    if kind == "slots.synced":
        return {"channel": "chat", "conversations": [of("slot.text"), of("slot.text"), of("conversation.guid")]}
    if kind.startswith("slot."):
        return {"channel": "chat", "conversation": of("slot.text")}
    if kind == "conversation.started":
        return {**talk, "project": of("project.id"), "channel": rng.choice(CHANNELS)}
    if kind == "conversation.routed":
        return {**talk, "routing_rule": of("routing_rule.guid"), "routing_group": of("routing_group.guid")}
    if kind == "conversation.pushed":
        return {**talk, "project": of("project.guid"), "channel": rng.choice(CHANNELS)}
    if kind == "conversation.message":
        return {**talk, "author": of("external.text"), "text": of("external.text")}
    if kind == "conversation.transferred":
        return {**talk, "to_rule": of("routing_rule.guid"), "to_group": of("routing_group.guid")}
    if kind == "conversation.closed":
        return {**talk, "reason": of("device.text")}
    return talk


TYPES = (
    "desk.connected",
    "desk.heartbeat",
    "desk.disconnected",
    "status.changed",
    "slot.taken",
    "slot.released",
    "slots.synced",
    "conversation.started",
    "conversation.routed",
    "conversation.pushed",
    "conversation.message",
    "conversation.transferred",
    "conversation.snoozed",
    "conversation.removed",
    "conversation.closed",
    "directory.upserted",
    "user.deleted",
)


def event(maker):
    rng, of = maker.rng, maker.pools.of
    kind = rng.choice(TYPES)
    subject = of(rng.choice(("user.id", "user.guid", "external.text")))
    subject = f"external:{subject}" if str(subject).startswith("kestrelq") else str(subject)
    if rng.random() < 0.3:
        subject = rng.choice(maker.tenant.pools["user.id"])  # a user of the tenant's own, at a foreign conversation
    # The same id twice is a duplicate only within one tenant.
    made = {
        "specversion": "1.0",
        "id": of("event.text"),
        "source": of("source.text"),
        "type": kind,
        "time": f"2021-04-{rng.randint(1, 28):02d}T{rng.randint(0, 23):02d}:00:{rng.randint(0, 59):02d}Z",
        "data": _data(maker, kind),
    }
    if rng.random() < 0.7:
        made["id"] += f"{rng.randrange(10 ** 8):08d}"
    if not kind.startswith("conversation.") or kind in ("conversation.pushed", "conversation.message"):
        made["subject"] = str(subject)
    return made


def events(maker):
    form = maker.rng.randrange(4)
    if form == 0:
        return "application/cloudevents+json", _json(event(maker)), False
    if form == 1:
        lines = b"\n".join(_json(event(maker)) for _ in range(3))
        return "application/x-ndjson", lines, False
    return "application/json", _json([event(maker) for _ in range(maker.rng.randint(1, 4))]), False


def directory(maker):
    """A document with foreign ids, GUIDs and references, and names of its own."""
    rng, of = maker.rng, maker.pools.of
    document = {}
    for kind in rng.sample(("project", "group", "skill", "queue", "campaign", "routing_group"), 2):
        entity = {"id": of(f"{kind}.id"), "name": f"avocetq{kind}"}
        if rng.random() < 0.5:
            entity["guid"] = of(f"{kind}.guid")
        document[f"{kind}s"] = [entity]
    if rng.random() < 0.7:
        user = {rng.choice(("id", "guid", "external_id")): None, "name": "avocetquser"}
        for name, kind in (("id", "user.id"), ("guid", "user.guid"), ("external_id", "external.text")):
            if name in user or rng.random() < 0.2:
                user[name] = of(kind)
        if rng.random() < 0.3:
            user["email"] = of("email.email")
        if rng.random() < 0.3:
            user["groups"] = [of(rng.choice(("group.id", "group.guid")))]
        if rng.random() < 0.3:
            user["skills"] = [of(rng.choice(("skill.id", "skill.guid")))]
        document["users"] = [user]
    return "application/json", _json(document), False


def webhook(maker):
    rng, of = maker.rng, maker.pools.of
    kind = rng.choice(
        (
            "user.connected",
            "user.disconnected",
            "user.availability.updated",
            "v2.conversation.pushed",
            "v2.conversation.closed",
        )
    )
    body = {
        "eventId": f"{of('event.text')}{rng.randrange(10 ** 8):08d}",
        "eventType": kind,
        "platform": "ha",
        "clientId": 77,
        "createdAt": "2021-04-05T09:00:00Z",
        "sentAt": "2021-04-05T09:00:00Z",
        "userId": of("user.id"),
        "operatorId": of("user.id"),
        "conversationId": of("conversation.guid"),
        "channel": "CHAT",
        "availabilities": [{"channel": "CHAT", "status": "UNAVAILABLE"}],
    }
    return "application/json", _json(body), True


def signature(tenant, body):
    secret = f"{tenant.name} and its secret".encode()
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


BODIES = {"post_events": events, "put_directory": directory, "post_webhook": webhook}
