"""Makes the tenants that the clients call: one for each run of a client, since the clients write.

Who is selected by the filters of the clients, groups 98 and 99 or campaigns 111 and 112:

    101 Ann    group  98, campaign 111, english            connected, ready
    102 Ben    group  99, campaign 112, english, spanish   connected, ready
    103 Cleo   group 100, campaign 113, spanish            connected, ready; not selected
    104 Dan    group  98, campaign 111, english            connected, away
    105 Eve    group  98, campaign 111                     connected by the event that each client sends

A filter that is dropped counts Cleo; a list of which one value is read leaves others out. The tenant of a control has
Ben where Cleo is, and its routing rule without Ann: every number that a client expects is wrong then.
"""
import dataclasses
import datetime
import itertools
import time

import requests

GROUPS = {number: f"60000{number:03}-0000-4000-8000-000000000001" for number in (98, 99, 100)}
SKILLS = {"english": "50000001-0000-4000-8000-000000000001", "spanish": "50000002-0000-4000-8000-000000000001"}
FIRST_LINE = "10000001-0000-4000-9000-000000000001"
RULE = "20000000-0000-4000-9000-000000000001"
CONVERSATIONS = [f"c000000{n}-0000-4000-8000-000000000001" for n in (1, 2, 3)]
SOURCE = "/clients"


@dataclasses.dataclass
class Tenant:
    """A tenant's credentials: `key` is the key, `key_id` its id, which is the client id of a token request."""

    key: str
    key_id: str


def make(base, admin, name, is_control):
    """Makes a tenant with its directory and events, through the service's own API."""
    tenant = _ask("POST", base + "/v1/tenants", admin, {"name": name})["id"]
    made = _ask("POST", f"{base}/v1/tenants/{tenant}/keys", admin, {"name": name, "scopes": ["*"]})
    _ask("PUT", base + "/v1/directory", made["key"], _directory(is_control))
    results = _ask("POST", base + "/v1/events", made["key"], list(_events()))["results"]
    assert {result["outcome"] for result in results} == {"applied"}, results
    return Tenant(made["key"], made["id"])


def _ask(method, url, token, body):
    for _ in range(20):
        answer = requests.request(method, url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        # The disk is busy with something else. Where the request was taken all the same, a tenant of that name exists
        # already, which is a conflict; the others can be repeated.
        if answer.status_code != 503:
            break
        time.sleep(1)
    assert answer.ok, f"{method} {url}: {answer.status_code} {answer.text}"
    return answer.json()


def _directory(is_control):
    channels = {name: {"enabled": True, "max_slots": 2} for name in ("chat", "call")}

    def user(id, name, group, campaign, skills, routing_groups=()):
        return {"id": id, "name": name, "email": f"{name.lower()}@clients.example", "roles": ["operator"],
                "groups": [group], "primary_group": group, "campaigns": [campaign], "projects": [7], "skills": skills,
                "routing_groups": list(routing_groups), "channels": channels}

    ben = user(102, "Ben", 100, 113, [1]) if is_control else user(102, "Ben", 99, 112, [1, 2])
    return {
        "projects": [{"id": 7, "name": "Retail"}],
        "groups": [{"id": number, "guid": guid, "name": f"Group {number}"} for number, guid in GROUPS.items()],
        "campaigns": [{"id": number, "name": f"Campaign {number}"} for number in (111, 112, 113)],
        "skills": [{"id": n, "guid": guid, "name": name} for n, (name, guid) in enumerate(SKILLS.items(), 1)],
        "routing_groups": [{"guid": FIRST_LINE, "name": "First line"}],
        "routing_rules": [{"guid": RULE, "name": "Escalation", "routing_groups": [FIRST_LINE]}],
        "users": [
            user(101, "Ann", 98, 111, [1], () if is_control else (FIRST_LINE,)),
            ben,
            user(103, "Cleo", 100, 113, [2]),
            user(104, "Dan", 98, 111, [1]),
            user(105, "Eve", 98, 111, []),
        ],
    }


def _events():
    """People who are connected now, and three conversations of one day, with a contact before and after a snooze."""
    number = itertools.count(1)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def event(kind, time, data, subject=None):
        made = {"specversion": "1.0", "id": str(next(number)), "source": SOURCE, "type": kind, "time": time}
        return {**made, "data": data} if subject is None else {**made, "subject": subject, "data": data}

    for user in ("101", "102", "103", "104"):
        yield event("desk.connected", now, {"session": f"desk-{user}"}, user)
    yield event("status.changed", now, {"presence": "Away"}, "104")
    for hour, id in zip((11, 12, 13), CONVERSATIONS):
        day = f"2019-01-04T{hour}"
        yield event("conversation.started", f"{day}:00:00Z", {"conversation": id, "project": 7, "channel": "CHAT"})
        yield event("conversation.routed", f"{day}:00:00Z",
                    {"conversation": id, "routing_rule": RULE, "routing_group": FIRST_LINE})
        yield event("conversation.pushed", f"{day}:00:01Z", {"conversation": id, "channel": "CHAT"}, "101")
        yield event("conversation.snoozed", f"{day}:00:05Z", {"conversation": id})
        yield event("conversation.pushed", f"{day}:05:05Z", {"conversation": id, "channel": "CHAT"}, "101")
        yield event("conversation.closed", f"{day}:10:00Z", {"conversation": id})
