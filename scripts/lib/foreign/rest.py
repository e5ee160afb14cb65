"""Makes requests from the OpenAPI description: every operation with foreign values in its parameters, its body, in
parameters that it does not have, and in every header that a service or a proxy might read."""

import base64
import json
import urllib.parse
from dataclasses import dataclass, field

from bodies import BODIES

METHODS = ("get", "post", "put", "patch", "delete")
# Operations that change nothing, although their method is not GET.
READING = {
    "monitor_agents_by_body",
    "count_agents_by_body",
    "agents_availability",
    "get_client_token",
    "log_in",
    "revoke_user_token",
    "revoke_client_token",
}
# Operations that hash a password or whose rates are a few a minute, and so are sent seldom.
SELDOM = {"log_in": 40, "get_client_token": 200, "issue_ticket": 200}
# Base paths below which the operations with a tag are answered as well.
MOUNTS = {"iAdvize REST": "/api/2", "Convoso": "/v1"}
UNDECLARED = ("tenant", "tenant_id", "account", "user_id", "include", "fields")
HEADERS = (
    "Accept",
    "Accept-Language",
    "Authorization-Tenant",
    "Client-Id",
    "Cookie",
    "Forwarded",
    "From",
    "Host",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Origin",
    "Prefer",
    "Range",
    "Referer",
    "Rollcall-Position",
    "Rollcall-Tenant",
    "Traceparent",
    "User-Agent",
    "Via",
    "WebHook-Request-Origin",
    "X-Account",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-User",
    "X-HTTP-Method-Override",
    "X-Original-URL",
    "X-Remote-User",
    "X-Request-Id",
    "X-Rewrite-URL",
    "X-Tenant",
    "X-Tenant-Id",
    "X-User-Id",
    "apollographql-client-name",
    "ce-id",
    "ce-source",
    "ce-subject",
    "x-apollo-operation-name",
    "x-iadvize-signature",
)
VERSION = "application/vnd.newvoicemedia.v1+json"


@dataclass
class Request:
    operation: str
    method: str
    path: str
    query: list = field(default_factory=list)
    headers: list = field(default_factory=list)
    body: bytes = b""
    target: tuple = ()
    signed: bool = False

    def bytes(self):
        query = urllib.parse.urlencode(self.query)
        head = [f"{self.method} {self.path}{'?' + query if query else ''} HTTP/1.1"]
        if not any(name == "Host" for name, _ in self.headers):
            head.append("Host: rollcall")
        head += [f"{name}: {value}" for name, value in self.headers]
        if self.body or self.method not in ("GET", "HEAD", "DELETE"):
            head.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(head).encode() + b"\r\n\r\n" + self.body


class Operation:
    def __init__(self, path, method, found, schemas):
        self.path, self.method, self.schemas = path, method.upper(), schemas
        self.id, self.tag = found["operationId"], found["tags"][0]
        self.parameters = found.get("parameters", [])
        self.contents = found.get("requestBody", {}).get("content", {})
        self.security = [name for one in found.get("security", []) for name in one]
        self.answers = [kind for answer in found["responses"].values() for kind in answer.get("content", {})]
        self.writes = self.method != "GET" and self.id not in READING

    @property
    def is_administration(self):
        return "administrator" in self.security

    def members(self):
        """The members of the body, by the first content that has any."""
        for content in self.contents.values():
            members = resolve(content.get("schema", {}), self.schemas).get("properties", {})
            if members:
                return members
        return {}

    def targets(self):
        """The places for a foreign value."""
        places = [(parameter["in"], parameter["name"]) for parameter in self.parameters]
        places += [("body", name) for name in self.members()]
        places += [("undeclared", name) for name in UNDECLARED]
        places += [("header", name) for name in HEADERS if ("header", name.lower()) not in places]
        return [(self, *place) for place in places]


def resolve(schema, schemas):
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
    return schema


def operations(description):
    schemas = description["components"]["schemas"]
    return [
        Operation(path, method, item[method], schemas)
        for path, item in description["paths"].items()
        for method in METHODS
        if method in item
    ]


