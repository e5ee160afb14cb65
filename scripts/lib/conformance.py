"""Makes a tenant with the users of the acceptance fixture, and prints schemathesis' configuration for it.

    python3 conformance.py BASE_URL ADMIN_TOKEN > schemathesis.toml
"""

import datetime
import json
import re
import sys
import urllib.request

base, admin = sys.argv[1:]


def ask(method, path, token, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(base + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def now(match):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=int(match[1] or 0))
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


tenant = ask("POST", "/v1/tenants", admin, {"name": "conformance"})["id"]
key = ask("POST", f"/v1/tenants/{tenant}/keys", admin, {"name": "conformance", "scopes": ["*"]})["key"]
for step in json.load(open("tests/vectors/setup/fixture.json", encoding="utf-8")):
    request = step["request"]
    body = re.sub(r"\{\{now([+-]\d+)?\}\}", now, json.dumps(request["json"]))
    ask(request["method"], request["path"], key, body.encode())

print(f"""
# The version that Vonage's routes require, and the type that GraphQL needs; no other route reads it.
headers = {{ Accept = "application/vnd.newvoicemedia.v1+json, application/json" }}

[parameters]
"path.tenant" = "{tenant}"

# Existing operators, groups and skills; deletions use generated ids, so that none of them is deleted.
[[operations]]
include-path-regex = "/(operator|group|skill)/[{{]id[}}]"
exclude-method = "DELETE"
parameters = {{ "path.id" = ["101", "102", "1", "2"] }}

[[operations]]
include-path-regex = "/agents/[{{]id[}}]"
parameters = {{ "path.id" = ["a0000101-0000-4000-8000-000000000101", "a0000104-0000-4000-8000-000000000104"] }}

[auth.openapi.bearer]
bearer = "{key}"

[auth.openapi.administrator]
bearer = "{admin}"

[auth.openapi.api_key]
api_key = "{key}"

[auth.openapi.key]
api_key = "{key}"

[auth.openapi.basic]
username = "{key}"
password = "x"

[auth.openapi.auth_token]
api_key = "{key}"
""")
