"""Reads everything that a tenant can see, to compare it later, and to find the strings that the service made for it."""

import base64
import json

from graphql import get_named_type, is_abstract_type, is_composite_type

from canaries import GUID
from rest import VERSION
from service import ADMIN
from wire import Answer

REST = (
    "/v1/directory",
    "/operator?full=1&limit=100",
    "/operator/live",
    "/group?full=1&limit=100",
    "/skill?full=1&limit=100",
    "/v1/agent-monitor/search",
    "/v1/user-activity/search",
    "/agents/presence-definitions",
    "/v1/log-ins",
    "/v0/acme/agents?availability=readyForPhoneCall",
)
# Hours in which conversations were closed: all of the other tenant's, and some of the own ones'.
CLOSED = (*(f"2017-03-0{1 + hour // 24}T{hour % 24:02d}" for hour in range(12, 32)), "2021-03-01T13")
QUERIES = (
    "connectedUsersIndicator",
    "users(first:15)",
    "users(last:15)",
    "conversations(first:2)",
    "conversations(last:3)",
    *(f'closedConversations(first:1,interval:{{from:"{time}:00:00Z",to:"{time}:59:59Z"}})' for time in CLOSED),
)


def whole(schema, kind, depth):
    """Every field of a type, down to a depth, with two items of each page."""
    named = get_named_type(kind)
    if not is_composite_type(named):
        return ""
    types = [named] if not is_abstract_type(named) else schema.get_possible_types(named)
    parts = []
    for one in types:
        fields = [
            f"{name}{'(first:2)' if 'first' in field.args else ''}{whole(schema, field.type, depth - 1)}"
            for name, field in sorted(one.fields.items())
            if depth > 1 or not is_composite_type(get_named_type(field.type))
        ]
        parts.append(f"... on {one.name}{{{' '.join(fields)}}}" if fields else "")
    return f"{{__typename {' '.join(parts)}}}"


def requests(schema, tenant):
    """The reads of a tenant: method, path, body."""
    found = [("GET", path, None) for path in REST]
    users = [(tenant.pools.get("user.id") or [1])[0], (tenant.pools.get("user.guid") or [tenant.id])[0]]
    found += [("GET", f"/operator/{users[0]}{part}", None) for part in ("", "/live", "/profile", "/statistic")]
    found += [
        ("GET", path, None) for path in (f"/agents/{users[1]}/presence", f"/agents/presences/users?userId={users[1]}")
    ]
    found.append(("POST", "/agents-availability", {}))
    for query in QUERIES:
        field = query.split("(")[0]
        for depth in (5,) if field == "closedConversations" else (6, 5, 4, 3, 2):
            document = f"{{{query}{whole(schema, schema.query_type.fields[field].type, depth)}}}"
            found.append(("POST", "/graphql", {"query": document}))
    return found


async def take(api, schema, tenant):
    """All that the tenant sees now, as one answer for each of its reads. A read may be refused, such as a document that
    is too expensive, as long as it is so each time."""
    answers = []
    for method, path, body in requests(schema, tenant):
        path += f"{'&' if '?' in path else '?'}auth_token={tenant.key}" if "/search" in path else ""
        answer = await api.client.patient(method, path, body, token=tenant.key, headers={"Accept": VERSION})
        head = "\r\n".join(f"{name}: {value}" for name, value in sorted(answer.headers.items()))
        answers.append(Answer(answer.status, f"HTTP/1.1 {answer.status}\r\n{head}\r\n\r\n".encode() + answer.body))
    return answers


async def keys(api, tenant):
    """The administrator's list of the tenant's keys."""
    return (await api.ask("GET", f"/v1/tenants/{tenant.id}/keys", ADMIN)).json()["keys"]


def harvest(answers, others, tenant, derived):
    """Adds to the tenant's pools and to `derived` what the service made for it: whatever no other tenant sees."""
    elsewhere = {guid.lower() for answer in others for guid in GUID.findall(answer.raw)}
    found = {guid.lower() for answer in answers for guid in GUID.findall(answer.raw.split(b"\r\n\r\n", 1)[1])}
    for guid in sorted(found - elsewhere):
        if not guid.startswith(b"beefcafe-"):
            derived.add_guid(guid)
            tenant.pools.setdefault("message.guid", []).append(guid.decode())
    cursors = {cursor for answer in answers for cursor in cursors_of(answer)}
    tenant.pools["cursor"] = sorted(cursors)


def cursors_of(answer):
    try:
        body = json.loads(answer.raw.split(b"\r\n\r\n", 1)[1])
    except ValueError:
        return
    todo = [body]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            if isinstance(value.get("cursor"), str):
                base64.b64decode(value["cursor"], validate=True)
                yield value["cursor"]
            todo += value.values()
        elif isinstance(value, list):
            todo += value