class Maker:
    """Makes requests with the credential of one tenant and values of the other."""

    def __init__(self, rng, pools, tenant, stranger_key):
        self.rng, self.pools, self.tenant, self.stranger_key = rng, pools, tenant, stranger_key

    def make(self, target):
        operation, place, name = target
        path, queries, headers = operation.path, [], []
        for parameter in operation.parameters:
            is_target = (parameter["in"], parameter["name"]) == (place, name)
            if parameter["in"] == "path":
                path = path.replace("{" + parameter["name"] + "}", self.segment(operation, parameter["name"]))
            elif is_target or parameter.get("required") or self.rng.random() < 0.15:
                value = self.parameter(parameter)
                if parameter["in"] == "query":
                    queries += self.spelled(parameter["name"], value)
                else:
                    headers.append((parameter["name"], str(value)))
        if place == "undeclared":
            queries.append((name, str(self.pools.value(name))))
        if place == "header":
            headers.append((name, self.header(name)))
        if operation.tag in MOUNTS and self.rng.random() < 0.3:
            path = MOUNTS[operation.tag] + path
        method = "HEAD" if operation.method == "GET" and self.rng.random() < 0.03 else operation.method
        request = Request(operation.id, method, path, queries, headers, target=(operation.id, place, name))
        if operation.contents:
            self.add_body(operation, request, name if place == "body" else None)
        self.add_version(operation, request)
        self.add_credential(operation, request)
        return request

    def segment(self, operation, name):
        """A value of the path. Of the group or skill that a path names, and else of a user."""
        kind = operation.path.split("/")[1] if name == "id" else name
        return urllib.parse.quote(str(self.pools.value(kind)), safe="")

    def parameter(self, parameter):
        name, schema = parameter["name"], parameter.get("schema", {})
        if "enum" in schema:
            return self.rng.choice(schema["enum"])
        if name in ("page", "limit", "full", "connected", "filters[connected]", "availability"):
            usual = "readyForPhoneCall" if name == "availability" else self.rng.choice(("0", "1", "2"))
            return usual if self.rng.random() < 0.8 else self.pools.any()
        if schema.get("type") == "integer":
            return self.rng.randint(1, 100)
        return self.pools.value(name)

    def spelled(self, name, value):
        """A parameter in one of the spellings of lists, in a third of all cases with a second value."""
        values = [str(value)] + ([str(self.pools.value(name))] if self.rng.random() < 0.3 else [])
        form = self.rng.randrange(4)
        if form == 0:
            return [(f"{name}[]", one) for one in values]
        if form == 1:
            return [(f"{name}[{n}]", one) for n, one in enumerate(values)]
        return [(name, ",".join(values))]

    def header(self, name):
        value = str(self.pools.any())
        return {
            "Host": f"{value.replace('@', '.')}.example",
            "Forwarded": f"for={value};host={value}",
            "Accept": f"text/{value}",
            "Origin": f"https://{value}.example",
            "Cookie": f"tenant={value}; session={value}",
            "If-None-Match": f'"{value}"',
            "X-HTTP-Method-Override": "DELETE",
            "X-Original-URL": f"/operator/{value}",
            "X-Rewrite-URL": f"/operator/{value}",
            "Range": "bytes=0-99",
        }.get(name, value)

    def add_version(self, operation, request):
        versions = [kind for kind in operation.answers if kind.startswith("application/vnd")]
        if operation.tag.startswith("Vonage") and not any(name == "Accept" for name, _ in request.headers):
            request.headers.append(("Accept", versions[0] if versions else VERSION))

    def add_credential(self, operation, request):
        """Adds the tenant's key in one of the places that the description names."""
        key = self.stranger_key if self.rng.random() < 0.02 else self.tenant.key
        place = self.rng.choice(operation.security or ["bearer"])
        if place == "api_key":
            request.headers.append(("X-API-Key", key))
        elif place == "key":
            request.query.append(("key", key))
        elif place == "auth_token":
            request.query.append(("auth_token", key))
        elif place == "basic":
            request.headers.append(("Authorization", "Basic " + base64.b64encode(f"{key}:x".encode()).decode()))
        else:
            request.headers.append(("Authorization", f"Bearer {key}"))

    def add_body(self, operation, request, target):
        if operation.id in BODIES:
            kind, request.body, request.signed = BODIES[operation.id](self)
            request.headers.append(("Content-Type", kind))
            return
        kinds = sorted(operation.contents)
        kind = self.rng.choice(kinds)
        members = self.members(
            operation.members(),
            target,
            resolve(operation.contents[kind].get("schema", {}), operation.schemas).get("required", ()),
        )
        if kind == "application/x-www-form-urlencoded":
            request.body = urllib.parse.urlencode(flat(members)).encode()
        elif kind == "multipart/form-data":
            kind += "; boundary=between"
            parts = "".join(
                f'--between\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in flat(members)
            )
            request.body = f"{parts}--between--\r\n".encode()
        else:
            request.body = json.dumps(members, separators=(",", ":")).encode()
        request.headers.append(("Content-Type", kind))

    def members(self, members, target, required):
        return {
            name: self.member(name, schema)
            for name, schema in members.items()
            if name == target or name in required or self.rng.random() < 0.2
        }

    def member(self, name, schema):
        kinds = schema.get("type", "string")
        kind = kinds if isinstance(kinds, str) else next(one for one in kinds if one != "null")
        if "enum" in schema:
            return self.rng.choice(schema["enum"])
        if kind == "array":
            return [self.member(name, schema.get("items", {})) for _ in range(self.rng.randint(1, 2))]
        if kind == "object":
            return {inner: self.member(inner, of) for inner, of in schema.get("properties", {}).items()}
        if kind == "integer":
            bound = schema.get("maximum")
            return self.rng.randint(schema.get("minimum", 0), min(bound, 100)) if bound else self.pools.integer(name)
        if kind == "boolean":
            return self.rng.random() < 0.5
        if name == "grant_type":
            return self.rng.choice(("client_credentials", "password"))
        if name in ("role", "roles"):
            return self.rng.choice(("operator", "manager"))
        if name == "password":
            # Another one each time: a log-in is by address and password, in whichever tenant both are right.
            return f"a password, {self.rng.randrange(10 ** 12):012d}"
        if name in ("client_secret", "token"):
            return self.stranger_key
        return str(self.pools.value(name))


def flat(members, prefix=""):
    """The members as a form, with brackets."""
    found = []
    for name, value in members.items():
        name = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, dict):
            found += flat(value, name)
        elif isinstance(value, list):
            found += [(f"{name}[]", one) for one in value]
        else:
            found.append((name, value))
    return found
